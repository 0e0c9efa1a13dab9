use crate::support::{CALLEE, CALLER, Call, Peer, plan, quiet};
use std::time::Duration;
use voip_core::codec::AudioCodec::Pcma;
use voip_core::leg::Side;
use voip_core::media::{Direction, MediaPlan};
use voip_media::LegPolicy;
use voip_media::rtcp::CompoundWriter;
use voip_media::rtp::Ssrc;

fn policy() -> LegPolicy {
    LegPolicy { rtp_timeout: Some(Duration::from_secs(8)), rtp_timeout_hold: Some(Duration::from_secs(12)), ..quiet() }
}

#[track_caller]
fn assert_timeouts(call: &Call, expected: &[(Side, u64)]) {
    let rounded: Vec<_> = call.timeouts().iter().map(|(side, after)| (*side, after.as_secs())).collect();
    assert_eq!(rounded, expected);
    assert!(call.timeouts().iter().all(|(_, after)| after.subsec_millis() <= 20));
}

#[test]
fn a_silent_peer_times_out_once_and_again_after_it_was_heard() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 50);
    call.set_plan(Side::Caller, plan(CALLER, &[Pcma]), policy());
    call.pass(Duration::from_millis(7990));
    assert_timeouts(&call, &[]);
    call.pass(Duration::from_secs(60));
    assert_timeouts(&call, &[(Side::Caller, 8)]);
    call.talk(&mut [&mut caller], 1);
    call.pass(Duration::from_secs(60));
    assert_timeouts(&call, &[(Side::Caller, 8), (Side::Caller, 8)]);
}

#[test]
fn a_peer_that_never_speaks_times_out_too() {
    let mut call = Call::bare();
    call.set_plan(Side::Callee, plan(CALLEE, &[Pcma]), quiet());
    call.pass(Duration::from_secs(100));
    assert_timeouts(&call, &[]);
    // Answered: from now on somebody is expected.
    call.set_plan(Side::Callee, plan(CALLEE, &[Pcma]), policy());
    call.pass(Duration::from_secs(7));
    // A refresh of the same gives no new time.
    call.set_plan(Side::Callee, plan(CALLEE, &[Pcma]), policy());
    call.pass(Duration::from_secs(2));
    assert_timeouts(&call, &[(Side::Callee, 8)]);
}

#[test]
fn on_hold_the_longer_limit_holds_and_rtcp_is_life() {
    let mut call = Call::bare();
    let hold = || MediaPlan { direction: Direction::SendOnly, ..plan(CALLER, &[Pcma]) };
    call.set_plan(Side::Caller, hold(), policy());
    let mut report = [0; 512];
    let length = CompoundWriter::new(&mut report).receiver_report(Ssrc(1), None).length();
    for _ in 0..10 {
        call.pass(Duration::from_secs(5));
        call.receive_rtcp(Side::Caller, "192.0.2.1:4001", &report[..length]);
    }
    assert_timeouts(&call, &[]);
    call.pass(Duration::from_secs(30));
    assert_timeouts(&call, &[(Side::Caller, 12)]);

    // Resumed: the shorter limit counts anew, and RTCP does not stand for audio.
    call.set_plan(Side::Caller, plan(CALLER, &[Pcma]), policy());
    call.pass(Duration::from_secs(7));
    call.receive_rtcp(Side::Caller, "192.0.2.1:4001", &report[..length]);
    call.pass(Duration::from_secs(2));
    assert_timeouts(&call, &[(Side::Caller, 12), (Side::Caller, 8)]);
}

#[test]
fn packets_of_strangers_are_no_sign_of_life() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.set_plan(Side::Caller, plan(CALLER, &[Pcma]), policy());
    call.talk(&mut [&mut caller], 50);
    let unknown = Peer { payload_type: 77, ..caller.clone() }.speak();
    for _ in 0..90 {
        call.pass(Duration::from_millis(100));
        call.receive(Side::Caller, CALLER, &unknown);
    }
    assert_timeouts(&call, &[(Side::Caller, 8)]);
}
