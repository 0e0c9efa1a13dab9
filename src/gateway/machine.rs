//! The core as something that a driver can drive: every input goes to the endpoint, and what that tells is taken up
//! while the time is known.

use super::core::Core;
use crate::bridge::MediaPlane;
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Instant;
use voip_core::net::{FlowId, Transport};
use voip_sip::endpoint::{Answer, Output, ResolveId};
use voip_sip::io::Machine;

impl<M: MediaPlane> Machine for Core<M> {
    fn bind_udp(&mut self, local: SocketAddr) -> FlowId {
        self.endpoint.bind_udp(local)
    }

    fn listen(&mut self, transport: Transport, local: SocketAddr) {
        self.endpoint.listen(transport, local);
    }

    fn handle_accepted(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<FlowId> {
        let flow = self.endpoint.handle_accepted(now, transport, local, remote);
        self.run(now);
        flow
    }

    fn handle_connected(&mut self, now: Instant, flow: FlowId, local: SocketAddr) {
        self.input(now, |endpoint| endpoint.handle_connected(now, flow, local));
    }

    fn handle_closed(&mut self, now: Instant, flow: FlowId, words: &str) {
        self.input(now, |endpoint| endpoint.handle_closed(now, flow, words));
    }

    fn handle_datagram(&mut self, now: Instant, flow: FlowId, remote: SocketAddr, payload: Bytes) {
        self.input(now, |endpoint| endpoint.handle_datagram(now, flow, remote, payload));
    }

    fn handle_stream(&mut self, now: Instant, flow: FlowId, bytes: Bytes) {
        self.input(now, |endpoint| endpoint.handle_stream(now, flow, &bytes));
    }

    fn handle_resolved(&mut self, now: Instant, id: ResolveId, answer: Answer) {
        self.input(now, |endpoint| endpoint.handle_resolved(now, id, answer));
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.run(now);
        self.expire(now);
        self.run(now);
    }

    fn poll_output(&mut self) -> Output {
        self.take_output()
    }
}
