//! One leg's media: a [`MediaPlan`] in motion (RFC 3550, 3551, 4733, 4961, 6263). Pure: datagrams and `now` go in, what is
//! to be sent comes out.
//!
//! A session judges what comes in, keeps statistics and RTCP, and gives what it sends its own SSRC, sequence numbers and
//! timestamps, continuous over re-negotiation and changes of source. Where its peer would hear nothing, it sends
//! silence. Two sessions make a [`Relay`](crate::relay::Relay), which drives them. Decoding, jitter buffer and SRTP are
//! not here.

mod framing;
mod latch;
mod outgoing;
mod payloads;
mod report;

pub use latch::{EVIDENCE, RELATCH_SILENCE, SSRC_SILENCE};
pub use payloads::PayloadKind;
pub use report::{Dropped, LegPolicy, LegReport};

use crate::dtmf::{EventPayload, EventReceiver, KeyPress};
use crate::mos::Impairments;
use crate::rtcp::participant::Sent;
use crate::rtcp::{CompoundWriter, Participant, SenderInfo};
use crate::rtp::statistics::ReceptionTotals;
use crate::rtp::{Arrival, Reception, RtpHeader, header};
use framing::{is_plausible, media_duration, sending_map, silence_of};
use latch::{Latch, Verdict};
use outgoing::{Outgoing, Passed};
use payloads::{PayloadTable, unused_payload_type};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use voip_core::codec::AudioCodec;
use voip_core::media::{MediaPlan, PayloadMap};
use voip_core::rng::Rng;
use voip_core::time::ClockPair;

/// The spacing of packets made here, and of the clock that drives a session.
pub const TICK: Duration = Duration::from_millis(20);

/// Silence is sent when nothing was passed on for so long: five packets, beyond the jitter that a network shows all
/// day (a packet delayed less is passed on in its place, and costs the peer no added delay), and short enough that no
/// receiver takes it for the end of the stream.
pub const FILL_AFTER: Duration = Duration::from_millis(100);

/// Longest datagram taken: no IP network in use carries a longer one unfragmented.
pub const MAXIMUM_DATAGRAM: usize = 1500;

/// Which of a leg's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The odd port.
    Rtcp,
}

/// What happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The first packet was accepted.
    Started,
    /// A source was latched, or replaced the one before.
    Latched {
        /// Its address.
        source: SocketAddr,
    },
    /// The peer has been silent for longer than the policy allows. Once, until it is heard again.
    TimedOut {
        /// For how long.
        silent_for: Duration,
    },
    /// The peer pressed a key.
    Key(KeyPress),
}

/// A packet that was accepted, to be passed on.
#[derive(Clone, Debug)]
pub struct Received {
    /// What it carries.
    pub kind: PayloadKind,
    /// Its header.
    pub header: RtpHeader,
    /// Where its payload stands in the datagram.
    pub payload: Range<usize>,
    stream: u64,
    extended: u64,
}

/// What a session needs to know of the world.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Wall time, for RTCP.
    pub clock: ClockPair,
    /// The canonical name written in RTCP (RFC 3550 §6.5.1): the same for all, and telling nothing of the caller.
    pub cname: Arc<str>,
}

/// One leg's media.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    plan: Option<MediaPlan>,
    policy: LegPolicy,
    payloads: PayloadTable,
    /// The types of the plan before, which may still be on their way (RFC 3264 §8.3.2).
    former: Option<(Instant, PayloadTable)>,
    latch: Option<Latch>,
    admission: Admission,
    source: Option<(crate::rtp::Ssrc, Reception)>,
    former_sources: ReceptionTotals,
    source_changes: u64,
    stream: u64,
    octets_received: u64,
    codec: Option<AudioCodec>,
    keys: EventReceiver,
    heard: Heard,
    outgoing: Outgoing,
    sending: Option<PayloadMap>,
    passed: Option<Instant>,
    fill_after: Duration,
    last_sent: Option<Instant>,
    silence_sent: u64,
    converted: bool,
    rtcp: Participant,
    rtcp_source: Option<SocketAddr>,
    rtcp_sent: u64,
    rtcp_received: u64,
    due: Due,
    dropped: Dropped,
    events: VecDeque<SessionEvent>,
}

