//! What an endpoint wants done, and what it tells.

use crate::call::PeerId;
use crate::call::{CallEvent, CallKey};
use crate::transport::{Query, TlsProfile};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::net::{FlowId, Transmit, Transport};

/// Names a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolveId(pub u64);

/// A stream connection to be opened. The driver replies with `handle_connected` or `handle_closed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Its name from now on.
    pub flow: FlowId,
    /// Tcp or Tls.
    pub transport: Transport,
    /// Where to.
    pub remote: SocketAddr,
    /// The name that the certificate must carry, and that SNI shows: the one that was configured, not what DNS made
    /// of it (RFC 5922 §7.2).
    pub server_name: String,
    /// TLS settings.
    pub tls: TlsProfile,
}

/// One thing that an endpoint wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit(Transmit),
    /// Open a connection.
    Connect(Connect),
    /// Close a connection once what was sent before is out.
    Close(FlowId),
    /// Ask DNS; the answer comes back by `handle_resolved`.
    Resolve(ResolveId, Query),
    /// Tell the user.
    Event(Event),
    /// Nothing more until this instant, or an input.
    Timeout(Option<Instant>),
}

/// What an endpoint tells its user.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something happened to a call.
    Call(CallKey, CallEvent),
    /// A registration changed its state.
    Registration(PeerId),
    /// A peer answered OPTIONS, or stopped answering.
    Qualified {
        /// Who.
        peer: PeerId,
        /// Round-trip time; `None` when it does not answer.
        round_trip: Option<Duration>,
    },
    /// A message went out or came in: told only when [`EndpointConfig::trace`](super::EndpointConfig::trace) is set.
    Message(TracedMessage),
    /// A request from a source that identifies nobody was dropped or refused.
    Stranger {
        /// Source.
        remote: SocketAddr,
        /// Transport.
        transport: Transport,
        /// Method of the request.
        method: Bytes,
    },
}

/// A message that crossed the wire, as it was. It may hold credentials: mask them before showing it.
#[derive(Clone, Debug)]
pub struct TracedMessage {
    /// It came in; otherwise it went out.
    pub received: bool,
    /// Transport.
    pub transport: Transport,
    /// This host's end.
    pub local: SocketAddr,
    /// The far end.
    pub remote: SocketAddr,
    /// The whole message.
    pub payload: Bytes,
}
