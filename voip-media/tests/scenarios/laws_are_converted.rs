use crate::support::{CALLEE, CALLER, Call, FRAME, Peer, plan, quiet};
use voip_core::codec::AudioCodec::{G722, Pcma, Pcmu};
use voip_core::leg::Side;
use voip_media::codec::g711::Law;

#[test]
fn a_law_to_mu_law_and_back_by_the_tables() {
    let mut call = Call::with(&[Pcma], &[Pcmu]);
    let mut caller = Peer::new(Side::Caller);
    let packet = caller.speak();
    let mut expected = packet[12..].to_vec();
    Law::A.convert_to_other(&mut expected);
    let sent = call.receive(Side::Caller, CALLER, &packet).unwrap();
    assert_eq!((sent.header().payload_type, sent.payload()), (0, &expected[..]));

    let mut callee = Peer { payload_type: 0, ..Peer::new(Side::Callee) };
    let packet = callee.speak();
    let mut expected = packet[12..].to_vec();
    Law::Mu.convert_to_other(&mut expected);
    let sent = call.receive(Side::Callee, CALLEE, &packet).unwrap();
    assert_eq!((sent.header().payload_type, sent.payload()), (8, &expected[..]));
    assert!(call.report(Side::Caller).converted && call.report(Side::Callee).converted);
}

#[test]
fn silence_is_in_the_codec_of_the_leg() {
    let mut call = Call::with(&[Pcma], &[Pcmu]);
    call.pass(FRAME);
    let to_caller = call.rtp_to(Side::Caller)[0];
    assert_eq!((to_caller.header().payload_type, to_caller.payload()), (8, &[0xD5; 160][..]));
    let to_callee = call.rtp_to(Side::Callee)[0];
    assert_eq!((to_callee.header().payload_type, to_callee.payload()), (0, &[0xFF; 160][..]));
}

#[test]
fn what_cannot_be_converted_is_counted_and_leaves_silence() {
    let mut call = Call::with(&[G722, Pcma], &[Pcma]);
    let mut caller = Peer { payload_type: 9, ..Peer::new(Side::Caller) };
    call.talk(&mut [&mut caller], 50);
    assert_eq!(call.report(Side::Callee).dropped.unconvertible, 50);
    assert!(call.report(Side::Callee).silence_sent >= 49);
    // The caller falls back to what the callee has.
    caller.payload_type = 8;
    call.talk(&mut [&mut caller], 50);
    assert_eq!(call.report(Side::Callee).dropped.unconvertible, 50);
}

#[test]
fn a_codec_change_in_the_middle_goes_on_without_a_break() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 20);
    call.set_plan(Side::Caller, plan(CALLER, &[Pcmu]), quiet());
    // A-law that was on its way is still taken.
    call.talk(&mut [&mut caller], 3);
    caller.payload_type = 0;
    call.talk(&mut [&mut caller], 20);
    let passed: Vec<_> = call.rtp_to(Side::Callee).into_iter().filter(|sent| sent.passed).collect();
    assert_eq!(passed.len(), 43);
    crate::support::assert_continuous(&passed, Some(160));
    assert!(passed.iter().all(|sent| sent.header().payload_type == 8));
    caller.payload_type = 8;
    call.pass(std::time::Duration::from_secs(1));
    call.talk(&mut [&mut caller], 1);
    assert_eq!(call.report(Side::Caller).dropped.unknown_payload_type, 1, "the old plan is over");
}
