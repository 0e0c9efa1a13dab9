#![no_main]

use libfuzzer_sys::fuzz_target;
use voip_media::rtcp::Compound;

fuzz_target!(|datagram: &[u8]| {
    assert!(Compound::new(datagram).count() <= datagram.len() / 4 + 1);
});
