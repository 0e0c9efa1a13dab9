//! Whom a leg listens to and answers: symmetric RTP (RFC 4961) with the risks of RFC 7362 in mind.
//!
//! The first valid source is latched: media goes back to where it comes from, which is what reaches a peer behind a
//! NAT. From then on another source must prove itself, so that a stray or forged packet does not steal a call:
//!
//! * while the latched source is heard, nobody of the same or lower standing replaces it. Standing: the negotiated
//!   address, then the negotiated host, then anyone. A source of higher standing takes over after [`EVIDENCE`] packets
//!   in sequence, so that somebody who was quicker at the start does not keep the call;
//! * after [`RELATCH_SILENCE`] without a packet from it, the next source is latched when it has sent [`EVIDENCE`]
//!   packets in sequence, or at once when it carries on the same SSRC (a NAT binding moved);
//! * a new SSRC from the latched address is taken after [`SSRC_SILENCE`], or at once shortly after a re-negotiation;
//! * when a re-negotiation moves the peer, the old address is heard until the new one speaks.
//!
//! Without symmetric RTP only the negotiated host is heard, on any port (RFC 3264 §5.1 lets a peer send from another
//! port than it receives on), and only the negotiated address is sent to.

use crate::rtp::{SeqNo, Ssrc};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longer than jitter and short bursts of loss, shorter than a listener waits: 25 packets.
pub const RELATCH_SILENCE: Duration = Duration::from_millis(500);
/// Three packets: an SSRC that was replaced is silent that long, one that shares the address with a forger is not.
pub const SSRC_SILENCE: Duration = Duration::from_millis(60);
/// Packets in sequence that speak for a new source.
pub const EVIDENCE: u8 = 3;
/// How long after a re-negotiation a new SSRC is expected.
const RENEGOTIATION: Duration = Duration::from_secs(2);
/// Packets further apart than this are no stream.
const EVIDENCE_SPACING: Duration = Duration::from_millis(200);

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// From the latched source.
    Accepted,
    /// From the latched address under a new SSRC, which is the source from now on.
    NewSsrc,
    /// From a new address, which is latched from now on.
    Latched,
    /// From somebody else.
    Refused,
}

#[derive(Clone, Debug)]
pub(crate) struct Latch {
    negotiated: SocketAddr,
    symmetric: bool,
    current: Option<Source>,
    candidate: Option<Candidate>,
    /// Until then a new SSRC from the latched address needs no silence before it.
    renegotiated_until: Option<Instant>,
    /// The negotiated address has moved away from the latched one, and nobody has spoken from the new place yet.
    moved: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    address: SocketAddr,
    ssrc: Ssrc,
    heard: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    ssrc: Ssrc,
    last: u16,
    heard: Instant,
    packets: u8,
}

impl Latch {
    pub(crate) const fn new(negotiated: SocketAddr, symmetric: bool) -> Self {
        Self { negotiated, symmetric, current: None, candidate: None, renegotiated_until: None, moved: None }
    }

    /// A plan takes effect.
    pub(crate) fn renegotiate(&mut self, now: Instant, negotiated: SocketAddr, symmetric: bool) {
        self.symmetric = symmetric;
        self.renegotiated_until = Some(now + RENEGOTIATION);
        if std::mem::replace(&mut self.negotiated, negotiated) != negotiated {
            self.candidate = None;
            self.moved = match self.current {
                Some(current) if current.address != negotiated => Some(now),
                Some(_) | None => None,
            };
        }
    }

