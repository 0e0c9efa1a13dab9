//! SIP and SDP as pure state machines.
//!
//! Messages in, messages out: nothing in this crate opens a socket, reads a clock or draws entropy, except the driver
//! in `io` (feature `tokio`). A module uses only those above it in this table.
//!
//! | module | holds |
//! |---|---|
//! | [`message`] | URIs, headers, requests and responses: read forgivingly, written exactly |
//! | [`sdp`] | session descriptions read and written, offer and answer into a media plan |
//! | [`auth`] | digest authentication, both sides |
//! | [`transport`] | paths, stream framing, Via and rport rules, flows, choice of a target |
//! | [`transaction`] | the four transaction machines and the table that routes to them |
//! | [`dialog`] | dialog identity, route set, sequence numbers |
//! | [`registration`] | keeps one binding alive as a client |
//! | [`call`] | one INVITE session |
//! | [`b2bua`] | couples two legs into one call, signalling only |
//! | [`endpoint`] | the facade |
//! | `io` | the driver on tokio: UDP, TCP, TLS, DNS, clocks, entropy |

pub mod auth;
pub mod b2bua;
pub mod call;
pub mod dialog;
pub mod endpoint;
#[cfg(feature = "tokio")]
pub mod io;
pub mod message;
pub mod registration;
pub mod sdp;
pub mod transaction;
pub mod transport;
