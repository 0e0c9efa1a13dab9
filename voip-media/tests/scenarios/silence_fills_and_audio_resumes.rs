use crate::support::{CALLEE, CALLER, Call, FRAME, Peer, assert_continuous, plan, quiet};
use std::time::Duration;
use voip_core::codec::AudioCodec::Pcma;
use voip_core::leg::Side;
use voip_core::media::{Direction, MediaPlan};
use voip_media::session::FILL_AFTER;

#[test]
fn the_first_packet_leaves_with_the_plan_and_one_follows_every_20_ms() {
    let mut call = Call::bare();
    call.pass(Duration::from_millis(777));
    let planned = call.elapsed();
    call.set_plan(Side::Callee, plan(CALLEE, &[Pcma]), quiet());
    assert_eq!(call.sent.len(), 1);
    assert!(call.sent[0].at == planned && call.sent[0].header().marker);
    call.pass(Duration::from_secs(10));
    let packets = call.rtp_to(Side::Callee);
    assert_eq!(packets.len(), 501);
    assert_continuous(&packets, Some(160));
    // After the first, on an absolute clock.
    assert!(packets[1..].windows(2).all(|w| w[1].at - w[0].at == FRAME));
    assert!(packets[1..].iter().all(|p| !p.header().marker));
    assert!(call.rtp_to(Side::Caller).is_empty(), "a leg without a plan gets nothing");
}

#[test]
fn a_stream_with_jitter_is_never_mixed_with_silence() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 5);
    let before = call.report(Side::Callee).silence_sent;
    for late_ms in [0, 75, 0, 60, 0, 79, 0] {
        call.pass(FRAME + Duration::from_millis(late_ms));
        let packet = caller.speak();
        call.receive(Side::Caller, CALLER, &packet);
    }
    assert_eq!(call.report(Side::Callee).silence_sent, before);
}

#[test]
fn silence_begins_after_the_threshold_and_audio_takes_over_with_the_time_that_passed() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 50);
    let stopped = call.elapsed();
    call.pass(Duration::from_secs(2));
    let fill: Vec<_> = call.rtp_to(Side::Callee).into_iter().filter(|s| s.at > stopped).collect();
    assert!(fill[0].at - stopped >= FILL_AFTER && fill[0].at - stopped <= FILL_AFTER + FRAME);
    assert_eq!(fill.len(), ((Duration::from_secs(2) - (fill[0].at - stopped)).as_millis() / 20 + 1) as usize);

    // The caller was silent for 100 packets by its own clock, and speaks again.
    caller.timestamp = caller.timestamp.wrapping_add(100 * 160);
    call.talk(&mut [&mut caller], 50);
    let packets = call.rtp_to(Side::Callee);
    assert_continuous(&packets, None);
    let passed: Vec<_> = packets.into_iter().filter(|s| s.passed).collect();
    let resumed = passed[50].header();
    assert!(resumed.marker && !passed[51].header().marker);
    // Where its clock says, or behind the silence that was sent just before.
    let gap = resumed.timestamp.since(passed[49].header().timestamp);
    assert!((101 * 160..=102 * 160).contains(&gap), "{gap}");
    assert_eq!(call.report(Side::Callee).dropped.late, 0);
}

#[test]
fn a_source_whose_clock_stood_still_resumes_at_the_true_time() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 50);
    call.pass(Duration::from_secs(2));
    // Its timestamps go on as if no time had passed.
    call.talk(&mut [&mut caller], 5);
    let packets = call.rtp_to(Side::Callee);
    assert_continuous(&packets, None);
    let passed: Vec<_> = packets.into_iter().filter(|s| s.passed).collect();
    // Two packets show that these are not packets that were held up.
    assert_eq!((passed.len(), call.report(Side::Callee).dropped.late), (53, 2));
    let gap = passed[50].header().timestamp.since(passed[49].header().timestamp);
    assert!((gap - 103 * 160).abs() <= 160, "{gap}");
}

#[test]
fn early_media_flows_before_the_answer_and_ring_back_is_silence() {
    let mut call = Call::bare();
    call.set_plan(Side::Caller, plan(CALLER, &[Pcma]), quiet());
    call.pass(Duration::from_secs(1));
    assert_eq!(call.rtp_to(Side::Caller).len(), 51);
    call.set_plan(Side::Callee, MediaPlan { direction: Direction::RecvOnly, ..plan(CALLEE, &[Pcma]) }, quiet());
    let mut callee = Peer::new(Side::Callee);
    call.talk(&mut [&mut callee], 50);
    assert_eq!(call.rtp_to(Side::Caller).iter().filter(|s| s.passed).count(), 50);
    assert!(call.rtp_to(Side::Callee).is_empty());
    assert_continuous(&call.rtp_to(Side::Caller), None);
}

#[test]
fn silence_does_not_go_where_there_is_no_address() {
    let mut call = Call::bare();
    call.set_plan(Side::Caller, plan("0.0.0.0:4000", &[Pcma]), quiet());
    call.pass(Duration::from_secs(10));
    assert!(call.sent.is_empty());
}
