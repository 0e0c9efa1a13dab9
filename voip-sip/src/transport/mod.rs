//! How messages travel: the path of a message, stream framing, the rules of Via, flows and the choice of a target.
//!
//! RFC 3261 §18, RFC 3263, RFC 3581, RFC 5626 §3.5.1 and §4.4.1, RFC 5923. Everything here is pure: the sockets are the
//! driver's, and it feeds what they yield to these machines.

mod flows;
mod framer;
mod server;
mod target;
pub mod via;

pub use flows::{Flows, FlowsConfig, FlowsCounters, Route};
pub use framer::{Frame, FramingError, StreamFramer};
pub use server::{Answer, Query, ServerAddress, TlsProfile};
pub use target::{Resolution, Target};

use std::net::SocketAddr;
use voip_core::net::{FlowId, Transmit, Transport};

/// Where a message came from, or goes to: the flow, and the addresses at its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The UDP socket or the stream connection.
    pub flow: FlowId,
    /// Its transport.
    pub transport: Transport,
    /// The peer's address.
    pub remote: SocketAddr,
    /// This host's address of the flow: what the socket is bound to.
    pub local: SocketAddr,
}

impl Path {
    /// `payload`, to be sent along this path.
    pub fn transmit(&self, payload: bytes::Bytes) -> Transmit {
        Transmit { flow: self.flow, remote: self.remote, payload }
    }
}
