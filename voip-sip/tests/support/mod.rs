//! An endpoint as a node of the simulator: UDP and TCP on one address, names resolved from a table.
#![allow(dead_code, unreachable_pub, reason = "each test target uses its own part")]

use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use voip_core::net::{AddressPolicy, FlowId, Transport};
use voip_core::redact::Secret;
use voip_core::sim::{LinkConfig, Network, Node, NodeId, NodeOutput, SimDatagram, StreamEvent, StreamId};
use voip_core::time::{ClockPair, WallTime};
use voip_sip::call::{CallEvent, CallKey};
use voip_sip::endpoint::{
    Answer, Endpoint, EndpointConfig, Event, Output, PeerConfig, PeerId, Query, ServerAddress, SessionTimerConfig,
    TlsProfile, UnknownSources,
};
use voip_sip::message::MessageLimits;
use voip_sip::transaction::TransactionConfig;
use voip_sip::transport::FlowsConfig;

pub struct Host {
    pub endpoint: Endpoint,
    pub ip: IpAddr,
    pub names: HashMap<String, Vec<IpAddr>>,
    pub log: Vec<(Duration, Event)>,
    pub events: VecDeque<Event>,
    start: Instant,
    udp: FlowId,
    listens: bool,
    streams: HashMap<StreamId, FlowId>,
    flows: HashMap<FlowId, StreamId>,
    outputs: VecDeque<NodeOutput>,
    timeout: Option<Instant>,
}

impl Host {
    pub fn new(start: Instant, ip: &str, seed: u64, change: impl FnOnce(&mut EndpointConfig)) -> Self {
        let ip: IpAddr = ip.parse().expect("hosts of a test have addresses");
        let mut config = EndpointConfig {
            user_agent: "test".into(),
            addresses: AddressPolicy::default(),
            unknown_sources: UnknownSources::Ignore,
            message_limits: MessageLimits::default(),
            max_calls: 1000,
            clock: ClockPair { instant: start, wall: WallTime::from_unix(Duration::from_secs(1_795_000_000)) },
            transactions: TransactionConfig::default(),
            flows: FlowsConfig::default(),
            trace: false,
        };
        change(&mut config);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut endpoint = Endpoint::new(config, bytes);
        let udp = endpoint.bind_udp(SocketAddr::new(ip, 5060));
        endpoint.listen(Transport::Tcp, SocketAddr::new(ip, 5060));
        Self {
            endpoint,
            ip,
            names: HashMap::new(),
            log: Vec::new(),
            events: VecDeque::new(),
            start,
            udp,
            listens: true,
            streams: HashMap::new(),
            flows: HashMap::new(),
            outputs: VecDeque::new(),
            timeout: None,
        }
    }

    pub fn peer(&mut self, host: &str, transport: Transport, change: impl FnOnce(&mut PeerConfig)) -> PeerId {
        let identify = host.parse::<IpAddr>().map(|ip| vec![ip.into()]).unwrap_or_default();
        let mut config = PeerConfig {
            name: host.into(),
            servers: vec![ServerAddress { host: host.into(), port: Some(5060), transport }],
            credentials: None,
            identify,
            challenge: false,
            tls: TlsProfile(0),
            session_timer: SessionTimerConfig::default(),
            contact_user: None,
            qualify_interval: None,
        };
        change(&mut config);
        self.endpoint.add_peer(config)
    }

    /// Whether the host still accepts connections.
    pub fn set_listening(&mut self, listens: bool) {
        self.listens = listens;
    }

    /// Takes the outputs of the endpoint apart.
    pub fn drain(&mut self, now: Instant) {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit(transmit) if transmit.flow == self.udp => {
                    let source = SocketAddr::new(self.ip, 5060);
                    let datagram = SimDatagram { source, destination: transmit.remote, payload: transmit.payload };
                    self.outputs.push_back(NodeOutput::Datagram(datagram));
                }
                Output::Transmit(transmit) => {
                    if let Some(stream) = self.flows.get(&transmit.flow) {
                        self.outputs.push_back(NodeOutput::Data(*stream, transmit.payload));
                    }
                }
                Output::Connect(connect) => self.outputs.push_back(NodeOutput::Connect {
                    tag: connect.flow.0,
                    transport: connect.transport,
                    source: self.ip,
                    destination: connect.remote,
                }),
                Output::Close(flow) => {
                    if let Some(stream) = self.flows.remove(&flow) {
                        self.streams.remove(&stream);
                        self.outputs.push_back(NodeOutput::Close(stream));
                    }
                }
                Output::Resolve(id, query) => {
                    let answer = match query {
                        Query::Srv(_) => Answer::Srv(vec![]),
                        Query::Addresses(name) => Answer::Addresses(self.names.get(&name).cloned().unwrap_or_default()),
                    };
                    self.endpoint.handle_resolved(now, id, answer);
                }
                Output::Event(event) => {
                    self.log.push((now - self.start, event.clone()));
                    self.events.push_back(event);
                }
                Output::Timeout(at) => {
                    self.timeout = at;
                    return;
                }
            }
        }
    }

    /// The next call event.
    pub fn next_call_event(&mut self) -> Option<(CallKey, CallEvent)> {
        while let Some(event) = self.events.pop_front() {
            if let Event::Call(key, event) = event {
                return Some((key, event));
            }
        }
        None
    }
}

