//! Which codecs of two legs can be joined: the same on both, or the two laws of G.711, which convert into each other.

use voip_core::codec::AudioCodec;

/// Whether audio of one codec can be brought to the other.
pub fn joinable(a: AudioCodec, b: AudioCodec) -> bool {
    a == b || (is_g711(a) && is_g711(b))
}

/// The codecs to offer to one leg: of its `own`, those that can be joined with what the other leg `has`, the common
/// ones first in the other's order, so that packets pass through as they are.
pub fn to_offer(own: &[AudioCodec], has: &[AudioCodec]) -> Vec<AudioCodec> {
    let common = has.iter().filter(|codec| own.contains(codec));
    let converted =
        own.iter().filter(|codec| !has.contains(codec) && has.iter().any(|other| joinable(**codec, *other)));
    common.chain(converted).copied().collect()
}

/// The codec to answer with, out of what is `offered`, when the other leg uses `far`.
pub fn to_answer(offered: &[AudioCodec], far: Option<AudioCodec>) -> Option<AudioCodec> {
    let Some(far) = far else { return offered.first().copied() };
    let same = offered.iter().find(|codec| **codec == far);
    same.or_else(|| offered.iter().find(|codec| joinable(**codec, far))).copied()
}

const fn is_g711(codec: AudioCodec) -> bool {
    matches!(codec, AudioCodec::Pcma | AudioCodec::Pcmu)
}

#[cfg(test)]
mod tests {
    use super::AudioCodec::{G722, Pcma, Pcmu};
    use super::*;

    #[test]
    fn the_callers_codecs_are_offered_first_and_only_what_can_be_joined() {
        assert_eq!(to_offer(&[Pcma, Pcmu], &[Pcmu, Pcma]), [Pcmu, Pcma]);
        assert_eq!(to_offer(&[Pcma, Pcmu, G722], &[Pcmu]), [Pcmu, Pcma]);
        assert_eq!(to_offer(&[G722, Pcma], &[G722, Pcmu]), [G722, Pcma]);
        assert_eq!(to_offer(&[G722], &[Pcma]), []);
    }

    #[test]
    fn an_answer_passes_through_if_it_can_and_else_converts() {
        assert_eq!(to_answer(&[Pcmu, Pcma], Some(Pcma)), Some(Pcma));
        assert_eq!(to_answer(&[G722, Pcmu], Some(Pcma)), Some(Pcmu));
        assert_eq!(to_answer(&[G722], Some(Pcma)), None);
        assert_eq!(to_answer(&[G722, Pcma], None), Some(G722));
    }
}
