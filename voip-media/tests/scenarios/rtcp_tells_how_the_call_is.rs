use crate::support::{CALLER, Call, FRAME, Peer, WALL, config, origin, plan, quiet};
use std::time::Duration;
use voip_core::codec::AudioCodec::Pcma;
use voip_core::leg::Side;
use voip_core::rng::Rng;
use voip_core::time::WallTime;
use voip_media::rtcp::{Compound, CompoundWriter, Packet, ReportBlock, SenderInfo};
use voip_media::rtp::{RtpTime, Ssrc};
use voip_media::session::{Channel, Session};

fn reports(call: &Call, side: Side) -> Vec<(Duration, Vec<u8>)> {
    let rtcp = call.sent.iter().filter(|s| s.side == side && s.channel == Channel::Rtcp);
    rtcp.map(|s| (s.at, s.bytes.clone())).collect()
}

#[test]
fn both_legs_report_what_they_send_and_hear() {
    let mut call = Call::new();
    let mut caller = Peer::new(Side::Caller);
    for _ in 0..1000 {
        call.talk(&mut [&mut caller], 1);
        if caller.sequence.is_multiple_of(20) {
            call.pass(FRAME);
            caller.skip(1);
        }
    }
    for side in Side::BOTH {
        let times: Vec<_> = reports(&call, side).iter().map(|(at, _)| *at).collect();
        assert!((4..=9).contains(&times.len()), "{times:?}");
        assert!((1026..=3100).contains(&times[0].as_millis()), "the first is sooner: {:?}", times[0]);
    }
    // To the caller: what we send is silence, what we hear is 1 in 20 lost.
    let (at, bytes) = reports(&call, Side::Caller).pop().unwrap();
    let packets: Vec<_> = Compound::new(&bytes).map(Result::unwrap).collect();
    let [Packet::SenderReport { ssrc, sender, mut blocks }, Packet::SourceDescription { cname: Some(b"gateway") }] =
        packets[..]
    else {
        panic!("{packets:?}")
    };
    let sent: Vec<_> = call.rtp_to(Side::Caller).into_iter().filter(|s| s.at <= at).collect();
    let last = sent.last().unwrap().header();
    assert_eq!((ssrc, sender.packets as usize, sender.octets as usize), (last.ssrc, sent.len(), sent.len() * 160));
    assert_eq!(sender.ntp, (WallTime::from_unix(Duration::from_secs(WALL)) + at).ntp());
    assert!(sender.rtp.since(last.timestamp).abs() <= 160);
    let block = blocks.next().unwrap();
    assert_eq!(block.ssrc, Ssrc(caller.ssrc));
    assert!((11..=14).contains(&block.fraction_lost), "1 in 20 of 256: {}", block.fraction_lost);
    assert_eq!(block.jitter, 0);

    let report = call.report(Side::Caller);
    assert!((report.loss_fraction - 0.05).abs() < 0.003, "{}", report.loss_fraction);
    // R = 93.2 - 95 * 5 / (5 + 25.1) = 77.4, which is a score of 3.9.
    assert!((report.mos.unwrap() - 3.9).abs() < 0.1, "{:?}", report.mos);
}

#[test]
fn the_peers_view_and_the_round_trip_reach_the_record() {
    let mut call = Call::new();
    let ssrc = call.rtp_to(Side::Caller)[0].header().ssrc;
    call.pass(Duration::from_secs(4));
    let (sent_at, bytes) = reports(&call, Side::Caller).remove(0);
    let Some(Ok(Packet::SenderReport { sender, .. })) = Compound::new(&bytes).next() else { panic!() };
    let block = ReportBlock {
        ssrc,
        fraction_lost: 8,
        cumulative_lost: 5,
        highest_sequence: 1,
        jitter: 24,
        last_sender_report: sender.ntp.middle(),
        // Held for a quarter of a second.
        delay_since_last: 0x4000,
    };
    let info = SenderInfo { ntp: sender.ntp, rtp: RtpTime(0), packets: 1, octets: 160 };
    let mut answer = [0; 512];
    let length = CompoundWriter::new(&mut answer).sender_report(Ssrc(5), info, Some(block)).length();
    call.receive_rtcp(Side::Caller, "192.0.2.1:4001", &answer[..length]);
    let report = call.report(Side::Caller);
    let expected = (call.elapsed() - sent_at).as_secs_f32() * 1000.0 - 250.0;
    assert!((report.round_trip_ms.unwrap() - expected).abs() < 0.1, "{:?} {expected}", report.round_trip_ms);
    assert_eq!((report.remote_lost, report.remote_jitter_ms), (Some(5), Some(3.0)));
    assert_eq!(call.report(Side::Callee).round_trip_ms, None);

    // A stranger's report is counted and not believed.
    call.receive_rtcp(Side::Callee, "203.0.113.66:4001", &answer[..length]);
    assert_eq!((call.report(Side::Callee).rtcp_received, call.report(Side::Callee).dropped.rtcp), (0, 1));
}

