//! A call in virtual time: a relay, peers that send streams, and what came out where and when.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::codec::AudioCodec;
use voip_core::leg::Side;
use voip_core::media::{Direction, MediaPlan, PayloadMap, TelephoneEventMap};
use voip_core::rng::Rng;
use voip_core::time::{ClockPair, WallTime};
use voip_media::relay::Relay;
use voip_media::rtp::{RtpHeader, RtpTime, SeqNo, Ssrc};
use voip_media::session::{Channel, MAXIMUM_DATAGRAM, SessionConfig};
use voip_media::{LegPolicy, LegReport, MediaEvent, MediaId};

pub(crate) const CALLER: &str = "192.0.2.1:4000";
pub(crate) const CALLEE: &str = "198.51.100.1:5000";
pub(crate) const FRAME: Duration = Duration::from_millis(20);

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn at_side(side: Side) -> &'static str {
    match side {
        Side::Caller => CALLER,
        Side::Callee => CALLEE,
    }
}

/// A plan towards `remote` with the codecs given, under their static payload types, and telephone events as 101.
pub(crate) fn plan(remote: &str, codecs: &[AudioCodec]) -> MediaPlan {
    let remote_rtp = address(remote);
    let payload = |codec: AudioCodec| codec.static_payload_type().unwrap_or(96);
    MediaPlan {
        remote_rtp,
        remote_rtcp: SocketAddr::new(remote_rtp.ip(), remote_rtp.port() + 1),
        rtcp_mux: false,
        direction: Direction::SendRecv,
        codecs: codecs
            .iter()
            .map(|&codec| PayloadMap { codec, send: payload(codec), receive: payload(codec) })
            .collect(),
        telephone_event: Some(TelephoneEventMap { send: 101, receive: 101, clock_rate: 8000 }),
        comfort_noise: None,
        ptime: FRAME,
    }
}

/// A policy under which only what a test asks for happens.
pub(crate) fn quiet() -> LegPolicy {
    LegPolicy { rtp_timeout: None, rtp_timeout_hold: None, rtp_keepalive: None, symmetric: true }
}

/// What the relay sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) at: Duration,
    pub(crate) side: Side,
    pub(crate) channel: Channel,
    pub(crate) destination: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    /// It was passed on, not made here.
    pub(crate) passed: bool,
}

impl Sent {
    pub(crate) fn header(&self) -> RtpHeader {
        RtpHeader::read(&self.bytes).unwrap().0
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[RtpHeader::LENGTH..]
    }
}

pub(crate) struct Call {
    pub(crate) relay: Relay,
    start: Instant,
    now: Instant,
    pub(crate) sent: Vec<Sent>,
    pub(crate) events: Vec<MediaEvent>,
}

pub(crate) const WALL: u64 = 1_800_000_000;

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of virtual time")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

pub(crate) fn config(start: Instant) -> SessionConfig {
    let clock = ClockPair { instant: start, wall: WallTime::from_unix(Duration::from_secs(WALL)) };
    SessionConfig { clock, cname: "gateway".into() }
}

impl Call {
    /// Without plans.
    pub(crate) fn bare() -> Self {
        let start = origin();
        let relay = Relay::new(start, MediaId(1), &config(start), Rng::from_number(11));
        Self { relay, start, now: start, sent: Vec::new(), events: Vec::new() }
    }

    /// Both legs in A-law.
    pub(crate) fn new() -> Self {
        Self::with(&[AudioCodec::Pcma], &[AudioCodec::Pcma])
    }

