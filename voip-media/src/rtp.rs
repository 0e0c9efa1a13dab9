//! RTP (RFC 3550 §5): headers, sequence extension and reception statistics.
//!
//! | module | holds |
//! |---|---|
//! | [`header`] | reading a packet, writing a header in place |
//! | [`sequence`] | extended sequence numbers, reordering, duplicates, restarts (RFC 3550 A.1) |
//! | [`statistics`] | loss and jitter of one source (RFC 3550 A.3, A.8) |

pub mod header;
pub mod sequence;
pub mod statistics;

pub use header::{RtpError, RtpHeader, RtpTime, SeqNo, Ssrc};
pub use sequence::{Arrival, SequenceTracker};
pub use statistics::Reception;
