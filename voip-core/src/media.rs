//! The media plan of one leg: plain data that SDP negotiation yields and the media layer sets in motion.
//!
//! `voip-sip` makes it from an offer and an answer (RFC 3264); `voip-media` sends and receives by it. Neither crate
//! knows the other.

use crate::codec::AudioCodec;
use std::net::SocketAddr;
use std::time::Duration;

/// The direction of a stream as this side sees it (RFC 3264 §5.1, RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Direction {
    /// Audio flows both ways.
    #[default]
    SendRecv,
    /// This side only sends.
    SendOnly,
    /// This side only receives: it has been put on hold, or holds nobody.
    RecvOnly,
    /// Nothing flows but RTCP and keepalives.
    Inactive,
}

impl Direction {
    /// From what each side may do.
    pub const fn new(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether this side may send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether this side expects to receive.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same stream as the other side sees it.
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What remains when both sides' wishes, each stated from this side's view, must hold (RFC 3264 §6.1).
    pub const fn intersect(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// A codec under the payload types that carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PayloadMap {
    /// What is carried.
    pub codec: AudioCodec,
    /// The payload type to write on what is sent: the one the far side announced.
    pub send: u8,
    /// The payload type expected on what is received: the one this side announced. Usually equal to `send`.
    pub receive: u8,
}

/// Telephone events (RFC 4733) under the payload types that carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TelephoneEventMap {
    /// The payload type to send.
    pub send: u8,
    /// The payload type to receive.
    pub receive: u8,
    /// The RTP clock rate, Hz; equal to the audio's (RFC 4733 §2.1).
    pub clock_rate: u32,
}

/// What one leg sends and expects, from the moment it takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlan {
    /// Where to send RTP until a valid source is latched.
    pub remote_rtp: SocketAddr,
    /// Where to send RTCP (RFC 3605, or the RTP port plus one).
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// What may flow, as this side sees it.
    pub direction: Direction,
    /// The codecs that were agreed, the one to send first. Any of them may arrive. Never empty.
    pub codecs: Vec<PayloadMap>,
    /// Telephone events, when both sides have them.
    pub telephone_event: Option<TelephoneEventMap>,
    /// The payload type of comfort noise (RFC 3389), when both sides have it.
    pub comfort_noise: Option<u8>,
    /// The duration of a packet this side sends.
    pub ptime: Duration,
}

impl MediaPlan {
    /// The codec this side sends.
    pub fn sending(&self) -> PayloadMap {
        self.codecs[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_reverse_and_intersect_as_rfc_3264_says() {
        assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
        assert_eq!(Direction::SendRecv.intersect(Direction::RecvOnly), Direction::RecvOnly);
        assert_eq!(Direction::SendOnly.intersect(Direction::RecvOnly), Direction::Inactive);
    }
}