    pub(crate) fn with(caller: &[AudioCodec], callee: &[AudioCodec]) -> Self {
        let mut call = Self::bare();
        call.set_plan(Side::Caller, plan(CALLER, caller), quiet());
        call.set_plan(Side::Callee, plan(CALLEE, callee), quiet());
        call
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(crate) fn set_plan(&mut self, side: Side, plan: MediaPlan, policy: LegPolicy) {
        self.relay.set_plan(self.now, side, plan, policy);
        self.drain();
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.relay.poll_timeout() <= end {
            self.now = self.relay.poll_timeout();
            self.relay.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut buffer = [0; MAXIMUM_DATAGRAM];
        while let Some(out) = self.relay.poll_transmit(self.now, &mut buffer) {
            self.sent.push(Sent {
                at: self.now - self.start,
                side: out.side,
                channel: out.channel,
                destination: out.destination,
                bytes: buffer[..out.length].to_vec(),
                passed: false,
            });
        }
        self.events.extend(std::iter::from_fn(|| self.relay.poll_event()));
    }

    /// A datagram arrives on the RTP port of `side`; what is sent on, if it is.
    pub(crate) fn receive(&mut self, side: Side, source: &str, datagram: &[u8]) -> Option<Sent> {
        let mut datagram = datagram.to_vec();
        let forward = self.relay.handle_rtp(self.now, side, address(source), &mut datagram);
        self.drain();
        let forward = forward?;
        let sent = Sent {
            at: self.now - self.start,
            side: forward.side,
            channel: Channel::Rtp,
            destination: forward.destination,
            bytes: datagram[forward.bytes].to_vec(),
            passed: true,
        };
        self.sent.push(sent.clone());
        Some(sent)
    }

    pub(crate) fn receive_rtcp(&mut self, side: Side, source: &str, datagram: &[u8]) {
        self.relay.handle_rtcp(self.now, side, address(source), datagram);
        self.drain();
    }

    /// A frame of each peer's stream arrives every 20 ms, `count` times.
    pub(crate) fn talk(&mut self, peers: &mut [&mut Peer], count: usize) {
        for _ in 0..count {
            self.pass(FRAME);
            for peer in &mut *peers {
                let packet = peer.speak();
                self.receive(peer.side, &peer.address, &packet);
            }
        }
    }

    /// RTP that was sent to `side`'s peer, in order.
    pub(crate) fn rtp_to(&self, side: Side) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.side == side && sent.channel == Channel::Rtp).collect()
    }

    pub(crate) fn report(&self, side: Side) -> LegReport {
        self.relay.reports()[side.index()].clone()
    }

    pub(crate) fn timeouts(&self) -> Vec<(Side, Duration)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                MediaEvent::TimedOut { side, silent_for, .. } => Some((*side, *silent_for)),
                MediaEvent::Started { .. }
                | MediaEvent::Latched { .. }
                | MediaEvent::Dtmf { .. }
                | MediaEvent::Snapshot { .. }
                | MediaEvent::Closed { .. } => None,
            })
            .collect()
    }
}

/// A stream that a peer sends.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) side: Side,
    pub(crate) address: String,
    pub(crate) payload_type: u8,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) spoken: u8,
}

impl Peer {
    /// In A-law, from where the plan says.
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            address: at_side(side).to_owned(),
            payload_type: 8,
            ssrc: 0x1111 * (side.index() as u32 + 1),
            sequence: 65_500,
            timestamp: u32::MAX - 8000,
            spoken: 0,
        }
    }

    pub(crate) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header = RtpHeader {
            marker: false,
            payload_type: self.payload_type,
            sequence: SeqNo(self.sequence),
            timestamp: RtpTime(self.timestamp),
            ssrc: Ssrc(self.ssrc),
        };
        let mut packet = vec![0; RtpHeader::LENGTH];
        header.write(&mut packet);
        packet.extend(payload);
        packet
    }

    /// The next 20 ms of audio, no two alike.
    pub(crate) fn speak(&mut self) -> Vec<u8> {
        let payload: Vec<u8> = (0..160).map(|n: u8| n.wrapping_mul(7) ^ self.spoken).collect();
        let packet = self.packet(&payload);
        self.spoken = self.spoken.wrapping_add(1);
        self.skip(1);
        packet
    }

    /// Packets that are never sent, or lost.
    pub(crate) fn skip(&mut self, packets: u16) {
        self.sequence = self.sequence.wrapping_add(packets);
        self.timestamp = self.timestamp.wrapping_add(160 * u32::from(packets));
    }
}

/// Sequence numbers go up by one, timestamps by what `step` says (`None`: by anything that is not backwards), all under
/// one SSRC.
#[track_caller]
pub(crate) fn assert_continuous(packets: &[&Sent], step: Option<i32>) {
    for (n, pair) in packets.windows(2).enumerate() {
        let (before, after) = (pair[0].header(), pair[1].header());
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence.0, before.sequence.0.wrapping_add(1), "packet {n}");
        let advance = after.timestamp.since(before.timestamp);
        match step {
            Some(step) => assert_eq!(advance, step, "packet {n}"),
            None => assert!(advance >= 0, "packet {n}: {advance}"),
        }
    }
}
