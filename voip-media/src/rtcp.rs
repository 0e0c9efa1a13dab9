//! RTCP (RFC 3550 §6): reading compound packets of any quality, writing reports, and taking part in a session.
//!
//! | module | holds |
//! |---|---|
//! | [`read`] | a compound packet taken apart; garbage ends it, never more |
//! | [`mod@write`] | SR, RR, SDES and BYE into a buffer |
//! | [`participant`] | report timing, round trip, what the far side reports of us |

pub mod participant;
pub mod read;
pub mod write;

pub use participant::Participant;
pub use read::{Compound, Packet, ReportBlock, RtcpError, SenderInfo};
pub use write::CompoundWriter;

/// Packet types (RFC 3550 §12.1).
pub(crate) mod packet_type {
    pub(crate) const SENDER_REPORT: u8 = 200;
    pub(crate) const RECEIVER_REPORT: u8 = 201;
    pub(crate) const SOURCE_DESCRIPTION: u8 = 202;
    pub(crate) const BYE: u8 = 203;
}
