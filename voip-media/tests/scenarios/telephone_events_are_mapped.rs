use crate::support::{CALLEE, CALLER, Call, FRAME, Peer, plan, quiet};
use std::time::Duration;
use voip_core::codec::AudioCodec::Pcma;
use voip_core::leg::Side;
use voip_core::media::{MediaPlan, TelephoneEventMap};
use voip_media::dtmf::EventPayload;
use voip_media::{MediaEvent, MediaId};

fn with_event(remote: &str, payload_type: u8) -> MediaPlan {
    let map = TelephoneEventMap { send: payload_type, receive: payload_type, clock_rate: 8000 };
    MediaPlan { telephone_event: Some(map), ..plan(remote, &[Pcma]) }
}

/// A key of 100 ms: five packets 20 ms apart, the end three times; then audio goes on.
fn press(call: &mut Call, caller: &mut Peer, event: u8) {
    let timestamp = caller.timestamp;
    for n in 1..=7_u16 {
        call.pass(FRAME);
        let duration = n.min(5) * 160;
        let payload = EventPayload { event, end: n >= 5, volume: 10, duration }.write();
        let mut packet = Peer { payload_type: 101, timestamp, ..caller.clone() }.packet(&payload);
        packet[1] |= if n == 1 { 0x80 } else { 0 };
        call.receive(Side::Caller, CALLER, &packet);
        caller.skip(1);
    }
}

#[test]
fn a_key_crosses_under_the_far_payload_type_with_its_marker_duration_and_place_in_time() {
    let mut call = Call::bare();
    call.set_plan(Side::Caller, with_event(CALLER, 101), quiet());
    call.set_plan(Side::Callee, with_event(CALLEE, 96), quiet());
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 10);
    press(&mut call, &mut caller, 5);
    call.talk(&mut [&mut caller], 10);

    let passed: Vec<_> = call.rtp_to(Side::Callee).into_iter().filter(|s| s.passed).collect();
    let (before, events, after) = (passed[9].header(), &passed[10..17], passed[17].header());
    for (n, sent) in events.iter().enumerate() {
        let header = sent.header();
        assert_eq!((header.payload_type, header.marker), (96, n == 0));
        assert_eq!(header.timestamp.since(before.timestamp), 160);
        assert_eq!(header.sequence.0, before.sequence.0.wrapping_add(1 + n as u16));
        let payload = EventPayload::read(sent.payload()).unwrap();
        assert_eq!((payload.event, payload.duration, payload.end), (5, (n as u16 + 1).min(5) * 160, n >= 4));
    }
    assert_eq!((after.timestamp.since(before.timestamp), after.payload_type), (8 * 160, 8));
    let keys: Vec<_> = call.events.iter().filter(|e| matches!(e, MediaEvent::Dtmf { .. })).collect();
    let key = MediaEvent::Dtmf { id: MediaId(1), side: Side::Caller, digit: '5', duration_ms: 100 };
    assert_eq!(keys, [&key], "once");
}

#[test]
fn a_key_for_a_peer_without_events_is_counted_reported_and_leaves_no_gap() {
    let mut call = Call::bare();
    call.set_plan(Side::Caller, with_event(CALLER, 101), quiet());
    call.set_plan(Side::Callee, MediaPlan { telephone_event: None, ..plan(CALLEE, &[Pcma]) }, quiet());
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 10);
    press(&mut call, &mut caller, 11);
    call.talk(&mut [&mut caller], 10);
    assert_eq!(call.report(Side::Callee).dropped.telephone_event, 7);
    crate::support::assert_continuous(&call.rtp_to(Side::Callee), None);
    assert!(call.rtp_to(Side::Callee).iter().all(|s| s.header().payload_type == 8));
    assert!(call.events.iter().any(|e| matches!(e, MediaEvent::Dtmf { digit: '#', .. })));
}

#[test]
fn a_key_whose_end_is_lost_is_reported_by_the_clock() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 1);
    let payload = EventPayload { event: 1, end: false, volume: 10, duration: 400 }.write();
    let packet = Peer { payload_type: 101, ..caller.clone() }.packet(&payload);
    call.receive(Side::Caller, CALLER, &packet);
    call.pass(Duration::from_millis(400));
    assert!(call.events.iter().any(|e| matches!(e, MediaEvent::Dtmf { digit: '1', duration_ms: 50, .. })));
}

#[test]
fn comfort_noise_is_passed_to_who_understands_it() {
    for (far, expected) in [(Some(19), 1), (None, 0)] {
        let mut call = Call::bare();
        call.set_plan(Side::Caller, MediaPlan { comfort_noise: Some(13), ..plan(CALLER, &[Pcma]) }, quiet());
        call.set_plan(Side::Callee, MediaPlan { comfort_noise: far, ..plan(CALLEE, &[Pcma]) }, quiet());
        let mut caller = Peer::new(Side::Caller);
        call.talk(&mut [&mut caller], 3);
        let packet = Peer { payload_type: 13, ..caller.clone() }.packet(&[60]);
        let sent = call.receive(Side::Caller, CALLER, &packet);
        assert_eq!(sent.iter().filter(|s| s.header().payload_type == 19 && s.payload() == [60]).count(), expected);
        assert_eq!(call.report(Side::Callee).dropped.comfort_noise, 1 - expected as u64);
    }
}
