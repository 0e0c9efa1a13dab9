//! The vocabulary that the layers of voip share.
//!
//! A type is admitted here only when two crates need it. Nothing here opens a socket, reads a clock or draws
//! entropy: time comes in as an argument, randomness from a seed.
//!
//! | module | holds |
//! |---|---|
//! | [`time`] | wall time, NTP time, deadlines and timer tables |
//! | [`rng`] | the seeded source of tags, branches, SSRCs and nonces |
//! | [`net`] | transports, flows, what is to be transmitted, which address to show to whom |
//! | [`audio`] | PCM formats and frames |
//! | [`codec`] | codec identities and their RTP parameters, no signal processing |
//! | [`media`] | the media plan: what negotiation yields and the media layer consumes |
//! | [`leg`] | what happens to a leg and what it is told, equal for a phone and an agent |
//! | [`redact`] | wrappers that keep secrets and phone numbers out of logs |
//! | `sim` | virtual time and hostile networks for tests (feature `sim`) |

pub mod audio;
pub mod codec;
pub mod leg;
pub mod media;
pub mod net;
pub mod redact;
pub mod rng;
#[cfg(feature = "sim")]
pub mod sim;
pub mod time;