impl Node for Host {
    fn addresses(&self) -> Vec<IpAddr> {
        vec![self.ip]
    }
    fn listens(&self, transport: Transport, destination: SocketAddr) -> bool {
        self.listens && transport == Transport::Tcp && destination.port() == 5060
    }
    fn handle_datagram(&mut self, now: Instant, datagram: SimDatagram) {
        self.endpoint.handle_datagram(now, self.udp, datagram.source, datagram.payload);
        self.drain(now);
    }
    fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Accepted { transport, local, remote } => {
                match self.endpoint.handle_accepted(now, transport, local, remote) {
                    Some(flow) => {
                        self.streams.insert(stream, flow);
                        self.flows.insert(flow, stream);
                    }
                    None => self.outputs.push_back(NodeOutput::Close(stream)),
                }
            }
            StreamEvent::Connected { tag, local } => {
                self.streams.insert(stream, FlowId(tag));
                self.flows.insert(FlowId(tag), stream);
                self.endpoint.handle_connected(now, FlowId(tag), local);
            }
            StreamEvent::Refused { tag } => self.endpoint.handle_closed(now, FlowId(tag), "refused"),
            StreamEvent::Data(data) => {
                if let Some(flow) = self.streams.get(&stream) {
                    self.endpoint.handle_stream(now, *flow, &data);
                }
            }
            StreamEvent::Closed => {
                if let Some(flow) = self.streams.remove(&stream) {
                    self.flows.remove(&flow);
                    self.endpoint.handle_closed(now, flow, "closed");
                }
            }
        }
        self.drain(now);
    }
    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.drain(now);
    }
    fn poll_output(&mut self, now: Instant) -> Option<NodeOutput> {
        self.drain(now);
        self.outputs.pop_front()
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }
}

/// Two endpoints that know each other by address.
pub struct World {
    pub net: Network<Host>,
    pub a: NodeId,
    pub b: NodeId,
    pub peer_b: PeerId,
    pub peer_a: PeerId,
}

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of virtual time")]
pub fn origin() -> Instant {
    Instant::now()
}

impl World {
    pub fn new(seed: u64, transport: Transport, link: LinkConfig) -> Self {
        Self::with(seed, transport, link, |_| {}, |_| {})
    }

    pub fn with(
        seed: u64,
        transport: Transport,
        link: LinkConfig,
        change_a: impl FnOnce(&mut PeerConfig),
        change_b: impl FnOnce(&mut PeerConfig),
    ) -> Self {
        let start = origin();
        let mut a = Host::new(start, "10.0.0.1", seed, |_| {});
        let mut b = Host::new(start, "10.0.0.2", seed + 1_000_000, |_| {});
        let peer_b = a.peer("10.0.0.2", transport, change_b);
        let peer_a = b.peer("10.0.0.1", transport, change_a);
        let mut net = Network::new(start, seed, link);
        let a = net.add("a", a);
        let b = net.add("b", b);
        Self { net, a, b, peer_b, peer_a }
    }

    /// Acts on one endpoint at the current instant.
    pub fn act<T>(&mut self, node: NodeId, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let now = self.net.now();
        let host = self.net.node_mut(node);
        let result = act(&mut host.endpoint, now);
        host.drain(now);
        result
    }

    /// Runs until the node tells a call event, and takes it.
    pub fn event(&mut self, node: NodeId) -> (CallKey, CallEvent) {
        let mut found = None;
        self.net.run_until(Duration::from_secs(400), |net| {
            found = net.node_mut(node).next_call_event();
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no event came\n{}", self.net.trace()))
    }

    /// Lets everything that waits for a timer run out, then both ends must hold nothing.
    pub fn assert_empty(&mut self) {
        self.net.run_for(Duration::from_secs(400));
        for node in [self.a, self.b] {
            let counters = self.net.node(node).endpoint.counters();
            let held = (counters.calls, counters.dialogs, counters.transactions);
            assert_eq!(held, (0, 0, 0), "node {node:?} holds calls, dialogs or transactions\n{}", self.net.trace());
            assert!(self.net.node(node).endpoint.is_idle());
        }
    }
}

pub fn sdp(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

pub fn credentials(user: &str, password: &str) -> Option<(String, Secret)> {
    Some((user.to_owned(), Secret::new(password)))
}
