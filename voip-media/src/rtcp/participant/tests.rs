use super::*;
use crate::rtp::{RtpTime, SeqNo};
use voip_core::time::WallTime;

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn participant() -> (Participant, Instant) {
    let origin = Instant::now();
    let clock = ClockPair { instant: origin, wall: WallTime::from_unix(Duration::from_secs(1_800_000_000)) };
    (Participant::new(clock, Rng::from_number(1)), origin)
}

fn sent(packets: u64) -> Sent {
    let info =
        SenderInfo { ntp: NtpTime(0), rtp: RtpTime(1234), packets: packets as u32, octets: packets as u32 * 160 };
    Sent { ssrc: Ssrc(0xAA), info, packets }
}

#[test]
fn the_first_report_comes_sooner_and_all_are_spread() {
    let (mut participant, t0) = participant();
    participant.start(t0);
    let first = participant.next_report().unwrap() - t0;
    // 2.5 s * [0.5, 1.5] / 1.21828.
    assert!((1026..=3079).contains(&first.as_millis()), "{first:?}");
    let mut now = t0 + first;
    let (mut shortest, mut longest, mut total) = (u128::MAX, 0, 0);
    for _ in 0..1000 {
        participant.report(now, &mut [0; 512], sent(1), None, "c");
        let interval = (participant.next_report().unwrap() - now).as_millis();
        now = participant.next_report().unwrap();
        (shortest, longest, total) = (shortest.min(interval), longest.max(interval), total + interval);
    }
    assert!(shortest >= 2052 && longest <= 6157, "{shortest} {longest}");
    // Uniform over the factor: the mean is 5 s / 1.21828.
    assert!((3950..4260).contains(&(total / 1000)), "{}", total / 1000);
}

#[test]
fn a_sender_report_tells_time_and_counts_and_falls_back_to_a_receiver_report() {
    let (mut participant, t0) = participant();
    participant.start(t0);
    let mut reception = Reception::new(SeqNo(100), 8000);
    for n in [101, 102, 105] {
        reception.receive(SeqNo(n));
    }
    let mut buffer = [0; 512];
    let now = t0 + Duration::from_millis(2500);
    let length = participant.report(now, &mut buffer, sent(50), Some((Ssrc(0xBB), &mut reception)), "gw");
    let mut compound = Compound::new(&buffer[..length]);
    let Some(Ok(Packet::SenderReport { ssrc: Ssrc(0xAA), sender, mut blocks })) = compound.next() else { panic!() };
    // 1800000002.5 s after 1970 are 4008988802.5 s after 1900.
    assert_eq!(sender.ntp, NtpTime(4_008_988_802 << 32 | 0x8000_0000));
    assert_eq!((sender.rtp, sender.packets, sender.octets), (RtpTime(1234), 50, 8000));
    let block = blocks.next().unwrap();
    assert_eq!((block.ssrc, block.cumulative_lost, block.highest_sequence), (Ssrc(0xBB), 2, 105));
    // 2 of 6 lost: 512/6.
    assert_eq!((block.fraction_lost, block.last_sender_report, block.delay_since_last), (85, 0, 0));
    assert_eq!(compound.next(), Some(Ok(Packet::SourceDescription { cname: Some(b"gw") })));

    let mut kind = || {
        let length = participant.report(now, &mut buffer, sent(50), None, "gw");
        matches!(Compound::new(&buffer[..length]).next(), Some(Ok(Packet::SenderReport { .. })))
    };
    assert!(kind(), "sent within the last two intervals");
    assert!(!kind(), "sent nothing within the last two intervals");
}

#[test]
fn the_round_trip_is_what_lsr_and_dlsr_leave() {
    let (mut participant, t0) = participant();
    // RFC 3550 figure 2, in our time: the report left at t0, was held for 5.25 s, and its echo comes 11.375 s later.
    let left = participant.ntp(t0).middle();
    let block = ReportBlock {
        ssrc: Ssrc(0xAA),
        fraction_lost: 12,
        cumulative_lost: 34,
        highest_sequence: 1,
        jitter: 56,
        last_sender_report: left,
        delay_since_last: 5 << 16 | 1 << 14,
    };
    let mut buffer = [0; 512];
    let length = CompoundWriter::new(&mut buffer).receiver_report(Ssrc(0xBB), Some(block)).length();
    let now = t0 + Duration::from_millis(11_375);
    participant.receive(now, &buffer[..length], Ssrc(0xAA)).unwrap();
    assert_eq!(participant.round_trip(), Some(Duration::from_millis(6125)));
    assert_eq!(participant.remote(), Some(RemoteReport { fraction_lost: 12, cumulative_lost: 34, jitter: 56 }));

    // A held time longer than the elapsed one is impossible: the measurement stands.
    participant.receive(t0, &buffer[..length], Ssrc(0xAA)).unwrap();
    assert_eq!(participant.round_trip(), Some(Duration::from_millis(6125)));
    // A block about somebody else says nothing of us.
    participant.receive(now, &buffer[..length], Ssrc(0xCC)).unwrap();
    assert_eq!(participant.round_trip(), Some(Duration::from_millis(6125)));
}

#[test]
fn a_sender_report_is_echoed_with_the_time_it_was_held() {
    let (mut participant, t0) = participant();
    let info = SenderInfo { ntp: NtpTime(0x1111_2222_3333_4444), ..sent(1).info };
    let mut buffer = [0; 512];
    let length = CompoundWriter::new(&mut buffer).sender_report(Ssrc(0xBB), info, None).length();
    participant.receive(t0, &buffer[..length], Ssrc(0xAA)).unwrap();
    let mut reception = Reception::new(SeqNo(1), 8000);
    let now = t0 + Duration::from_millis(1500);
    let length = participant.report(now, &mut buffer, sent(1), Some((Ssrc(0xBB), &mut reception)), "gw");
    let Some(Ok(Packet::SenderReport { mut blocks, .. })) = Compound::new(&buffer[..length]).next() else { panic!() };
    let block = blocks.next().unwrap();
    assert_eq!((block.last_sender_report, block.delay_since_last), (0x2222_3333, 0x1_8000));
}

#[test]
fn goodbye_is_said_only_by_who_was_ever_heard() {
    let (mut participant, t0) = participant();
    assert_eq!(participant.leave(t0, &mut [0; 512], sent(0), None, "gw"), 0);
    let mut buffer = [0; 512];
    let length = participant.leave(t0, &mut buffer, sent(3), None, "gw");
    assert_eq!(Compound::new(&buffer[..length]).last(), Some(Ok(Packet::Bye { ssrc: Some(Ssrc(0xAA)) })));
}

#[test]
fn faults_are_told_and_what_came_before_them_is_kept() {
    let (mut participant, t0) = participant();
    let mut buffer = [0; 512];
    let length = CompoundWriter::new(&mut buffer).receiver_report(Ssrc(1), None).bye(Ssrc(1)).length();
    assert!(participant.receive(t0, &buffer[..length + 3], Ssrc(2)).is_err());
    assert_eq!(participant.byes(), 1);
}
