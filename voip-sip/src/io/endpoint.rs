//! An endpoint, driven by itself.

use super::Machine;
use crate::endpoint::{Answer, Endpoint, Output, ResolveId};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Instant;
use voip_core::net::{FlowId, Transport};

impl Machine for Endpoint {
    fn bind_udp(&mut self, local: SocketAddr) -> FlowId {
        Self::bind_udp(self, local)
    }

    fn listen(&mut self, transport: Transport, local: SocketAddr) {
        Self::listen(self, transport, local);
    }

    fn handle_accepted(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<FlowId> {
        Self::handle_accepted(self, now, transport, local, remote)
    }

    fn handle_connected(&mut self, now: Instant, flow: FlowId, local: SocketAddr) {
        Self::handle_connected(self, now, flow, local);
    }

    fn handle_closed(&mut self, now: Instant, flow: FlowId, words: &str) {
        Self::handle_closed(self, now, flow, words);
    }

    fn handle_datagram(&mut self, now: Instant, flow: FlowId, remote: SocketAddr, payload: Bytes) {
        Self::handle_datagram(self, now, flow, remote, payload);
    }

    fn handle_stream(&mut self, now: Instant, flow: FlowId, bytes: Bytes) {
        Self::handle_stream(self, now, flow, &bytes);
    }

    fn handle_resolved(&mut self, now: Instant, id: ResolveId, answer: Answer) {
        Self::handle_resolved(self, now, id, answer);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Self::handle_timeout(self, now);
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }
}
