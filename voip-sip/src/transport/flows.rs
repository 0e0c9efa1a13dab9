//! The flows of an endpoint: UDP sockets, listeners, and stream connections with their framing, age and limits.
//!
//! Connections are found again by where they lead, so that one serves all requests to a server (RFC 5923 in spirit: a
//! connection that we opened is used for what we send, one that was accepted for the dialogs that came by it). Bounds:
//! connections in all and from one address; when a newcomer finds no room it is refused. A connection that sends half a
//! message and falls silent, or that never shows who it is, is closed; an idle one is closed later.

use super::framer::{Frame, FramingError, StreamFramer};
use super::{Path, TlsProfile};
use crate::message::MessageLimits;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use voip_core::net::{FlowId, Transport};
use voip_core::time::Deadlines;

/// Bounds of stream connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowsConfig {
    /// Connections in all. A trunk needs one or two; the default leaves room for thousands of phones.
    pub max_connections: usize,
    /// Accepted connections from one address that nobody has been identified by.
    pub max_unknown_per_source: usize,
    /// How long an accepted connection may take to send a request that is not a stranger's.
    pub unknown_timeout: Duration,
    /// How long part of a message may wait for its rest.
    pub partial_timeout: Duration,
    /// How long a connection may be silent. Longer than any registration and keepalive interval in use.
    pub idle_timeout: Duration,
    /// How long a message on a stream may be.
    pub message: MessageLimits,
}

impl Default for FlowsConfig {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_unknown_per_source: 16,
            unknown_timeout: Duration::from_secs(30),
            partial_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(900),
            message: MessageLimits::default(),
        }
    }
}

/// What flows have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlowsCounters {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections refused since there were too many.
    pub refused: u64,
    /// Connections closed by a time limit.
    pub timed_out: u64,
}

/// How a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Send along this path.
    Ready(Path),
    /// A connection to it is being opened.
    Opening(FlowId),
}

/// All flows of an endpoint.
#[derive(Debug)]
pub struct Flows {
    config: FlowsConfig,
    udp: Vec<(FlowId, SocketAddr)>,
    listeners: Vec<(Transport, SocketAddr)>,
    streams: HashMap<FlowId, Stream>,
    outgoing: HashMap<(Transport, SocketAddr, TlsProfile), FlowId>,
    unknown_by_source: HashMap<IpAddr, usize>,
    deadlines: Deadlines<FlowId>,
    counters: FlowsCounters,
    next: u64,
}

#[derive(Debug)]
struct Stream {
    transport: Transport,
    remote: SocketAddr,
    /// `None` while it is being opened.
    local: Option<SocketAddr>,
    /// Where a connection of ours is found again.
    outgoing: Option<TlsProfile>,
    /// Accepted, and nobody has been identified by it yet.
    unknown: bool,
    framer: StreamFramer,
    partial_since: Option<Instant>,
    last_received: Instant,
    since: Instant,
}

impl Flows {
    /// No flows.
    pub fn new(config: FlowsConfig) -> Self {
        Self {
            config,
            udp: Vec::new(),
            listeners: Vec::new(),
            streams: HashMap::new(),
            outgoing: HashMap::new(),
            unknown_by_source: HashMap::new(),
            deadlines: Deadlines::default(),
            counters: FlowsCounters::default(),
            next: 0,
        }
    }

    fn allocate(&mut self) -> FlowId {
        self.next += 1;
        FlowId(self.next)
    }

    /// A UDP socket was bound.
    pub fn add_udp(&mut self, local: SocketAddr) -> FlowId {
        let flow = self.allocate();
        self.udp.push((flow, local));
        flow
    }

    /// A listener was bound.
    pub fn add_listener(&mut self, transport: Transport, local: SocketAddr) {
        self.listeners.push((transport, local));
    }

