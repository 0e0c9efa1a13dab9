//! Two sessions joined: what one leg receives, the other sends. Pure, and without allocation per packet.
//!
//! A packet is passed on bit-exact when both legs have its codec, converted from one law of G.711 to the other when
//! they do not, and dropped and counted when neither is possible. A 20 ms clock of its own drives silence, keepalives,
//! RTCP and timeouts of both legs. The driver (`io`, or a test) calls [`Relay::handle_timeout`] when
//! [`Relay::poll_timeout`] says, and takes what is to be sent from [`Relay::poll_transmit`] until `None`, after each
//! `handle_timeout`, `set_plan` and `close`.

use crate::event::{MediaEvent, MediaId};
use crate::session::{Channel, LegPolicy, LegReport, Session, SessionConfig, SessionEvent, TICK};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;
use voip_core::leg::Side;
use voip_core::media::MediaPlan;
use voip_core::rng::Rng;

/// A packet to be sent on, in place: the bytes at `bytes` of the datagram that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The leg from whose RTP port it goes out.
    pub side: Side,
    /// Where to.
    pub destination: SocketAddr,
    /// Where in the buffer it stands.
    pub bytes: Range<usize>,
}

/// A datagram that was written to the buffer that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The leg from which it goes out.
    pub side: Side,
    /// From which of its ports.
    pub channel: Channel,
    /// Where to.
    pub destination: SocketAddr,
    /// Its length, from the buffer's beginning.
    pub length: usize,
}

/// Both legs' media of one call.
#[derive(Debug)]
pub struct Relay {
    id: MediaId,
    sessions: [Session; 2],
    next_tick: Instant,
}

impl Relay {
    /// Two legs without a plan. Their clock ticks every 20 ms from `now` on.
    pub fn new(now: Instant, id: MediaId, config: &SessionConfig, mut rng: Rng) -> Self {
        let sessions = [Session::new(config.clone(), &mut rng), Session::new(config.clone(), &mut rng)];
        Self { id, sessions, next_tick: now + TICK }
    }

    /// A leg's plan takes effect.
    pub fn set_plan(&mut self, now: Instant, side: Side, plan: MediaPlan, policy: LegPolicy) {
        self.sessions[side.index()].set_plan(now, plan, policy);
    }

    /// A datagram came to the RTP port of a leg. `Some`: it is to be sent on, rewritten in place.
    #[inline]
    pub fn handle_rtp(&mut self, now: Instant, side: Side, source: SocketAddr, datagram: &mut [u8]) -> Option<Forward> {
        let received = self.sessions[side.index()].handle_rtp(now, source, datagram)?;
        let side = side.other();
        let (bytes, destination) = self.sessions[side.index()].forward(now, &received, datagram)?;
        Some(Forward { side, destination, bytes })
    }

    /// A datagram came to the RTCP port of a leg.
    pub fn handle_rtcp(&mut self, now: Instant, side: Side, source: SocketAddr, datagram: &[u8]) {
        self.sessions[side.index()].handle_rtcp(now, source, datagram);
    }

    /// A socket of a leg did not take a packet.
    pub const fn send_failed(&mut self, side: Side) {
        self.sessions[side.index()].send_failed();
    }

    /// The clock has ticked. Early calls are harmless; ticks that were missed are not made up for.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        let mut tick = self.next_tick;
        if now - tick >= TICK {
            let missed = (now - tick).as_nanos() / TICK.as_nanos();
            tick += TICK * u32::try_from(missed).unwrap_or(u32::MAX);
        }
        self.next_tick = tick + TICK;
        for session in &mut self.sessions {
            session.handle_timeout(now, tick);
        }
    }

    /// When the clock ticks next.
    pub const fn poll_timeout(&self) -> Instant {
        self.next_tick
    }

    /// Writes the next datagram that is due to `buffer`, which holds
    /// [`MAXIMUM_DATAGRAM`](crate::session::MAXIMUM_DATAGRAM) bytes; `None`: nothing is.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Outbound> {
        Side::BOTH.into_iter().find_map(|side| {
            let (channel, destination, length) = self.sessions[side.index()].poll_transmit(now, buffer)?;
            Some(Outbound { side, channel, destination, length })
        })
    }

    /// What happened; `None`: nothing more.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        let id = self.id;
        Side::BOTH.into_iter().find_map(|side| {
            Some(match self.sessions[side.index()].poll_event()? {
                SessionEvent::Started => MediaEvent::Started { id, side },
                SessionEvent::Latched { source } => MediaEvent::Latched { id, side, source },
                SessionEvent::TimedOut { silent_for } => MediaEvent::TimedOut { id, side, silent_for },
                SessionEvent::Key(key) => MediaEvent::Dtmf { id, side, digit: key.digit, duration_ms: key.duration_ms },
            })
        })
    }

    /// The state of both legs, by [`Side::index`].
    pub fn reports(&self) -> [LegReport; 2] {
        self.sessions.each_ref().map(Session::report)
    }

    /// The call ends: poll once more for the goodbyes.
    pub fn close(&mut self) {
        for session in &mut self.sessions {
            session.close();
        }
    }
}
