//! Stand-ins for the two ends of a gateway, for demonstrations and tests: a carrier as Mango Office's trunk behaves,
//! and a voice agent as ElevenLabs' SIP side behaves.
//!
//! They are programs of the real world in miniature: sockets, threads and clocks, and no state machine that a gateway
//! under test uses. Of the workspace they take [`voip_sip::message`] and the tables of G.711; framing, digest, SDP and
//! RTP are written here a second time, small and straight, so that a mistake in the gateway's own is not answered by
//! the same mistake.
//! They can be rude: see [`CallPlan`], [`AnswerPlan`], [`CarrierConfig`] and [`AgentConfig`].
//!
//! | module | holds |
//! |---|---|
//! | [`speech`] | the recordings, G.711 to linear and back, WAV files |
//! | [`digest`] | digest authentication, both sides (RFC 7616) |
//! | [`sdp`] | one audio stream's description (RFC 8866, RFC 3264) |
//! | [`rtp`] | an RTP port that plays and records (RFC 3550, RFC 4733) |
//! | [`trace`] | what a stand-in saw and did, and when |
//! | [`compare`] | what was heard against what was sent |
//! | [`certificate`] | a private authority and a certificate by it |
//! | [`carrier`], [`agent`] | the stand-ins |

#![expect(clippy::disallowed_methods, reason = "the stand-ins are drivers throughout: they read clocks and wait")]

pub mod agent;
pub mod carrier;
pub mod certificate;
pub mod compare;
mod dialog;
pub mod digest;
mod incoming;
mod outgoing;
mod party;
mod plan;
mod report;
mod rtcp;
pub mod rtp;
pub mod sdp;
mod session;
pub mod speech;
pub mod trace;
mod wire;

pub use agent::{Agent, AgentConfig};
pub use carrier::{Carrier, CarrierConfig, Registration};
pub use plan::{Action, AnswerPlan, CallPlan, Called, HangUp, Talk};
pub use report::{AudioReport, CallReport, EndedBy};