/// What is to be sent at the next poll.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    silence: Option<Instant>,
    keepalive: bool,
    report: bool,
    goodbye: bool,
}

/// When the peer was last heard, for the timeouts.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    rtp: Option<Instant>,
    rtcp: Option<Instant>,
    /// Since when the present limit is watched.
    since: Option<Instant>,
    timed_out: bool,
}

/// Keeps a flood from one peer out of everything behind it: 500 packets a second, ten times a stream, with half a
/// second's worth at once, as after a stall of the network.
#[derive(Clone, Copy, Debug, Default)]
struct Admission {
    /// When all that was admitted would have come, were it evenly spaced.
    spent_until: Option<Instant>,
}

impl Admission {
    const SPACING: Duration = Duration::from_millis(2);
    const BURST: Duration = Duration::from_millis(500);

    #[inline]
    fn admit(&mut self, now: Instant) -> bool {
        let spent = self.spent_until.map_or(now, |until| until.max(now));
        let admitted = spent - now <= Self::BURST;
        if admitted {
            self.spent_until = Some(spent + Self::SPACING);
        }
        admitted
    }
}

impl Session {
    /// How long the payload types of the plan before are still taken.
    const FORMER_PLAN: Duration = Duration::from_secs(1);
    /// Events kept until they are polled; keys beyond it are lost, as nobody presses so many in one round.
    const MAXIMUM_EVENTS: usize = 64;

    /// Silent, and deaf, until it has a plan.
    pub fn new(config: SessionConfig, rng: &mut Rng) -> Self {
        Self {
            rtcp: Participant::new(config.clock, rng.fork()),
            config,
            plan: None,
            policy: LegPolicy::default(),
            payloads: PayloadTable::EMPTY,
            former: None,
            latch: None,
            admission: Admission::default(),
            source: None,
            former_sources: ReceptionTotals::default(),
            source_changes: 0,
            // Streams of different sessions never share a number within a relay's lifetime.
            stream: rng.u64(),
            octets_received: 0,
            codec: None,
            keys: EventReceiver::default(),
            heard: Heard::default(),
            outgoing: Outgoing::new(rng),
            sending: None,
            passed: None,
            fill_after: FILL_AFTER,
            last_sent: None,
            silence_sent: 0,
            converted: false,
            rtcp_source: None,
            rtcp_sent: 0,
            rtcp_received: 0,
            due: Due::default(),
            dropped: Dropped::default(),
            events: VecDeque::new(),
        }
    }

    /// A plan takes effect: at the start, and after each re-negotiation. What is sent goes on without a break. When the
    /// plan sends and nothing is being passed on, silence starts at once: the peer may wait to hear from us.
    pub fn set_plan(&mut self, now: Instant, plan: MediaPlan, policy: LegPolicy) {
        let payloads = PayloadTable::new(&plan);
        if self.plan.is_some() {
            self.former = Some((now + Self::FORMER_PLAN, std::mem::replace(&mut self.payloads, payloads)));
        } else {
            self.payloads = payloads;
        }
        match &mut self.latch {
            Some(latch) => latch.renegotiate(now, plan.remote_rtp, policy.symmetric),
            None => self.latch = Some(Latch::new(plan.remote_rtp, policy.symmetric)),
        }
        if self.plan.as_ref().is_none_or(|before| before.remote_rtcp != plan.remote_rtcp) {
            self.rtcp_source = None;
        }
        let limit = self.time_limit();
        let sent = self.plan.as_ref().is_some_and(|plan| plan.direction.sends());
        self.sending = self.sending.and_then(|map| plan.codecs.iter().find(|m| m.codec == map.codec).copied());
        self.plan = Some(plan);
        self.policy = policy;
        if self.time_limit() != limit {
            self.heard.since = Some(now);
            self.heard.timed_out = false;
        }
        self.rtcp.start(now);
        if self.sends() && !(sent && self.is_passing(now)) {
            self.due.silence = Some(now);
        }
    }

