//! What a payload type of an audio stream means.

use super::description::MediaDescription;
use crate::message::{ByteStr, decimal};
use voip_core::codec::{AudioCodec, COMFORT_NOISE_PAYLOAD_TYPE};

/// What a payload type carries, as far as this side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Audio.
    Audio(AudioCodec),
    /// Telephone events (RFC 4733) at this clock rate, Hz.
    TelephoneEvent(u32),
    /// Comfort noise (RFC 3389) at 8000 Hz.
    ComfortNoise,
}

impl Format {
    /// The payload type we give it unless that is taken.
    pub(super) fn usual_payload_type(self) -> u8 {
        match self {
            Self::Audio(codec) => codec.static_payload_type().unwrap_or(FIRST_DYNAMIC),
            Self::TelephoneEvent(8000) => 101,
            Self::TelephoneEvent(_) => 102,
            Self::ComfortNoise => COMFORT_NOISE_PAYLOAD_TYPE,
        }
    }

    /// The value of its `a=rtpmap` after the payload type.
    pub(super) fn rtpmap(self) -> String {
        match self {
            Self::Audio(codec) if codec.channels() > 1 => {
                format!("{}/{}/{}", codec.encoding_name(), codec.clock_rate(), codec.channels())
            }
            Self::Audio(codec) => format!("{}/{}", codec.encoding_name(), codec.clock_rate()),
            Self::TelephoneEvent(clock_rate) => format!("telephone-event/{clock_rate}"),
            Self::ComfortNoise => "CN/8000".into(),
        }
    }
}

/// The first payload type that has no meaning of its own (RFC 3551 §3).
pub(super) const FIRST_DYNAMIC: u8 = 96;

impl MediaDescription {
    /// The payload types that are understood, in the order of the `m=` line, each number and each format once.
    pub fn understood_formats(&self) -> Vec<(u8, Format)> {
        let mut formats: Vec<(u8, Format)> = Vec::new();
        for payload_type in self.formats.iter().filter_map(payload_type) {
            let Some(format) = self.format(payload_type) else { continue };
            if !formats.iter().any(|(number, other)| *number == payload_type || *other == format) {
                formats.push((payload_type, format));
            }
        }
        formats
    }

    /// What a payload type means: by its `a=rtpmap`, or by RFC 3551 §6 where it has none.
    pub fn format(&self, payload_type: u8) -> Option<Format> {
        let Some(map) = self.attributes.rtpmap(payload_type) else {
            return match payload_type {
                COMFORT_NOISE_PAYLOAD_TYPE => Some(Format::ComfortNoise),
                _ => AudioCodec::from_static_payload_type(payload_type).map(Format::Audio),
            };
        };
        if map.encoding.eq_ignore_case("telephone-event") {
            return Some(Format::TelephoneEvent(map.clock_rate));
        }
        if map.encoding.eq_ignore_case("CN") {
            return (map.clock_rate == 8000).then_some(Format::ComfortNoise);
        }
        // RFC 7587 §7 has Opus always written with two channels; some devices leave them out.
        let usual = if map.encoding.eq_ignore_case("opus") { 2 } else { 1 };
        AudioCodec::from_encoding(map.encoding.as_str()?, map.clock_rate, map.channels.unwrap_or(usual))
            .map(Format::Audio)
    }

    /// Whether telephone event 16, flash, is among those the far side takes (RFC 4733 §2.4.1).
    pub(super) fn takes_flash(&self, payload_type: u8) -> bool {
        self.attributes.fmtp(payload_type).is_some_and(|events| {
            events.as_bytes().split(|b| *b == b',').any(|range| {
                let mut ends = range.split(|b| *b == b'-').map(|end| decimal::<u8>(crate::message::scan::trim(end)));
                match (ends.next().flatten(), ends.next()) {
                    (Some(one), None) => one == 16,
                    (Some(low), Some(Some(high))) => (low..=high).contains(&16),
                    _ => false,
                }
            })
        })
    }
}

fn payload_type(word: &ByteStr) -> Option<u8> {
    word.to_number().filter(|number| *number < 128)
}
