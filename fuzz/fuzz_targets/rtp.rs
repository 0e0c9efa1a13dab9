//! See the body for what is fuzzed.
#![no_main]

#[path = "../bodies/rtp.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
