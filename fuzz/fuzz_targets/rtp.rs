#![no_main]

use libfuzzer_sys::fuzz_target;
use voip_media::rtp::RtpHeader;

fuzz_target!(|datagram: &[u8]| {
    if let Ok((_, payload)) = RtpHeader::read(datagram) {
        assert!(payload.start >= RtpHeader::LENGTH && payload.end <= datagram.len());
    }
});