#[test]
fn the_end_is_said_on_both_legs() {
    let mut call = Call::new();
    call.pass(Duration::from_secs(1));
    call.relay.close();
    let mut buffer = [0; 1500];
    for side in Side::BOTH {
        let out = call.relay.poll_transmit(call.now(), &mut buffer).unwrap();
        assert_eq!((out.side, out.channel), (side, Channel::Rtcp));
        assert!(matches!(Compound::new(&buffer[..out.length]).last(), Some(Ok(Packet::Bye { ssrc: Some(_) }))));
    }
    assert_eq!(call.relay.poll_transmit(call.now(), &mut buffer), None);
}

#[test]
fn on_one_port_reports_travel_with_the_audio() {
    let mut plan = plan(CALLER, &[Pcma]);
    plan.rtcp_mux = true;
    let mut call = Call::bare();
    call.set_plan(Side::Caller, plan, quiet());
    call.pass(Duration::from_secs(4));
    let muxed = call.rtp_to(Side::Caller).into_iter().filter(|s| s.bytes[1] == 200).count();
    assert_eq!((muxed, reports(&call, Side::Caller).len()), (1, 0));
    let mut report = [0; 512];
    let length = CompoundWriter::new(&mut report).receiver_report(Ssrc(5), None).length();
    assert_eq!(call.receive(Side::Caller, CALLER, &report[..length]), None);
    assert_eq!(call.report(Side::Caller).rtcp_received, 1);
}

/// Two endpoints of this crate over a link with delay: each measures the round trip that there is.
#[test]
fn two_ends_agree_on_the_round_trip() {
    const DELAY: Duration = Duration::from_millis(35);
    let start = origin();
    let mut rng = Rng::from_number(2);
    let mut ends = [0, 1].map(|_| Session::new(config(start), &mut rng));
    let places = ["192.0.2.1:4000", "192.0.2.2:4000"];
    for (n, end) in ends.iter_mut().enumerate() {
        end.set_plan(start, plan(places[1 - n], &[Pcma]), quiet());
    }
    let mut flying: Vec<(u64, usize, Channel, Vec<u8>)> = Vec::new();
    let mut buffer = [0; 1500];
    for ms in 0..20_000_u64 {
        let now = start + Duration::from_millis(ms);
        for n in [0, 1] {
            if ms % 20 == 7 * n as u64 {
                ends[n].handle_timeout(now, now);
            }
            while let Some((channel, _, length)) = ends[n].poll_transmit(now, &mut buffer) {
                flying.push((ms + DELAY.as_millis() as u64, 1 - n, channel, buffer[..length].to_vec()));
            }
        }
        for (_, to, channel, bytes) in flying.extract_if(.., |flight| flight.0 == ms) {
            let from = crate::support::address(places[1 - to]);
            match channel {
                Channel::Rtp => assert!(ends[to].handle_rtp(now, from, &bytes).is_some()),
                Channel::Rtcp => ends[to].handle_rtcp(now, from, &bytes),
            }
        }
    }
    for end in &ends {
        let report = end.report();
        let trip = report.round_trip_ms.unwrap();
        assert!((trip - 70.0).abs() < 0.1, "{trip}");
        assert_eq!((report.remote_lost, report.lost, report.dropped.total()), (Some(0), 0, 0));
    }
}
