//! The driver: UDP, TCP, TLS and DNS on tokio, and the only place of this crate that reads a clock or draws entropy.
//!
//! A [`Driver`] owns the sockets and carries out what a [`Machine`] (an endpoint, or whatever wraps one) wants done.
//! Every queue in it has a bound, and each bound has a rule and a counter ([`Counters`]): `docs/security.md` lists them.
//! RFC 3261 §18 is split here: the driver moves bytes, the endpoint frames and routes them. Left out: WebSocket
//! (RFC 7118), client certificates, NAPTR (RFC 3263 §4.1).
//!
//! Nobody inside the crate imports this module.

mod admission;
mod clock;
mod config;
mod counters;
mod driver;
mod endpoint;
mod input;
mod insecure;
mod interfaces;
mod listener;
mod machine;
mod resolver;
mod stream;
mod tls;
mod udp;

#[cfg(test)]
mod tests;

pub use clock::{clock_pair, seed};
pub use config::{ClientTls, DriverConfig, DriverError, Listener, PemFile, ServerTls};
pub use counters::Counters;
pub use driver::Driver;
pub use interfaces::{Interfaces, interfaces};
pub use machine::Machine;
