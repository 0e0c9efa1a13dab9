//! A compound RTCP packet (RFC 3550 §6.1): its packets, and a participant that takes it.

use std::time::{Duration, Instant};
use voip_core::rng::Rng;
use voip_core::time::{ClockPair, WallTime};
use voip_media::rtcp::{Compound, CompoundWriter, Packet, Participant};
use voip_media::rtp::Ssrc;

pub(crate) fn run(data: &[u8]) {
    let mut packets = 0;
    for packet in Compound::new(data) {
        packets += 1;
        assert!(packets <= data.len() / 4 + 1, "each packet takes a word, and an error is the last");
        match packet {
            Ok(Packet::SenderReport { ssrc, sender, mut blocks }) => {
                let (mut buffer, first) = ([0; CompoundWriter::BUFFER], blocks.next());
                let mut writer = CompoundWriter::new(&mut buffer);
                let length = writer.sender_report(ssrc, sender, first).length();
                let again = Compound::new(&buffer[..length]).next();
                let Some(Ok(Packet::SenderReport { ssrc: s, sender: i, blocks: mut b })) = again else {
                    panic!("a written report reads: {again:?}")
                };
                assert_eq!((s, i, b.next()), (ssrc, sender, first));
            }
            Ok(Packet::ReceiverReport { blocks, .. }) => assert!(blocks.count() <= 31),
            Ok(_) | Err(_) => {}
        }
    }
    #[expect(clippy::disallowed_methods, reason = "any instant does as the beginning of virtual time")]
    let now = Instant::now();
    let clock = ClockPair { instant: now, wall: WallTime::from_unix(Duration::from_secs(1_795_000_000)) };
    let mut participant = Participant::new(clock, Rng::from_number(1));
    let _ = participant.receive(now, data, Ssrc(1));
    let _ = participant.receive(now + Duration::from_secs(1), data, Ssrc(1));
    assert!(participant.round_trip().is_none_or(|trip| trip <= Duration::from_secs(60)));
}
