use crate::support::{CALLER, Call, FRAME, Peer, address, assert_continuous, plan, quiet};
use std::time::Duration;
use voip_core::codec::AudioCodec::Pcma;
use voip_core::leg::Side;

#[test]
fn over_a_new_ssrc() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 50);
    call.pass(Duration::from_millis(60));
    let mut music = Peer { ssrc: 0x9999, sequence: 7, timestamp: 12_345, ..Peer::new(Side::Caller) };
    call.talk(&mut [&mut music], 50);
    let packets = call.rtp_to(Side::Callee);
    assert_continuous(&packets, None);
    let passed: Vec<_> = packets.into_iter().filter(|sent| sent.passed).collect();
    assert_eq!(passed.len(), 100);
    // 80 ms passed between the last of one and the first of the other, less what silence at the start had taken.
    let gap = passed[50].header().timestamp.since(passed[49].header().timestamp);
    assert!((480..=640).contains(&gap), "{gap}");
    assert!(passed[50].header().marker && !passed[51].header().marker);
    assert_eq!(call.report(Side::Caller).source_changes, 1);
    assert_eq!((call.report(Side::Caller).packets_received, call.report(Side::Caller).lost), (100, 0));
}

#[test]
fn over_a_restart_of_the_numbering() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 50);
    (caller.sequence, caller.timestamp) = (20_000, 999);
    call.talk(&mut [&mut caller], 50);
    assert_continuous(&call.rtp_to(Side::Callee), None);
    let report = call.report(Side::Caller);
    assert_eq!((report.lost, report.dropped.suspect_sequence, report.packets_received), (0, 1, 99));
}

#[test]
fn over_a_re_invite_that_moves_the_peer() {
    let mut call = Call::new();
    let (mut caller, mut callee) = (Peer::new(Side::Caller), Peer::new(Side::Callee));
    call.talk(&mut [&mut caller, &mut callee], 50);
    let moved = "192.0.2.77:9000";
    call.set_plan(Side::Caller, plan(moved, &[Pcma]), quiet());
    // The callee's audio goes to the new place at once, and the caller's from the old one is still heard.
    call.talk(&mut [&mut caller, &mut callee], 5);
    assert_eq!(call.rtp_to(Side::Caller).last().unwrap().destination, address(moved));
    let mut elsewhere =
        Peer { address: moved.to_owned(), ssrc: 77, sequence: 1, timestamp: 5, ..Peer::new(Side::Caller) };
    call.talk(&mut [&mut elsewhere, &mut callee], 50);
    for side in Side::BOTH {
        assert_continuous(&call.rtp_to(side), None);
        assert_eq!(call.rtp_to(side).iter().filter(|sent| sent.passed).count(), 105);
    }
}

#[test]
fn over_a_refresh_that_changes_nothing() {
    let mut call = Call::new();
    let (mut caller, mut callee) = (Peer::new(Side::Caller), Peer::new(Side::Callee));
    for _ in 0..5 {
        call.talk(&mut [&mut caller, &mut callee], 20);
        call.set_plan(Side::Caller, plan(CALLER, &[Pcma]), quiet());
    }
    let before = call.report(Side::Caller).silence_sent;
    call.pass(FRAME);
    assert_eq!(call.report(Side::Caller).silence_sent, before, "no silence between packets of a stream");
    let passed: Vec<_> = call.rtp_to(Side::Caller).into_iter().filter(|sent| sent.passed).collect();
    assert_continuous(&passed, Some(160));
}

#[test]
fn over_hours_of_wrapping_numbers() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    let mut last: Option<voip_media::rtp::RtpHeader> = None;
    for n in 0..200_000_u32 {
        if n % 50 == 0 {
            call.sent.clear();
        }
        call.pass(FRAME);
        let packet = caller.speak();
        let header = call.receive(Side::Caller, CALLER, &packet).unwrap().header();
        if let Some(before) = last.replace(header) {
            assert_eq!(header.sequence.0, before.sequence.0.wrapping_add(1));
            assert_eq!(header.timestamp.since(before.timestamp), 160);
        }
    }
    let report = call.report(Side::Caller);
    assert_eq!((report.packets_received, report.lost, report.dropped.total()), (200_000, 0, 0));
}
