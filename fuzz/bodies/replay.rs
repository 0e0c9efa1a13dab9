//! Plays a corpus to a body in an ordinary test: each file whole, cut off at every length, and with single bytes
//! changed. What is slow is thinned out by `step`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Bytes that mean something to one of the formats.
const TELLING: &[u8] = b"\"<>;,:@\r\n \\=\x00\xFF";

pub(crate) fn replay(target: &str, body: fn(&[u8]), step: usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .expect("each target has a corpus")
        .map(|entry| entry.expect("a corpus can be listed").path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{target}: {} files", files.len());
    for file in files {
        let bytes = std::fs::read(&file).expect("a corpus file can be read");
        check(target, body, &bytes);
        for length in (0..bytes.len()).step_by(step) {
            check(target, body, &bytes[..length]);
        }
        let mut changed = bytes.clone();
        for at in (0..bytes.len()).step_by(step) {
            changed[at] = TELLING[at / step % TELLING.len()];
            check(target, body, &changed);
            changed[at] = bytes[at];
        }
    }
}

/// Shows the input of a failure.
fn check(target: &str, body: fn(&[u8]), input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| body(input))).is_err() {
        panic!("{target} fails on \"{}\"", input.escape_ascii());
    }
}
