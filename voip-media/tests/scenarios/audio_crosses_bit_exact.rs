use crate::support::{CALLEE, CALLER, Call, FRAME, Peer, address, assert_continuous};
use voip_core::codec::AudioCodec::{Pcma, Pcmu};
use voip_core::leg::Side;
use voip_media::MediaEvent;
use voip_media::rtp::RtpHeader;

#[test]
fn both_directions_carry_every_byte_under_numbers_of_their_own() {
    let mut call = Call::new();
    let (mut caller, mut callee) = (Peer::new(Side::Caller), Peer::new(Side::Callee));
    for _ in 0..200 {
        call.pass(FRAME);
        for (peer, destination) in [(&mut caller, CALLEE), (&mut callee, CALLER)] {
            let packet = peer.speak();
            let sent = call.receive(peer.side, &peer.address.clone(), &packet).unwrap();
            assert_eq!(sent.payload(), &packet[RtpHeader::LENGTH..]);
            assert_eq!((sent.destination, sent.header().payload_type), (address(destination), 8));
            assert_ne!(sent.header().ssrc.0, peer.ssrc);
        }
    }
    for side in Side::BOTH {
        assert_continuous(&call.rtp_to(side), None);
        let passed: Vec<_> = call.rtp_to(side).into_iter().filter(|sent| sent.passed).collect();
        assert_continuous(&passed, Some(160));
        assert!(passed[0].header().marker && !passed[1].header().marker);
        let report = call.report(side);
        assert_eq!((report.packets_received, report.octets_received, report.lost), (200, 32_000, 0));
        assert_eq!((report.dropped.total(), report.converted, report.codec), (0, false, Some(Pcma)));
        assert!(report.mos.unwrap() > 4.3);
    }
    let (a, b) = (call.rtp_to(Side::Caller)[0].header().ssrc, call.rtp_to(Side::Callee)[0].header().ssrc);
    assert_ne!(a, b);
}

#[test]
fn each_leg_tells_that_it_has_begun_and_whom_it_hears() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    caller.address = "203.0.113.5:1024".to_owned();
    call.talk(&mut [&mut caller], 5);
    let (id, side, source) = (voip_media::MediaId(1), Side::Caller, address("203.0.113.5:1024"));
    assert_eq!(call.events, [MediaEvent::Latched { id, side, source }, MediaEvent::Started { id, side }]);
    // What goes to the caller goes where it speaks from, not where it said.
    let mut callee = Peer::new(Side::Callee);
    assert_eq!(call.receive(Side::Callee, CALLEE, &callee.speak()).unwrap().destination, source);
}

#[test]
fn losses_order_and_pauses_look_the_same_on_the_other_side() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 10);
    let base = call.rtp_to(Side::Callee).last().unwrap().header();
    let packets: Vec<_> = (0..6).map(|_| caller.speak()).collect();
    let mut seen = Vec::new();
    // The second and third change places, the fourth is lost, the last comes twice.
    for n in [0, 2, 1, 4, 5, 5] {
        let sent = call.receive(Side::Caller, CALLER, &packets[n]);
        seen.extend(sent.map(|s| {
            (s.header().sequence.0.wrapping_sub(base.sequence.0), s.header().timestamp.since(base.timestamp))
        }));
    }
    assert_eq!(seen, [(1, 160), (3, 480), (2, 320), (5, 800), (6, 960)]);
    let report = call.report(Side::Caller);
    assert_eq!((report.lost, report.out_of_order, report.duplicates, report.dropped.duplicate), (1, 1, 1, 1));
}

#[test]
fn a_codec_that_both_have_is_not_converted_though_another_comes_first() {
    let mut call = Call::with(&[Pcma, Pcmu], &[Pcmu, Pcma]);
    let mut caller = Peer::new(Side::Caller);
    let packet = caller.speak();
    let sent = call.receive(Side::Caller, CALLER, &packet).unwrap();
    assert_eq!((sent.header().payload_type, sent.payload()), (8, &packet[12..]));
    assert!(!call.report(Side::Callee).converted);
}
