//! What a codec's payload looks like from outside: plausible lengths, media time, conversion, silence.

use super::payloads::PayloadKind;
use crate::codec::g711::Law;
use crate::dtmf::EventPayload;
use voip_core::codec::AudioCodec;
use voip_core::media::{MediaPlan, PayloadMap};

/// Whether a payload of this length can be what its type says.
pub(super) const fn is_plausible(kind: PayloadKind, length: usize) -> bool {
    match kind {
        PayloadKind::Audio(AudioCodec::L16) => length > 0 && length.is_multiple_of(2),
        PayloadKind::Audio(_) => length > 0,
        PayloadKind::TelephoneEvent => length >= EventPayload::LENGTH,
        PayloadKind::ComfortNoise => true,
    }
}

const fn law_of(codec: AudioCodec) -> Option<Law> {
    match codec {
        AudioCodec::Pcma => Some(Law::A),
        AudioCodec::Pcmu => Some(Law::Mu),
        AudioCodec::G722 | AudioCodec::Opus | AudioCodec::L16 => None,
    }
}

/// How audio in `codec` goes to the peer of `plan`: as it is, when the peer has the codec at all; converted from the
/// law given to the other, when it has that; else not.
pub(super) fn sending_map(plan: &MediaPlan, codec: AudioCodec) -> Option<(PayloadMap, Option<Law>)> {
    if let Some(map) = plan.codecs.iter().find(|map| map.codec == codec) {
        return Some((*map, None));
    }
    let law = law_of(codec)?;
    let map = plan.codecs.iter().find(|map| law_of(map.codec) == Some(law.other()))?;
    Some((*map, Some(law)))
}

/// Media time of a payload, in units of the codec's clock.
pub(super) const fn media_duration(codec: AudioCodec, length: usize) -> u32 {
    match codec {
        // G.722's clock runs at half its sampling rate: a byte a unit (RFC 3551 §4.5.2).
        AudioCodec::Pcma | AudioCodec::Pcmu | AudioCodec::G722 => length as u32,
        AudioCodec::L16 => length as u32 / 2,
        // The usual packet; the true length is in the payload (RFC 6716 §3.1).
        AudioCodec::Opus => 960,
    }
}

/// 20 ms of silence.
#[derive(Clone, Copy, Debug)]
pub(super) enum Silence {
    Repeated(u8, usize),
    /// An Opus packet: configuration 31, one frame, whose contents say silence.
    Opus,
}

impl Silence {
    pub(super) fn write(self, buffer: &mut [u8]) -> usize {
        match self {
            Self::Repeated(byte, count) => {
                buffer[..count].fill(byte);
                count
            }
            Self::Opus => {
                buffer[..3].copy_from_slice(&[0xF8, 0xFF, 0xFE]);
                3
            }
        }
    }
}

/// Silence in a codec, where it can be written without an encoder.
pub(super) const fn silence_of(codec: AudioCodec) -> Option<Silence> {
    match codec {
        AudioCodec::Pcma => Some(Silence::Repeated(Law::A.silence(), 160)),
        AudioCodec::Pcmu => Some(Silence::Repeated(Law::Mu.silence(), 160)),
        AudioCodec::L16 => Some(Silence::Repeated(0, 320)),
        AudioCodec::Opus => Some(Silence::Opus),
        AudioCodec::G722 => None,
    }
}
