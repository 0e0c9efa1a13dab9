//! Codec identities and their RTP parameters, as data. The signal processing is in `voip-media`.

use std::fmt;

/// An audio codec by its RTP encoding name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AudioCodec {
    /// G.711 µ-law, static payload type 0 (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law, static payload type 8 (RFC 3551 §4.5.14).
    Pcma,
    /// G.722, static payload type 9; its RTP clock is 8000 Hz though it samples at 16 kHz (RFC 3551 §4.5.2).
    G722,
    /// Opus (RFC 7587): always `opus/48000/2` in SDP.
    Opus,
    /// Linear 16-bit at 8 kHz, mono (RFC 3551 §4.5.11).
    L16,
}

impl AudioCodec {
    /// Every codec, in the order of preference that is used where nobody states another.
    pub const ALL: [Self; 5] = [Self::Pcma, Self::Pcmu, Self::G722, Self::Opus, Self::L16];

    /// The encoding name as IANA registers it for `a=rtpmap`.
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
            Self::L16 => "L16",
        }
    }

    /// The RTP clock rate in Hz, as written in `a=rtpmap`.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16 => 8000,
            Self::Opus => 48_000,
        }
    }

    /// The rate of the decoded samples in Hz.
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16 => 8000,
            Self::G722 => 16_000,
            Self::Opus => 48_000,
        }
    }

    /// Channels as written in `a=rtpmap`.
    pub const fn channels(self) -> u8 {
        match self {
            Self::Opus => 2,
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16 => 1,
        }
    }

    /// The payload type that needs no `a=rtpmap` (RFC 3551 §6).
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::Opus | Self::L16 => None,
        }
    }

    /// The codec of a static payload type (RFC 3551 §6).
    pub fn from_static_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.static_payload_type() == Some(payload_type))
    }

    /// The codec of an `a=rtpmap` encoding; names compare without regard to case (RFC 8866 §6.6).
    pub fn from_encoding(name: &str, clock_rate: u32, channels: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| {
            codec.encoding_name().eq_ignore_ascii_case(name)
                && codec.clock_rate() == clock_rate
                && codec.channels() == channels
        })
    }
}

impl fmt::Display for AudioCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encoding_name())
    }
}

/// The payload type of comfort noise at 8000 Hz (RFC 3389 §4).
pub const COMFORT_NOISE_PAYLOAD_TYPE: u8 = 13;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_found_by_their_rtpmap_whatever_its_case() {
        assert_eq!(AudioCodec::from_encoding("pcma", 8000, 1), Some(AudioCodec::Pcma));
        assert_eq!(AudioCodec::from_encoding("OPUS", 48_000, 2), Some(AudioCodec::Opus));
        assert_eq!(AudioCodec::from_encoding("PCMA", 16_000, 1), None);
        assert_eq!(AudioCodec::from_static_payload_type(9), Some(AudioCodec::G722));
    }
}