    /// A peer connected; `None` when there is no room. `known`: its address identifies it, so that it does not count
    /// against the bound of unknown ones.
    pub fn accept(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        known: bool,
    ) -> Option<FlowId> {
        let from_source = self.unknown_by_source.get(&remote.ip()).copied().unwrap_or(0);
        let too_many = !known && from_source >= self.config.max_unknown_per_source;
        if self.streams.len() >= self.config.max_connections || too_many {
            self.counters.refused += 1;
            return None;
        }
        if !known {
            *self.unknown_by_source.entry(remote.ip()).or_insert(0) += 1;
        }
        self.counters.accepted += 1;
        let flow = self.allocate();
        let stream = Stream::new(now, transport, remote, Some(local), None, self.config.message);
        self.insert(flow, Stream { unknown: !known, ..stream });
        Some(flow)
    }

    /// A connection is to be opened; `None` when there is no room.
    pub fn open(&mut self, now: Instant, transport: Transport, remote: SocketAddr, tls: TlsProfile) -> Option<FlowId> {
        if self.streams.len() >= self.config.max_connections {
            self.counters.refused += 1;
            return None;
        }
        self.counters.opened += 1;
        let flow = self.allocate();
        self.outgoing.insert((transport, remote, tls), flow);
        self.insert(flow, Stream::new(now, transport, remote, None, Some(tls), self.config.message));
        Some(flow)
    }

    fn insert(&mut self, flow: FlowId, stream: Stream) {
        self.deadlines.set(flow, Some(stream.deadline(&self.config).0));
        self.streams.insert(flow, stream);
    }

    /// A connection of ours is up.
    pub fn handle_connected(&mut self, now: Instant, flow: FlowId, local: SocketAddr) {
        if let Some(stream) = self.streams.get_mut(&flow) {
            stream.local = Some(local);
            stream.last_received = now;
        }
        self.reschedule(flow);
    }

    /// A connection is gone.
    pub fn remove(&mut self, flow: FlowId) {
        let Some(stream) = self.streams.remove(&flow) else { return };
        self.deadlines.set(flow, None);
        if let Some(tls) = stream.outgoing {
            let key = (stream.transport, stream.remote, tls);
            if self.outgoing.get(&key) == Some(&flow) {
                self.outgoing.remove(&key);
            }
        }
        if stream.unknown {
            self.forget_unknown(stream.remote.ip());
        }
    }

