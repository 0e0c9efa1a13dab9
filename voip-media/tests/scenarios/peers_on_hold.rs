use crate::support::{CALLER, Call, FRAME, Peer, assert_continuous, plan, quiet};
use std::time::Duration;
use voip_core::codec::AudioCodec::Pcma;
use voip_core::leg::Side;
use voip_core::media::{Direction, MediaPlan};
use voip_media::LegPolicy;

fn hold(direction: Direction) -> MediaPlan {
    MediaPlan { direction, ..plan(CALLER, &[Pcma]) }
}

fn keepalive() -> LegPolicy {
    LegPolicy { rtp_keepalive: Some(Duration::from_secs(1)), ..quiet() }
}

#[test]
fn a_caller_on_hold_gets_keepalives_and_the_agent_silence() {
    let mut call = Call::new();
    let (mut caller, mut callee) = (Peer::new(Side::Caller), Peer::new(Side::Callee));
    call.talk(&mut [&mut caller, &mut callee], 50);
    call.set_plan(Side::Caller, hold(Direction::Inactive), keepalive());
    let from = call.sent.len();
    call.talk(&mut [&mut callee], 500);
    let to_caller: Vec<_> = call.sent[from..].iter().filter(|s| s.side == Side::Caller).collect();
    let rtp: Vec<_> = to_caller.iter().filter(|s| s.bytes[1] & 0x7F == 127).collect();
    assert!((9..=10).contains(&rtp.len()), "one a second: {}", rtp.len());
    assert!(rtp.iter().all(|s| s.payload().is_empty()), "of a payload type the caller ignores");
    assert_eq!(call.report(Side::Caller).dropped.not_sending, 500);
    let to_callee = call.sent[from..].iter().filter(|s| s.side == Side::Callee && s.bytes.len() == 172).count();
    assert!((494..=496).contains(&to_callee), "{to_callee}: from 100 ms after the caller's last packet on");

    call.set_plan(Side::Caller, hold(Direction::SendRecv), keepalive());
    call.talk(&mut [&mut caller, &mut callee], 50);
    assert_continuous(&call.rtp_to(Side::Caller), None);
    assert_continuous(&call.rtp_to(Side::Callee), None);
    let resumed = call.rtp_to(Side::Caller).into_iter().rfind(|s| s.header().marker).unwrap();
    assert_eq!(resumed.payload().len(), 160, "audio resumes with the marker");
    assert!(call.elapsed() - resumed.at < FRAME * 51);
}

#[test]
fn music_on_hold_is_heard_and_nothing_goes_back() {
    let mut call = Call::new();
    let (mut caller, mut callee) = (Peer::new(Side::Caller), Peer::new(Side::Callee));
    call.set_plan(Side::Caller, hold(Direction::RecvOnly), keepalive());
    let before = call.rtp_to(Side::Callee).len();
    call.talk(&mut [&mut caller, &mut callee], 100);
    let passed = call.rtp_to(Side::Callee)[before..].iter().filter(|s| s.passed).count();
    assert_eq!(passed, 100);
    assert_eq!(call.rtp_to(Side::Caller).iter().filter(|s| s.passed).count(), 0);
}

#[test]
fn what_comes_while_nothing_is_wanted_is_counted() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.set_plan(Side::Caller, hold(Direction::SendOnly), quiet());
    call.talk(&mut [&mut caller], 10);
    assert_eq!(call.report(Side::Caller).dropped.not_receiving, 10);
    assert_eq!(call.rtp_to(Side::Callee).iter().filter(|s| s.passed).count(), 0);
}

#[test]
fn keepalives_are_comfort_noise_where_it_is_understood() {
    let mut call = Call::bare();
    let plan = MediaPlan { comfort_noise: Some(13), ..hold(Direction::RecvOnly) };
    call.set_plan(Side::Caller, plan, keepalive());
    call.pass(Duration::from_millis(2500));
    let rtp = call.rtp_to(Side::Caller);
    assert_eq!(rtp.len(), 3, "at 20 ms, 1020 ms, 2020 ms");
    assert!(rtp.iter().all(|s| s.header().payload_type == 13 && s.payload() == [127]));
    assert_continuous(&rtp, None);
}
