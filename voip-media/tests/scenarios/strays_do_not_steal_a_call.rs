use crate::support::{CALLER, Call, FRAME, Peer, address, plan, quiet};
use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
use std::time::Duration;
use voip_core::codec::AudioCodec::Pcma;
use voip_core::leg::Side;
use voip_media::LegPolicy;

const NATTED: &str = "203.0.113.9:31000";
const FORGER: &str = "203.0.113.66:4000";

fn natted() -> Peer {
    Peer { address: NATTED.to_owned(), ..Peer::new(Side::Caller) }
}

#[test]
fn a_forged_stream_changes_nothing_while_the_real_one_lives() {
    let mut call = Call::new();
    let (mut caller, mut callee) = (natted(), Peer::new(Side::Callee));
    call.talk(&mut [&mut caller, &mut callee], 10);
    // With the caller's SSRC and numbers to come, as one who listens could.
    let mut forger = Peer { address: FORGER.to_owned(), ..caller.clone() };
    for _ in 0..500 {
        call.pass(FRAME / 2);
        let forged = forger.speak();
        assert_eq!(call.receive(Side::Caller, FORGER, &forged), None);
        call.pass(FRAME / 2);
        let packet = caller.speak();
        assert!(call.receive(Side::Caller, NATTED, &packet).is_some());
        let back = call.receive(Side::Callee, &callee.address.clone(), &callee.speak()).unwrap();
        assert_eq!(back.destination, address(NATTED));
    }
    let report = call.report(Side::Caller);
    assert_eq!((report.dropped.foreign_source, report.lost, report.duplicates), (500, 0, 0));
    assert_eq!(report.source_changes, 0);
}

#[test]
fn a_source_that_truly_moved_is_followed() {
    let mut call = Call::new();
    let (mut caller, mut callee) = (natted(), Peer::new(Side::Callee));
    call.talk(&mut [&mut caller, &mut callee], 50);
    caller.address = "203.0.113.9:32000".to_owned();
    call.talk(&mut [&mut caller, &mut callee], 50);
    assert_eq!(call.rtp_to(Side::Caller).last().unwrap().destination, address("203.0.113.9:32000"));
    let report = call.report(Side::Caller);
    assert!((24..=25).contains(&report.dropped.foreign_source), "half a second: {}", report.dropped.foreign_source);
}

#[test]
fn one_packet_after_a_silence_is_not_enough() {
    let mut call = Call::new();
    let (mut caller, mut callee) = (natted(), Peer::new(Side::Callee));
    call.talk(&mut [&mut caller, &mut callee], 50);
    call.talk(&mut [&mut callee], 100);
    let mut forger = Peer { address: FORGER.to_owned(), ssrc: 66, ..Peer::new(Side::Caller) };
    call.talk(&mut [&mut forger], 2);
    call.talk(&mut [&mut caller, &mut callee], 1);
    assert_eq!(call.rtp_to(Side::Caller).last().unwrap().destination, address(NATTED));
}

#[test]
fn without_symmetric_rtp_only_the_negotiated_host_is_heard_and_answered() {
    let mut call = Call::bare();
    let policy = LegPolicy { symmetric: false, ..quiet() };
    call.set_plan(Side::Caller, plan(CALLER, &[Pcma]), policy.clone());
    call.set_plan(Side::Callee, plan("198.51.100.1:5000", &[Pcma]), policy);
    let (mut caller, mut stranger, mut callee) = (Peer::new(Side::Caller), natted(), Peer::new(Side::Callee));
    "192.0.2.1:4444".clone_into(&mut caller.address);
    call.talk(&mut [&mut stranger, &mut caller, &mut callee], 50);
    assert_eq!(call.report(Side::Caller).dropped.foreign_source, 50);
    assert_eq!(call.report(Side::Caller).packets_received, 50);
    assert!(call.rtp_to(Side::Caller).iter().all(|s| s.destination == address(CALLER)));
}

#[test]
fn a_flood_from_the_peer_itself_is_cut_to_ten_streams() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    let mut passed = 0;
    for _ in 0..20_000 {
        call.pass(Duration::from_micros(100));
        let packet = caller.speak();
        passed += usize::from(call.receive(Side::Caller, CALLER, &packet).is_some());
    }
    // 2 s at 500 a second, and the burst; fewer, where the numbers run away from the time that passes.
    let admitted = 20_000 - call.report(Side::Caller).dropped.flood;
    assert!((1000..=1260).contains(&admitted) && passed as u64 <= admitted, "{admitted}, {passed}");
}

proptest! {
    /// Strays from any other place, with any numbers, at any time while the source lives: none is passed on, and not
    /// one of the source's packets is lost for it.
    #[test]
    fn no_mixture_of_strays_moves_the_call(
        strays in prop::collection::vec((0_u64..20, 0_u8..4, 0_u32..3, proptest::prelude::any::<u16>()), 1..300),
    ) {
        let mut call = Call::new();
        let mut caller = natted();
        call.talk(&mut [&mut caller], 3);
        for (ms, place, ssrc, sequence) in strays {
            call.pass(Duration::from_millis(ms));
            let from = format!("203.0.113.{}:4{place}00", 60 + place);
            let stray = Peer {
                ssrc: if ssrc == 0 { caller.ssrc } else { ssrc },
                sequence: if sequence % 2 == 0 { caller.sequence } else { sequence },
                ..caller.clone()
            }
            .speak();
            prop_assert_eq!(call.receive(Side::Caller, &from, &stray), None);
            call.pass(Duration::from_millis(20 - ms));
            let packet = caller.speak();
            prop_assert!(call.receive(Side::Caller, NATTED, &packet).is_some());
        }
        prop_assert_eq!(call.report(Side::Caller).source, Some(address(NATTED)));
    }
}
