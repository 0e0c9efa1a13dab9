use crate::support::{CALLEE, CALLER, Call, FRAME, Peer};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;
use voip_core::leg::Side;

/// Bytes that get past the first checks more often than chance would have it.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let tail = || prop::collection::vec(any::<u8>(), 0..400);
    prop_oneof![
        tail(),
        (
            prop_oneof![0x80_u8..=0xBF, 0x80_u8..=0x80],
            prop_oneof![0_u8..=255, 8_u8..=8, 101_u8..=101, 200_u8..=204],
            tail()
        )
            .prop_map(|(first, second, mut tail)| {
                tail.splice(0..0, [first, second]);
                tail
            }),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic_and_every_datagram_is_accounted_for(
        datagrams in prop::collection::vec((datagram(), any::<bool>(), any::<bool>(), 0_u64..200), 1..60),
    ) {
        let mut call = Call::new();
        let (mut rtp, mut passed) = ([0_u64; 2], 0);
        for (bytes, caller, control, ms) in datagrams {
            call.pass(std::time::Duration::from_millis(ms));
            let (side, from) = if caller { (Side::Caller, CALLER) } else { (Side::Callee, CALLEE) };
            if control {
                call.receive_rtcp(side, from, &bytes);
            } else {
                rtp[side.index()] += 1;
                passed += u64::from(call.receive(side, from, &bytes).is_some());
            }
        }
        let [caller, callee] = call.relay.reports();
        for (report, received) in [(&caller, rtp[0]), (&callee, rtp[1])] {
            let dropped = report.dropped;
            let refused = dropped.malformed + dropped.unknown_payload_type + dropped.foreign_source + dropped.flood
                + dropped.suspect_sequence + dropped.duplicate;
            // RTCP on the RTP port is counted with RTCP.
            prop_assert!(report.packets_received + refused <= received);
            prop_assert!(report.packets_received + refused + dropped.rtcp >= received);
        }
        prop_assert_eq!(passed, caller.packets_sent + callee.packets_sent - caller.silence_sent - callee.silence_sent);
    }
}

#[test]
fn a_call_goes_on_under_garbage() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    call.talk(&mut [&mut caller], 5);
    for n in 0..500_usize {
        let noise: Vec<u8> = (0..n).map(|i| (i * 31 + n * 17) as u8).collect();
        call.receive(Side::Caller, CALLER, &noise);
        call.receive_rtcp(Side::Caller, CALLER, &noise);
        call.pass(FRAME);
        let packet = caller.speak();
        assert!(call.receive(Side::Caller, CALLER, &packet).is_some(), "after {n} bytes of noise");
    }
    assert!(call.report(Side::Caller).dropped.malformed > 100);
    assert!(call.report(Side::Caller).dropped.rtcp > 100);
}

#[test]
fn each_fault_has_its_counter() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    let good = caller.speak();
    call.receive(Side::Caller, CALLER, &good);
    let mut version = good.clone();
    version[0] = 0x40;
    let oversized = caller.packet(&[0; 1490]);
    let empty = caller.packet(&[]);
    for bad in [&version[..], &good[..11], &oversized, &empty] {
        assert_eq!(call.receive(Side::Caller, CALLER, bad), None);
    }
    let dropped = || call.relay.reports()[0].dropped;
    assert_eq!(dropped().malformed, 4);
    let unknown = Peer { payload_type: 3, ..caller.clone() }.speak();
    call.receive(Side::Caller, CALLER, &unknown);
    let short_event = Peer { payload_type: 101, ..caller.clone() }.packet(&[1, 2, 3]);
    call.receive(Side::Caller, CALLER, &short_event);
    call.receive(Side::Caller, CALLER, &[0x80, 200, 0, 0]);
    let dropped = call.relay.reports()[0].dropped;
    assert_eq!((dropped.unknown_payload_type, dropped.malformed, dropped.rtcp), (1, 5, 1));
    assert_eq!(dropped.by_reason().iter().map(|(_, n)| n).sum::<u64>(), dropped.total());
}