    /// A datagram came to the RTP port. `Some`: an accepted packet, to be passed on.
    pub fn handle_rtp(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) -> Option<Received> {
        if header::is_rtcp(datagram) {
            if self.plan.as_ref().is_some_and(|plan| plan.rtcp_mux) {
                self.handle_rtcp(now, source, datagram);
            } else {
                self.dropped.rtcp += 1;
            }
            return None;
        }
        let (Ok((header, payload)), Some(latch), 1..=MAXIMUM_DATAGRAM) =
            (RtpHeader::read(datagram), &mut self.latch, datagram.len())
        else {
            self.dropped.malformed += 1;
            return None;
        };
        let kind = self.payloads.kind(header.payload_type).or_else(|| {
            let (until, former) = self.former.as_ref()?;
            if now < *until { former.kind(header.payload_type) } else { None }
        });
        let Some(kind) = kind else {
            self.dropped.unknown_payload_type += 1;
            return None;
        };
        if !is_plausible(kind, payload.len()) {
            self.dropped.malformed += 1;
            return None;
        }
        let verdict = latch.judge(now, source, header.ssrc, header.sequence);
        if verdict == Verdict::Refused {
            self.dropped.foreign_source += 1;
            return None;
        }
        if !self.admission.admit(now) {
            self.dropped.flood += 1;
            return None;
        }
        self.heard.rtp = Some(now);
        self.heard.timed_out = false;
        if verdict == Verdict::Latched {
            self.event(SessionEvent::Latched { source });
        }
        let extended = self.place(&header, kind)?;
        self.octets_received += payload.len() as u64;
        match kind {
            PayloadKind::Audio(codec) => {
                self.codec = Some(codec);
                if let Some((_, reception)) = &mut self.source {
                    reception.time(now.saturating_duration_since(self.config.clock.instant), header.timestamp);
                }
            }
            PayloadKind::TelephoneEvent => self.take_event(now, &header, &datagram[payload.clone()]),
            PayloadKind::ComfortNoise => {}
        }
        if !self.plan.as_ref().is_some_and(|plan| plan.direction.receives()) {
            self.dropped.not_receiving += 1;
            return None;
        }
        Some(Received { kind, header, payload, stream: self.stream, extended })
    }

    /// Takes a packet into the statistics of its source; its extended sequence number, unless it is to be dropped.
    #[inline]
    fn place(&mut self, header: &RtpHeader, kind: PayloadKind) -> Option<u64> {
        if let Some((ssrc, reception)) = &mut self.source
            && *ssrc == header.ssrc
        {
            let before = reception.totals();
            match reception.receive(header.sequence) {
                Arrival::New { extended } | Arrival::Reordered { extended } => return Some(extended),
                Arrival::Duplicate => {
                    self.dropped.duplicate += 1;
                    return None;
                }
                Arrival::Suspect => {
                    self.dropped.suspect_sequence += 1;
                    return None;
                }
                Arrival::Restarted { extended } => {
                    self.former_sources = self.former_sources.plus(before);
                    self.begin_stream();
                    return Some(extended);
                }
            }
        }
        let clock_rate = match kind {
            PayloadKind::Audio(codec) => codec.clock_rate(),
            PayloadKind::TelephoneEvent | PayloadKind::ComfortNoise => {
                self.plan.as_ref().map_or(8000, |plan| plan.sending().codec.clock_rate())
            }
        };
        let reception = Reception::new(header.sequence, clock_rate);
        let extended = reception.sequence().highest();
        if let Some((_, before)) = self.source.replace((header.ssrc, reception)) {
            self.former_sources = self.former_sources.plus(before.totals());
            self.begin_stream();
            self.rtcp.forget_source();
        } else {
            self.event(SessionEvent::Started);
        }
        Some(extended)
    }

    fn begin_stream(&mut self) {
        self.stream = self.stream.wrapping_add(1);
        self.source_changes += 1;
        if let Some(key) = self.keys.reset() {
            self.event(SessionEvent::Key(key));
        }
    }

    fn take_event(&mut self, now: Instant, header: &RtpHeader, payload: &[u8]) {
        let Some(payload) = EventPayload::read(payload) else { return };
        let rate = self.plan.as_ref().and_then(|plan| plan.telephone_event).map_or(8000, |map| map.clock_rate);
        if let Some(key) = self.keys.receive(now, header.timestamp, payload, rate) {
            self.event(SessionEvent::Key(key));
        }
    }

