//! What a driver needs of the machine that it drives.

use crate::endpoint::{Answer, Output, ResolveId};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Instant;
use voip_core::net::{FlowId, Transport};

/// A machine that speaks SIP over flows: an endpoint, or something that wraps one.
///
/// The driver gives it one input at a time and then takes its outputs until [`Output::Timeout`]. A flow that the machine
/// closes with [`Output::Close`] is gone for it at once: the driver says nothing more about it.
pub trait Machine {
    /// A UDP socket was bound. Returns the name of its flow.
    fn bind_udp(&mut self, local: SocketAddr) -> FlowId;

    /// A stream listener was bound.
    fn listen(&mut self, transport: Transport, local: SocketAddr);

    /// A connection was accepted, and its TLS handshake is done. `None` refuses it: it is closed at once.
    fn handle_accepted(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<FlowId>;

    /// A connection that was asked for is open, and its TLS handshake is done.
    fn handle_connected(&mut self, now: Instant, flow: FlowId, local: SocketAddr);

    /// A connection was closed, or could not be opened; `words` say why, for a log.
    fn handle_closed(&mut self, now: Instant, flow: FlowId, words: &str);

    /// A datagram came.
    fn handle_datagram(&mut self, now: Instant, flow: FlowId, remote: SocketAddr, payload: Bytes);

    /// Bytes came on a connection: any number of them, wherever the network cut the stream.
    fn handle_stream(&mut self, now: Instant, flow: FlowId, bytes: Bytes);

    /// A look-up is done.
    fn handle_resolved(&mut self, now: Instant, id: ResolveId, answer: Answer);

    /// The instant given with [`Output::Timeout`] has come.
    fn handle_timeout(&mut self, now: Instant);

    /// What it wants done next; [`Output::Timeout`] when there is nothing more.
    fn poll_output(&mut self) -> Output;
}