    fn forget_unknown(&mut self, source: IpAddr) {
        if let Some(count) = self.unknown_by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.unknown_by_source.remove(&source);
            }
        }
    }

    /// Somebody has been identified by this flow.
    pub fn mark_known(&mut self, flow: FlowId) {
        let Some(stream) = self.streams.get_mut(&flow).filter(|stream| stream.unknown) else { return };
        stream.unknown = false;
        let source = stream.remote.ip();
        self.forget_unknown(source);
        self.reschedule(flow);
    }

    /// How to reach a target: over the UDP socket that faces it, or over a connection of ours to it.
    pub fn route(&self, transport: Transport, remote: SocketAddr, tls: TlsProfile) -> Option<Route> {
        if transport == Transport::Udp {
            let (flow, local) = self.udp_towards(remote)?;
            return Some(Route::Ready(Path { flow, transport, remote, local }));
        }
        let flow = *self.outgoing.get(&(transport, remote, tls))?;
        Some(self.path(flow).map_or(Route::Opening(flow), Route::Ready))
    }

    /// The UDP socket from which `remote` can be reached: one that is bound to an address of its own network when there
    /// are several.
    fn udp_towards(&self, remote: SocketAddr) -> Option<(FlowId, SocketAddr)> {
        let candidates = || self.udp.iter().filter(|(_, local)| local.is_ipv4() == remote.is_ipv4());
        candidates()
            .find(|(_, local)| local.ip().is_loopback() == remote.ip().is_loopback() && !local.ip().is_unspecified())
            .or_else(|| candidates().find(|(_, local)| local.ip().is_unspecified()))
            .or_else(|| candidates().next())
            .copied()
    }

    /// The path of a connection that is up.
    pub fn path(&self, flow: FlowId) -> Option<Path> {
        if let Some((_, local)) = self.udp.iter().find(|(udp, _)| *udp == flow) {
            return Some(Path { flow, transport: Transport::Udp, remote: *local, local: *local });
        }
        let stream = self.streams.get(&flow)?;
        Some(Path { flow, transport: stream.transport, remote: stream.remote, local: stream.local? })
    }

    /// Where a connection leads, one that is being opened too.
    pub fn remote(&self, flow: FlowId) -> Option<(Transport, SocketAddr)> {
        self.streams.get(&flow).map(|stream| (stream.transport, stream.remote))
    }

    /// The path of a message to or from `remote` by this flow.
    pub fn datagram_path(&self, flow: FlowId, remote: SocketAddr) -> Option<Path> {
        let path = self.path(flow)?;
        Some(if path.transport == Transport::Udp { Path { remote, ..path } } else { path })
    }

    /// The address that sockets of this transport are bound to towards `remote`.
    pub fn bound_address(&self, transport: Transport, remote: SocketAddr) -> Option<IpAddr> {
        if transport == Transport::Udp {
            return self.udp_towards(remote).map(|(_, local)| local.ip());
        }
        self.listener_towards(transport, remote).map(|local| local.ip())
    }

    /// The port on which this host can be reached by this transport from `remote`.
    pub fn listening_port(&self, transport: Transport, remote: SocketAddr) -> Option<u16> {
        if transport == Transport::Udp {
            return self.udp_towards(remote).map(|(_, local)| local.port());
        }
        self.listener_towards(transport, remote).map(|local| local.port())
    }

    fn listener_towards(&self, transport: Transport, remote: SocketAddr) -> Option<SocketAddr> {
        let fits = |local: &SocketAddr| local.is_ipv4() == remote.is_ipv4();
        let candidates = || self.listeners.iter().filter(|(t, local)| *t == transport && fits(local)).map(|(_, l)| *l);
        candidates()
            .find(|local| local.ip().is_loopback() == remote.ip().is_loopback() && !local.ip().is_unspecified())
            .or_else(|| candidates().next())
    }

    /// Bytes came on a connection.
    pub fn push(&mut self, now: Instant, flow: FlowId, bytes: &[u8]) {
        if let Some(stream) = self.streams.get_mut(&flow) {
            stream.last_received = now;
            stream.framer.push(bytes);
        }
    }

    /// The next frame of a connection; call until `None`.
    pub fn next_frame(&mut self, now: Instant, flow: FlowId) -> Result<Option<Frame>, FramingError> {
        let Some(stream) = self.streams.get_mut(&flow) else { return Ok(None) };
        let frame = stream.framer.next_frame();
        match (&frame, stream.framer.is_partial()) {
            (Ok(None), true) => {
                stream.partial_since.get_or_insert(now);
            }
            _ => stream.partial_since = None,
        }
        if matches!(frame, Ok(None)) {
            self.reschedule(flow);
        }
        frame
    }

    fn reschedule(&mut self, flow: FlowId) {
        if let Some(stream) = self.streams.get(&flow) {
            self.deadlines.set(flow, Some(stream.deadline(&self.config).0));
        }
    }

    /// When a connection reaches a time limit.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Takes a connection that has reached a time limit, with the reason; it is to be closed. Call until `None`.
    pub fn expire(&mut self, now: Instant) -> Option<(FlowId, &'static str)> {
        let flow = self.deadlines.expire(now)?;
        let reason = self.streams.get(&flow).map_or("gone", |stream| stream.deadline(&self.config).1);
        self.counters.timed_out += 1;
        Some((flow, reason))
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.streams.len()
    }

    /// What was counted.
    pub fn counters(&self) -> FlowsCounters {
        self.counters
    }
}

impl Stream {
    fn new(
        now: Instant,
        transport: Transport,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        outgoing: Option<TlsProfile>,
        message: MessageLimits,
    ) -> Self {
        Self {
            transport,
            remote,
            local,
            outgoing,
            unknown: outgoing.is_none(),
            framer: StreamFramer::new(message),
            partial_since: None,
            last_received: now,
            since: now,
        }
    }

