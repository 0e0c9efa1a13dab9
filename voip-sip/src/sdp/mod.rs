//! Session descriptions (RFC 8866) and the offer/answer model over them (RFC 3264).
//!
//! [`SessionDescription`] reads and writes the text: forgivingly in, strictly out, lines and attributes it does not
//! know kept as they came. [`Negotiation`] is the offer/answer machine of one leg: it writes our offers and answers and
//! turns what the far side says into a [`MediaPlan`](voip_core::media::MediaPlan). It is pure and resolves no names.
//! Left out: SRTP keys (RFC 4568 lines are kept, not used), ICE and DTLS (RFC 8839, RFC 8842), bundles (RFC 9143).

mod attribute;
mod capabilities;
mod description;
mod error;
mod format;
mod negotiation;
mod write;

pub use attribute::{Attribute, Attributes, RtcpAddress, RtpMap};
pub use capabilities::{LocalMedia, MediaCapabilities};
pub use description::{
    Connection, Line, MAX_BYTES, MAX_LINES, MAX_MEDIA, MediaDescription, Origin, SessionDescription,
};
pub use error::SdpError;
pub use format::Format;
pub use negotiation::{Negotiation, RemoteOffer};

/// The media type of a session description, for Content-Type and Accept (RFC 8866 §8.1).
pub const CONTENT_TYPE: &str = "application/sdp";