    /// Where to send, if anywhere.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        let address = match self.current {
            Some(current) if self.symmetric && self.moved.is_none() => current.address,
            Some(_) | None => self.negotiated,
        };
        // An unspecified address is the hold of RFC 2543; a port of zero is a stream that was refused.
        (!address.ip().is_unspecified() && address.port() != 0).then_some(address)
    }

    /// The source that is listened to.
    pub(crate) fn source(&self) -> Option<SocketAddr> {
        self.current.map(|current| current.address)
    }

    /// Whether RTCP from `address` may belong to this leg.
    pub(crate) fn knows_host(&self, address: SocketAddr) -> bool {
        address.ip() == self.negotiated.ip() || self.current.is_some_and(|c| c.address.ip() == address.ip())
    }

    /// Judges a well-formed packet under a negotiated payload type.
    #[inline]
    pub(crate) fn judge(&mut self, now: Instant, address: SocketAddr, ssrc: Ssrc, sequence: SeqNo) -> Verdict {
        if let Some(current) = &mut self.current
            && current.address == address
            && current.ssrc == ssrc
            && self.moved.is_none()
        {
            current.heard = now;
            return Verdict::Accepted;
        }
        self.judge_other(now, address, ssrc, sequence)
    }

    fn judge_other(&mut self, now: Instant, address: SocketAddr, ssrc: Ssrc, sequence: SeqNo) -> Verdict {
        if !self.symmetric && address.ip() != self.negotiated.ip() {
            return Verdict::Refused;
        }
        let Some(current) = self.current else { return self.latch(now, address, ssrc) };
        let silence = now.saturating_duration_since(current.heard);
        let same_address =
            if self.symmetric { address == current.address } else { address.ip() == current.address.ip() };
        if same_address {
            if self.moved.is_some_and(|at| now.saturating_duration_since(at) >= RELATCH_SILENCE) {
                // The move was in the description only.
                self.moved = None;
            }
            if ssrc == current.ssrc {
                self.current = Some(Source { heard: now, address, ..current });
                return Verdict::Accepted;
            }
            if silence >= SSRC_SILENCE || self.renegotiated_until.is_some_and(|until| now < until) {
                self.renegotiated_until = None;
                self.current = Some(Source { address, ssrc, heard: now });
                return Verdict::NewSsrc;
            }
            return Verdict::Refused;
        }
        let proven = self.prove(now, address, ssrc, sequence);
        let outranks = self.standing(address) > self.standing(current.address);
        let silent = silence >= RELATCH_SILENCE || self.moved.is_some();
        let moved_there = self.moved.is_some() && outranks;
        if moved_there || (proven && (outranks || silent)) || (silent && ssrc == current.ssrc) {
            return self.latch(now, address, ssrc);
        }
        Verdict::Refused
    }

    fn latch(&mut self, now: Instant, address: SocketAddr, ssrc: Ssrc) -> Verdict {
        self.current = Some(Source { address, ssrc, heard: now });
        self.candidate = None;
        self.moved = None;
        Verdict::Latched
    }

    fn standing(&self, address: SocketAddr) -> u8 {
        if address == self.negotiated { 2 } else { u8::from(address.ip() == self.negotiated.ip()) }
    }

    /// Takes a packet as evidence for its source; whether there is enough of it.
    fn prove(&mut self, now: Instant, address: SocketAddr, ssrc: Ssrc, sequence: SeqNo) -> bool {
        let packets = match self.candidate {
            Some(c)
                if c.address == address
                    && c.ssrc == ssrc
                    && sequence.0 == c.last.wrapping_add(1)
                    && now.saturating_duration_since(c.heard) <= EVIDENCE_SPACING =>
            {
                c.packets.saturating_add(1)
            }
            // A candidate in the making is not displaced by each stray packet from elsewhere.
            Some(c)
                if (c.address != address || c.ssrc != ssrc)
                    && now.saturating_duration_since(c.heard) <= EVIDENCE_SPACING
                    && self.standing(address) <= self.standing(c.address) =>
            {
                return false;
            }
            Some(_) | None => 1,
        };
        self.candidate = Some(Candidate { address, ssrc, last: sequence.0, heard: now, packets });
        packets >= EVIDENCE
    }
}

#[cfg(test)]
mod tests;
