//! Datagrams on an RTP port, each preceded by one byte of length: the header alone, and a relay that takes them all
//! while its clock runs (RFC 3550 §5.1).

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::codec::AudioCodec;
use voip_core::leg::Side;
use voip_core::media::{Direction, MediaPlan, PayloadMap, TelephoneEventMap};
use voip_core::rng::Rng;
use voip_core::time::{ClockPair, WallTime};
use voip_media::relay::Relay;
use voip_media::rtp::RtpHeader;
use voip_media::session::SessionConfig;
use voip_media::{LegPolicy, MediaId};

pub(crate) fn run(data: &[u8]) {
    let mut now = beginning();
    let clock = ClockPair { instant: now, wall: WallTime::from_unix(Duration::from_secs(1_795_000_000)) };
    let config = SessionConfig { clock, cname: "fuzz".into() };
    let mut relay = Relay::new(now, MediaId(1), &config, Rng::from_number(1));
    relay.set_plan(now, Side::Caller, plan(40000, AudioCodec::Pcma), LegPolicy::default());
    relay.set_plan(now, Side::Callee, plan(50000, AudioCodec::Pcmu), LegPolicy::default());
    let mut rest = data;
    while let Some((length, after)) = rest.split_first() {
        let (datagram, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        header(datagram);
        let side = if length & 1 == 0 { Side::Caller } else { Side::Callee };
        let source = SocketAddr::from(([192, 0, 2, 9], 40000));
        let mut buffer = datagram.to_vec();
        if let Some(forward) = relay.handle_rtp(now, side, source, &mut buffer) {
            RtpHeader::read(&buffer[forward.bytes]).expect("what is passed on is RTP");
        }
        relay.handle_rtcp(now, side, source, datagram);
        now += Duration::from_millis(20);
        relay.handle_timeout(now);
        let mut out = [0; 1500];
        let mut sent = 0;
        while let Some(outbound) = relay.poll_transmit(now, &mut out) {
            assert!(outbound.length <= out.len());
            sent += 1;
            assert!(sent < 20, "a tick sends a handful of packets");
        }
        while relay.poll_event().is_some() {}
    }
}

/// A header that reads is written so that it reads the same.
fn header(datagram: &[u8]) {
    let Ok((header, payload)) = RtpHeader::read(datagram) else { return };
    let mut copy = datagram.to_vec();
    let place = header.write_before(&mut copy, payload.clone());
    let (again, range) = RtpHeader::read(&copy[place.clone()]).expect("a written header reads");
    assert_eq!(again, header);
    assert_eq!(copy[place][range], datagram[payload]);
}

fn plan(port: u16, codec: AudioCodec) -> MediaPlan {
    let number = if codec == AudioCodec::Pcma { 8 } else { 0 };
    MediaPlan {
        remote_rtp: SocketAddr::from(([192, 0, 2, 9], port)),
        remote_rtcp: SocketAddr::from(([192, 0, 2, 9], port + 1)),
        rtcp_mux: false,
        direction: Direction::SendRecv,
        codecs: vec![PayloadMap { codec, send: number, receive: number }],
        telephone_event: Some(TelephoneEventMap { send: 101, receive: 101, clock_rate: 8000 }),
        comfort_noise: Some(13),
        ptime: Duration::from_millis(20),
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant does as the beginning of virtual time")]
fn beginning() -> Instant {
    Instant::now()
}
