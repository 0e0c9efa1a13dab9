//! What the media layer does with each packet: `cargo bench -p voip-benches --bench media`.
#![expect(clippy::disallowed_methods, reason = "the origin of the time that is handed in")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::codec::AudioCodec;
use voip_core::leg::Side;
use voip_core::media::{Direction, MediaPlan, PayloadMap};
use voip_core::rng::Rng;
use voip_core::time::{ClockPair, NtpTime, WallTime};
use voip_media::codec::g711::Law;
use voip_media::relay::Relay;
use voip_media::rtcp::{CompoundWriter, SenderInfo};
use voip_media::rtp::{RtpHeader, RtpTime, SeqNo, Ssrc};
use voip_media::session::SessionConfig;
use voip_media::{LegPolicy, MediaId};

fn g711(c: &mut Criterion) {
    let mut frame = [0; 160];
    frame.iter_mut().enumerate().for_each(|(n, code)| *code = (n * 37) as u8);
    c.bench_function("g711_convert_20ms", |b| b.iter(|| Law::A.convert_to_other(black_box(&mut frame))));
}

fn rtp(c: &mut Criterion) {
    let mut packet = [0xD5; 172];
    header(0).write(&mut packet);
    c.bench_function("rtp_read_rewrite", |b| {
        b.iter(|| {
            let (mut header, payload) = RtpHeader::read(black_box(&packet)).expect("a packet");
            header.sequence.0 = header.sequence.0.wrapping_add(1);
            header.timestamp = header.timestamp.plus(160);
            header.write_before(&mut packet, payload)
        });
    });
}

fn relay(c: &mut Criterion) {
    let start = Instant::now();
    let clock = ClockPair { instant: start, wall: WallTime::from_unix(Duration::from_secs(1)) };
    let config = SessionConfig { clock, cname: "bench".into() };
    let mut relay = Relay::new(start, MediaId(1), &config, Rng::from_number(1));
    let addresses = [SocketAddr::from(([192, 0, 2, 1], 4000)), SocketAddr::from(([192, 0, 2, 2], 4000))];
    for side in Side::BOTH {
        let remote_rtp = addresses[side.index()];
        let plan = MediaPlan {
            remote_rtp,
            remote_rtcp: remote_rtp,
            rtcp_mux: false,
            direction: Direction::SendRecv,
            codecs: vec![PayloadMap { codec: AudioCodec::Pcma, send: 8, receive: 8 }],
            telephone_event: None,
            comfort_noise: None,
            ptime: Duration::from_millis(20),
        };
        relay.set_plan(start, side, plan, LegPolicy::default());
    }
    let (mut n, mut packet) = (0_u64, [0xD5; 172]);
    c.bench_function("relay_forward", |b| {
        b.iter(|| {
            header(n).write(&mut packet);
            let now = start + Duration::from_millis(20 * n);
            n += 1;
            relay.handle_rtp(now, Side::Caller, addresses[0], black_box(&mut packet)).expect("it is passed on")
        });
    });
}

fn rtcp(c: &mut Criterion) {
    let mut buffer = [0; CompoundWriter::BUFFER];
    let info = SenderInfo { ntp: NtpTime(1 << 40), rtp: RtpTime(1), packets: 2, octets: 3 };
    c.bench_function("rtcp_sr_write", |b| {
        b.iter(|| {
            let mut writer = CompoundWriter::new(black_box(&mut buffer));
            writer.sender_report(Ssrc(1), info, None).cname(Ssrc(1), "gateway").length()
        });
    });
}

fn header(n: u64) -> RtpHeader {
    RtpHeader {
        marker: false,
        payload_type: 8,
        sequence: SeqNo(n as u16),
        timestamp: RtpTime(n as u32 * 160),
        ssrc: Ssrc(7),
    }
}

criterion_group!(benches, g711, rtp, relay, rtcp);
criterion_main!(benches);
