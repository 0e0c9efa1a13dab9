//! Payload types to what they carry, by table.

use voip_core::codec::AudioCodec;
use voip_core::media::MediaPlan;

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Audio in a codec.
    Audio(AudioCodec),
    /// A telephone event (RFC 4733).
    TelephoneEvent,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
}

/// The payload types that a plan lets come in.
#[derive(Clone, Debug)]
pub(crate) struct PayloadTable([Option<PayloadKind>; 128]);

impl PayloadTable {
    pub(crate) const EMPTY: Self = Self([None; 128]);

    pub(crate) fn new(plan: &MediaPlan) -> Self {
        let mut table = Self::EMPTY;
        // The first to name a type keeps it.
        let mut set = |payload_type: u8, kind| {
            if let Some(slot @ None) = table.0.get_mut(usize::from(payload_type)) {
                *slot = Some(kind);
            }
        };
        for map in &plan.codecs {
            set(map.receive, PayloadKind::Audio(map.codec));
        }
        if let Some(map) = plan.telephone_event {
            set(map.receive, PayloadKind::TelephoneEvent);
        }
        if let Some(payload_type) = plan.comfort_noise {
            set(payload_type, PayloadKind::ComfortNoise);
        }
        table
    }

    #[inline]
    pub(crate) fn kind(&self, payload_type: u8) -> Option<PayloadKind> {
        self.0[usize::from(payload_type & 0x7F)]
    }
}

/// A payload type that the plan gives no meaning, for keepalives that are to be ignored (RFC 6263 §4.6).
pub(crate) fn unused_payload_type(plan: &MediaPlan) -> u8 {
    let used = |payload_type: u8| {
        plan.codecs.iter().any(|map| map.send == payload_type || map.receive == payload_type)
            || plan.telephone_event.is_some_and(|map| map.send == payload_type || map.receive == payload_type)
    };
    // From the top of the dynamic range (RFC 3551 §6), where negotiation rarely reaches.
    (96..=127).rev().find(|payload_type| !used(*payload_type)).unwrap_or(127)
}
