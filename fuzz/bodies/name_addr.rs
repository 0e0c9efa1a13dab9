//! A value of From, To, Contact or Route (RFC 3261 §20.10): what is read is written so that it reads the same.

use voip_sip::message::{ByteStr, NameAddr};

pub(crate) fn run(data: &[u8]) {
    let Some(read) = NameAddr::parse(&ByteStr::from(data.to_vec())) else { return };
    let write = |value: &NameAddr| {
        let mut out = Vec::new();
        value.write(&mut out);
        ByteStr::from(out)
    };
    let written = write(&read);
    let again = NameAddr::parse(&written).expect("a written value reads");
    assert_eq!(write(&again), written);
    assert_eq!(again.uri, read.uri);
    // Line ends, which no header value has that came in a message, are written as spaces.
    if !data.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        assert_eq!(again.tag(), read.tag());
    }
    let names = read.params.iter().count();
    assert_eq!(read.params.with("tag", Some("x")).iter().filter(|(n, _)| n.eq_ignore_ascii_case(b"tag")).count(), 1);
    assert!(read.params.without("tag").iter().count() <= names);
}
