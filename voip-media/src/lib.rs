//! Audio on the wire: RTP, RTCP, G.711, telephone events, and the relay that joins the two legs of a call.
//!
//! Everything but [`io`] is pure: datagrams and the time go in, datagrams and events come out. A [`relay::Relay`] is the
//! media of one call and can be driven by a test in virtual time; [`io::MediaWorkers`] drives many from a few threads.
//!
//! | module | holds |
//! |---|---|
//! | [`rtp`] | headers, sequence extension, loss and jitter |
//! | [`rtcp`] | reports both ways, their timing, the round trip |
//! | [`codec`] | G.711 |
//! | [`dtmf`] | telephone events |
//! | [`mos`] | the E-model |
//! | [`ports`] | the port pool |
//! | [`session`] | one leg: a media plan in motion |
//! | [`relay`] | two legs joined |
//! | [`io`] | sockets and threads (feature `io`) |
//!
//! Not here yet: SRTP, a jitter buffer, decoding, codecs other than G.711 (which are passed through when both legs
//! have them).

pub mod codec;
pub mod dtmf;
mod event;
#[cfg(feature = "io")]
pub mod io;
pub mod mos;
pub mod ports;
pub mod relay;
pub mod rtcp;
pub mod rtp;
pub mod session;

pub use event::{MediaEvent, MediaId};
pub use session::{LegPolicy, LegReport};