    /// A datagram came to the RTCP port.
    pub fn handle_rtcp(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        let known = self.latch.as_ref().is_some_and(|latch| latch.knows_host(source))
            || self.plan.as_ref().is_some_and(|plan| plan.remote_rtcp.ip() == source.ip());
        if !known || self.rtcp.receive(now, datagram, self.outgoing.ssrc()).is_err() {
            self.dropped.rtcp += 1;
            return;
        }
        self.rtcp_received += 1;
        self.heard.rtcp = Some(now);
        self.rtcp_source = Some(source);
    }

    /// Passes on what the other leg received: writes this leg's header before the payload. `Some`: where in `datagram`
    /// the packet to send stands, and where to send it.
    pub fn forward(
        &mut self,
        now: Instant,
        received: &Received,
        datagram: &mut [u8],
    ) -> Option<(Range<usize>, SocketAddr)> {
        let Some((plan, destination)) = self
            .plan
            .as_ref()
            .zip(self.latch.as_ref().and_then(Latch::destination))
            .filter(|(p, _)| p.direction.sends())
        else {
            self.dropped.not_sending += 1;
            self.outgoing.interrupt();
            return None;
        };
        let payload = &mut datagram[received.payload.clone()];
        let (payload_type, clock_rate, duration) = match received.kind {
            PayloadKind::Audio(codec) => {
                let Some((map, conversion)) = sending_map(plan, codec) else {
                    self.dropped.unconvertible += 1;
                    self.outgoing.skip(received.stream, received.extended);
                    return None;
                };
                if let Some(law) = conversion {
                    law.convert_to_other(payload);
                    self.converted = true;
                }
                self.sending = Some(map);
                (map.send, codec.clock_rate(), media_duration(codec, payload.len()))
            }
            PayloadKind::TelephoneEvent => {
                let Some(map) = plan.telephone_event else {
                    self.dropped.telephone_event += 1;
                    self.outgoing.skip(received.stream, received.extended);
                    return None;
                };
                let duration = EventPayload::read(payload).map_or(0, |event| u32::from(event.duration));
                (map.send, map.clock_rate, duration)
            }
            PayloadKind::ComfortNoise => {
                let Some(payload_type) = plan.comfort_noise else {
                    self.dropped.comfort_noise += 1;
                    self.outgoing.skip(received.stream, received.extended);
                    return None;
                };
                (payload_type, 8000, 160)
            }
        };
        let place = self.outgoing.pass(
            now,
            Passed {
                stream: received.stream,
                extended: received.extended,
                timestamp: received.header.timestamp,
                marker: received.header.marker,
                duration,
                is_event: received.kind == PayloadKind::TelephoneEvent,
                clock_rate,
            },
        );
        let Some(place) = place else {
            self.dropped.late += 1;
            return None;
        };
        let header = RtpHeader {
            marker: place.marker,
            payload_type,
            sequence: place.sequence,
            timestamp: place.timestamp,
            ssrc: self.outgoing.ssrc(),
        };
        self.passed = Some(now);
        // Packets longer than usual are further apart.
        let apart = Duration::from_micros(u64::from(duration) * 2_000_000 / u64::from(clock_rate));
        self.fill_after = if received.kind == PayloadKind::TelephoneEvent { FILL_AFTER } else { apart.max(FILL_AFTER) };
        self.due.silence = None;
        self.last_sent = Some(now);
        self.outgoing.sent(received.payload.len());
        Some((header.write_before(datagram, received.payload.clone()), destination))
    }

    /// A socket did not take a packet of this leg.
    pub const fn send_failed(&mut self) {
        self.dropped.send_failed += 1;
    }

    /// A tick of the 20 ms clock that was due at `tick`; `now` is not before it.
    pub fn handle_timeout(&mut self, now: Instant, tick: Instant) {
        if self.plan.is_none() {
            return;
        }
        if self.sends() {
            if !self.is_passing(now) {
                self.due.silence = Some(tick);
            }
        } else if let Some(every) = self.policy.rtp_keepalive
            && self.last_sent.is_none_or(|at| now.saturating_duration_since(at) >= every)
        {
            self.due.keepalive = true;
        }
        if self.rtcp.next_report().is_some_and(|at| at <= now) {
            self.due.report = true;
        }
        if let Some(key) = self.keys.expire(now) {
            self.event(SessionEvent::Key(key));
        }
        self.watch(now);
    }

