//! What this side can do, and where it listens.

use std::net::SocketAddr;
use voip_core::codec::AudioCodec;

/// What one leg offers and accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaCapabilities {
    /// The codecs in order of preference. An empty list means G.711, both laws.
    pub codecs: Vec<AudioCodec>,
    /// Offer and accept telephone events (RFC 4733).
    pub telephone_event: bool,
    /// Offer and accept comfort noise (RFC 3389).
    pub comfort_noise: bool,
    /// The packet duration this side asks for and, unless asked otherwise, sends, ms.
    pub ptime_ms: u32,
    /// Offer RTP and RTCP on one port (RFC 5761). It is accepted whenever it is offered.
    pub rtcp_mux: bool,
    /// Answer with every codec in common instead of one. One is safer: with several, the far side may change codec
    /// in the middle of the call without a word.
    pub answer_all_codecs: bool,
    /// The session name, `s=`.
    pub session_name: String,
    /// The user name in `o=`.
    pub user: String,
}

impl Default for MediaCapabilities {
    /// G.711 with telephone events in packets of 20 ms: what every trunk takes.
    fn default() -> Self {
        Self {
            codecs: vec![AudioCodec::Pcma, AudioCodec::Pcmu],
            telephone_event: true,
            comfort_noise: false,
            ptime_ms: 20,
            rtcp_mux: false,
            answer_all_codecs: false,
            session_name: "-".into(),
            user: "-".into(),
        }
    }
}

impl MediaCapabilities {
    /// The default with these codecs.
    pub fn new(codecs: impl Into<Vec<AudioCodec>>) -> Self {
        Self { codecs: codecs.into(), ..Self::default() }
    }

    /// The codecs, never none.
    pub(super) fn codecs(&self) -> &[AudioCodec] {
        const FALLBACK: [AudioCodec; 2] = [AudioCodec::Pcma, AudioCodec::Pcmu];
        if self.codecs.is_empty() { &FALLBACK } else { &self.codecs }
    }
}

/// Where one leg receives media, as advertised to its far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// RTP.
    pub rtp: SocketAddr,
    /// RTCP; written as `a=rtcp` when it is not the next port of the same address (RFC 3605 §2.1).
    pub rtcp: SocketAddr,
}

impl LocalMedia {
    /// RTP at `rtp` and RTCP at the next port (RFC 3550 §11).
    pub const fn new(rtp: SocketAddr) -> Self {
        let mut rtcp = rtp;
        rtcp.set_port(rtp.port().saturating_add(1));
        Self { rtp, rtcp }
    }

    /// Whether RTCP is where a reader expects it without `a=rtcp`.
    pub(super) fn rtcp_is_next(&self) -> bool {
        *self == Self::new(self.rtp)
    }
}
