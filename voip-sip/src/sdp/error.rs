//! What can be wrong with a session description, or with what it proposes.

use crate::message::ByteStr;
use std::net::IpAddr;
use thiserror::Error;

/// A session description that cannot be read, or cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SdpError {
    /// No line of a session description was found.
    #[error("not a session description")]
    NotSdp,
    /// `v=` is not 0.
    #[error("SDP version {0} is not known")]
    Version(ByteStr),
    /// Larger than [`MAX_BYTES`](super::MAX_BYTES), or with more lines or media than the limits.
    #[error("session description too large")]
    TooLarge,
    /// An `m=` line without media, port, protocol and format.
    #[error("malformed m= line: {0}")]
    MediaLine(ByteStr),
    /// There is no usable audio stream.
    #[error("no audio stream")]
    NoAudio,
    /// The answer rejects the audio stream: its port is 0 (RFC 3264 §6).
    #[error("the answer rejects the audio stream")]
    Rejected,
    /// The answer has no audio stream where the offer has its own (RFC 3264 §6).
    #[error("the answer does not follow the m= lines of the offer")]
    MediaMismatch,
    /// Neither the session nor the stream has a `c=` line that can be read.
    #[error("no connection address")]
    NoConnection,
    /// The connection address is a host name; only addresses are followed.
    #[error("the connection address is a host name: {0}")]
    HostName(ByteStr),
    /// The connection address is not that of one host.
    #[error("the connection address {0} is not that of one host")]
    NotUnicast(IpAddr),
    /// One side has IPv4 and the other IPv6.
    #[error("the address {0} is of the other IP version")]
    AddressFamily(IpAddr),
    /// Only streams over SRTP are offered, which is not supported yet.
    #[error("only SRTP is offered ({0}), and SRTP is not supported yet")]
    SrtpOnly(ByteStr),
    /// Audio is offered over something other than RTP.
    #[error("the transport protocol {0} is not supported")]
    Protocol(ByteStr),
    /// The two sides have no audio codec in common, or the answer has only codecs that were not offered.
    #[error("no codec in common")]
    NoCommonCodec,
    /// An answer came, or one is wanted, without an offer.
    #[error("no offer to answer")]
    NoOffer,
}

impl SdpError {
    /// The status that refuses an offer with this defect: 400 for what cannot be read, 488 for what cannot be met
    /// (RFC 3261 §21.4.1, §21.4.26).
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotSdp | Self::Version(_) | Self::MediaLine(_) | Self::MediaMismatch | Self::NoConnection => 400,
            Self::TooLarge => 413,
            Self::NoAudio
            | Self::Rejected
            | Self::HostName(_)
            | Self::NotUnicast(_)
            | Self::AddressFamily(_)
            | Self::SrtpOnly(_)
            | Self::Protocol(_)
            | Self::NoCommonCodec => 488,
            Self::NoOffer => 500,
        }
    }
}