    fn watch(&mut self, now: Instant) {
        let (Some(limit), receives) = self.time_limit() else { return };
        let rtcp = if receives { None } else { self.heard.rtcp };
        let Some(since) = [self.heard.since, self.heard.rtp, rtcp].into_iter().flatten().max() else { return };
        let silent_for = now.saturating_duration_since(since);
        if silent_for >= limit && !self.heard.timed_out {
            self.heard.timed_out = true;
            self.event(SessionEvent::TimedOut { silent_for });
        }
    }

    /// The session ends: a last report with a goodbye is the only thing still to be sent.
    pub fn close(&mut self) {
        self.due = Due { goodbye: self.plan.is_some(), ..Due::default() };
        if let Some(key) = self.keys.reset() {
            self.event(SessionEvent::Key(key));
        }
    }

    /// Writes the next datagram that is due into `buffer`, which holds [`MAXIMUM_DATAGRAM`] bytes; `None`: nothing is.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Channel, SocketAddr, usize)> {
        if let Some(at) = self.due.silence.take()
            && let Some(sent) = self.silence(now, at, buffer)
        {
            return Some(sent);
        }
        if std::mem::take(&mut self.due.keepalive)
            && let Some(sent) = self.keepalive(now, buffer)
        {
            return Some(sent);
        }
        let goodbye = std::mem::take(&mut self.due.goodbye);
        if goodbye || std::mem::take(&mut self.due.report) {
            return self.report_transmit(now, buffer, goodbye);
        }
        None
    }

    fn silence(&mut self, now: Instant, at: Instant, buffer: &mut [u8]) -> Option<(Channel, SocketAddr, usize)> {
        let plan = self.plan.as_ref().filter(|plan| plan.direction.sends())?;
        let destination = self.latch.as_ref()?.destination()?;
        let (map, silence) = self
            .sending
            .iter()
            .chain(&plan.codecs)
            .find_map(|map| silence_of(map.codec).map(|silence| (*map, silence)))?;
        let payload = silence.write(&mut buffer[RtpHeader::LENGTH..]);
        let place = self.outgoing.fill(at, map.codec.clock_rate() / 50);
        let header = RtpHeader {
            marker: place.marker,
            payload_type: map.send,
            sequence: place.sequence,
            timestamp: place.timestamp,
            ssrc: self.outgoing.ssrc(),
        };
        header.write(buffer);
        self.silence_sent += 1;
        self.last_sent = Some(now);
        self.outgoing.sent(payload);
        Some((Channel::Rtp, destination, RtpHeader::LENGTH + payload))
    }

    /// Comfort noise where it is understood (RFC 6263 §4.2), otherwise an empty packet of a payload type that the peer
    /// ignores (§4.6).
    fn keepalive(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Channel, SocketAddr, usize)> {
        let plan = self.plan.as_ref()?;
        let destination = self.latch.as_ref()?.destination()?;
        let (payload_type, payload) = match plan.comfort_noise {
            Some(payload_type) => (payload_type, 1),
            None => (unused_payload_type(plan), 0),
        };
        let place = self.outgoing.fill(now, 0);
        let header = RtpHeader {
            marker: false,
            payload_type,
            sequence: place.sequence,
            timestamp: place.timestamp,
            ssrc: self.outgoing.ssrc(),
        };
        header.write(buffer);
        // The quietest noise level, -127 dBov (RFC 3389 §3.1).
        buffer[RtpHeader::LENGTH..][..payload].fill(127);
        self.last_sent = Some(now);
        self.outgoing.sent(payload);
        Some((Channel::Rtp, destination, RtpHeader::LENGTH + payload))
    }

    fn report_transmit(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        goodbye: bool,
    ) -> Option<(Channel, SocketAddr, usize)> {
        let sent = Sent {
            ssrc: self.outgoing.ssrc(),
            info: SenderInfo {
                ntp: self.config.clock.wall_at(now).ntp(),
                rtp: self.outgoing.media_time(now),
                packets: self.outgoing.packets() as u32,
                octets: self.outgoing.octets() as u32,
            },
            packets: self.outgoing.packets(),
        };
        let source = self.source.as_mut().map(|(ssrc, reception)| (*ssrc, reception));
        let buffer = &mut buffer[..CompoundWriter::BUFFER];
        let length = if goodbye {
            self.rtcp.leave(now, buffer, sent, source, &self.config.cname)
        } else {
            self.rtcp.report(now, buffer, sent, source, &self.config.cname)
        };
        let plan = self.plan.as_ref()?;
        let (channel, destination) = if plan.rtcp_mux {
            (Channel::Rtp, self.latch.as_ref()?.destination()?)
        } else {
            let latched = self.rtcp_source.filter(|_| self.policy.symmetric);
            (Channel::Rtcp, latched.unwrap_or(plan.remote_rtcp))
        };
        if length == 0 || destination.ip().is_unspecified() || destination.port() == 0 {
            return None;
        }
        self.rtcp_sent += 1;
        Some((channel, destination, length))
    }

    /// What happened; `None`: nothing more.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// The state of the leg's media.
    pub fn report(&self) -> LegReport {
        let (present, jitter_ms) = match &self.source {
            Some((_, reception)) => (reception.totals(), reception.jitter_ms()),
            None => Default::default(),
        };
        let totals = self.former_sources.plus(present);
        let loss_fraction = if totals.expected == 0 { 0.0 } else { totals.lost() as f32 / totals.expected as f32 };
        let codec = self.codec.or_else(|| self.plan.as_ref().map(|plan| plan.sending().codec));
        let clock_rate = codec.map_or(8000, AudioCodec::clock_rate) as f32;
        let remote = self.rtcp.remote();
        let milliseconds = |duration: Duration| duration.as_secs_f32() * 1000.0;
        Self::with_score(
            LegReport {
                codec,
                packets_received: totals.received,
                octets_received: self.octets_received,
                packets_sent: self.outgoing.packets(),
                octets_sent: self.outgoing.octets(),
                silence_sent: self.silence_sent,
                lost: totals.lost(),
                loss_fraction,
                duplicates: totals.duplicates,
                out_of_order: totals.out_of_order,
                jitter_ms,
                round_trip_ms: self.rtcp.round_trip().map(milliseconds),
                remote_lost: remote.map(|remote| remote.cumulative_lost),
                remote_jitter_ms: remote.map(|remote| remote.jitter as f32 * 1000.0 / clock_rate),
                mos: None,
                source: self.latch.as_ref().and_then(Latch::source),
                source_changes: self.source_changes,
                converted: self.converted,
                rtcp_sent: self.rtcp_sent,
                rtcp_received: self.rtcp_received,
                dropped: self.dropped,
            },
            self.rtcp.round_trip(),
        )
    }

    /// Scores what is received: half the round trip, one packet, and a jitter buffer of twice the jitter make the delay.
    fn with_score(report: LegReport, round_trip: Option<Duration>) -> LegReport {
        let Some(codec) = report.codec.filter(|_| report.packets_received > 0) else { return report };
        let buffered = Duration::from_secs_f32((report.jitter_ms * 2.0).clamp(20.0, 1000.0) / 1000.0);
        let delay = round_trip.unwrap_or_default() / 2 + TICK + buffered;
        LegReport { mos: Impairments { loss: report.loss_fraction, delay, codec }.mos(), ..report }
    }

    fn sends(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.direction.sends())
    }

    /// Whether packets of the other leg are being passed on.
    fn is_passing(&self, now: Instant) -> bool {
        self.passed.is_some_and(|at| now.saturating_duration_since(at) < self.fill_after)
    }

    /// The timeout that applies, and whether it is that of a stream that is expected.
    fn time_limit(&self) -> (Option<Duration>, bool) {
        match &self.plan {
            None => (None, false),
            Some(plan) if plan.direction.receives() => (self.policy.rtp_timeout, true),
            Some(_) => (self.policy.rtp_timeout_hold, false),
        }
    }

    fn event(&mut self, event: SessionEvent) {
        if self.events.len() < Self::MAXIMUM_EVENTS {
            self.events.push_back(event);
        }
    }
}