    /// When it is to be closed if nothing changes, and why.
    fn deadline(&self, config: &FlowsConfig) -> (Instant, &'static str) {
        let idle = (self.last_received + config.idle_timeout, "idle");
        let partial = self.partial_since.map(|since| (since + config.partial_timeout, "half a message and silence"));
        let unknown = self.unknown.then(|| (self.since + config.unknown_timeout, "nobody was identified by it"));
        [Some(idle), partial, unknown].into_iter().flatten().min_by_key(|(at, _)| *at).unwrap_or(idle)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_connection_of_ours_is_found_again_and_an_accepted_one_is_not() {
        let (now, mut flows) = (Instant::now(), Flows::new(FlowsConfig::default()));
        let (server, tls) = (address("192.0.2.1:5061"), TlsProfile(1));
        assert_eq!(flows.route(Transport::Tls, server, tls), None);
        let flow = flows.open(now, Transport::Tls, server, tls).unwrap();
        assert_eq!(flows.route(Transport::Tls, server, tls), Some(Route::Opening(flow)));
        flows.handle_connected(now, flow, address("10.0.0.1:40000"));
        assert!(matches!(flows.route(Transport::Tls, server, tls), Some(Route::Ready(path)) if path.flow == flow));
        assert_eq!(flows.route(Transport::Tls, server, TlsProfile(2)), None);
        flows.remove(flow);
        assert_eq!(flows.route(Transport::Tls, server, tls), None);
        flows.accept(now, Transport::Tcp, address("10.0.0.1:5060"), address("192.0.2.1:6000"), false).unwrap();
        assert_eq!(flows.route(Transport::Tcp, address("192.0.2.1:6000"), TlsProfile(0)), None);
    }

    #[test]
    fn one_source_cannot_take_all_connections_and_unknown_ones_are_closed() {
        let (now, config) = (Instant::now(), FlowsConfig { max_unknown_per_source: 2, ..FlowsConfig::default() });
        let mut flows = Flows::new(config);
        let own = address("10.0.0.1:5060");
        let mut accept = |from: &str| flows.accept(now, Transport::Tcp, own, address(from), false);
        let known = accept("192.0.2.1:1").unwrap();
        assert!(accept("192.0.2.1:2").is_some() && accept("192.0.2.1:3").is_none() && accept("192.0.2.2:1").is_some());
        flows.mark_known(known);
        assert!(flows.accept(now, Transport::Tcp, own, address("192.0.2.1:4"), false).is_some());
        let later = now + config.unknown_timeout;
        let mut closed = 0;
        while let Some((flow, reason)) = flows.expire(later) {
            assert_ne!(flow, known);
            assert_eq!(reason, "nobody was identified by it");
            flows.remove(flow);
            closed += 1;
        }
        assert_eq!((closed, flows.connections(), flows.counters().refused), (3, 1, 1));
    }

    #[test]
    fn half_a_message_and_silence_ends_a_connection() {
        let (now, mut flows) = (Instant::now(), Flows::new(FlowsConfig::default()));
        let flow = flows.accept(now, Transport::Tcp, address("10.0.0.1:5060"), address("192.0.2.1:1"), false).unwrap();
        flows.mark_known(flow);
        flows.push(now, flow, b"OPTIONS sip:a SIP/2.0\r\n");
        assert_eq!(flows.next_frame(now, flow), Ok(None));
        assert_eq!(flows.expire(now + Duration::from_secs(9)), None);
        assert_eq!(flows.expire(now + Duration::from_secs(10)), Some((flow, "half a message and silence")));
    }

    #[test]
    fn a_keepalive_and_silence_does_not() {
        let (now, mut flows) = (Instant::now(), Flows::new(FlowsConfig::default()));
        let flow = flows.accept(now, Transport::Tcp, address("10.0.0.1:5060"), address("192.0.2.1:1"), false).unwrap();
        flows.mark_known(flow);
        flows.push(now, flow, b"\r\n");
        assert_eq!(flows.next_frame(now, flow), Ok(None));
        assert_eq!(flows.expire(now + Duration::from_secs(899)), None);
        assert_eq!(flows.expire(now + Duration::from_secs(900)), Some((flow, "idle")));
    }
}
