//! The facade: one machine that receives whatever the network brings and does what its user asks.
//!
//! It owns flows, transactions, calls, registrations and the screen that keeps strangers out. Rule of use: one input,
//! then [`Output`]s until [`Output::Timeout`]. What it wants from the world (connections, DNS) leaves as outputs and
//! comes back as inputs.
//!
//! | file | does |
//! |---|---|
//! | `receive` | from bytes to the transaction, dialog or peer that a message belongs to |
//! | `screen` | who a request comes from |
//! | `send` | requests on their way out: servers, targets, connections, credentials |
//! | `dress` | Via, Contact and the other headers that depend on the way a message goes |
//! | `calls` | what a user does with calls, and what calls want done |
//! | `peers` | registration and reachability of peers |

mod calls;
mod config;
mod dress;
mod output;
mod peers;
mod receive;
mod screen;
mod send;

pub use crate::call::{PeerId, SessionTimerConfig};
pub use calls::OutgoingCall;
pub use config::{EndpointConfig, PeerConfig, UnknownSources};
pub use output::{Connect, Event, Output, ResolveId, TracedMessage};
pub use peers::PeerStatus;
pub use receive::ReceiveCounters;

pub use crate::transport::{Answer, Query, ServerAddress, TlsProfile};

use crate::auth::{Credentials, DigestClient, DigestServer, DigestServerConfig};
use crate::call::CallKey;
use crate::dialog::DialogId;
use crate::transaction::{ClientKey, ServerKey, TransactionCounters, Transactions};
use crate::transport::{Flows, FlowsCounters, Path};
use bytes::Bytes;
use calls::CallEntry;
use peers::Peer;
use screen::Screen;
use send::{Sending, SendingId};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use voip_core::net::{FlowId, Transport};
use voip_core::rng::Rng;
use voip_core::time::Deadlines;

/// A SIP endpoint.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    rng: Rng,
    ids: u64,
    flows: Flows,
    transactions: Transactions,
    peers: Vec<Peer>,
    screen: Screen,
    digest_server: DigestServer,
    calls: HashMap<CallKey, CallEntry>,
    call_deadlines: Deadlines<CallKey>,
    dialogs: HashMap<DialogId, CallKey>,
    /// Which call a received request of its dialog belongs to, while that waits for an answer.
    by_server: HashMap<ServerKey, CallKey>,
    sendings: HashMap<SendingId, Sending>,
    by_client: HashMap<ClientKey, SendingId>,
    invites: HashMap<CallKey, SendingId>,
    resolving: HashMap<ResolveId, (SendingId, Query)>,
    connecting: HashMap<FlowId, Vec<SendingId>>,
    /// The tag of responses that are made without keeping anything.
    stateless_tag: String,
    counters: ReceiveCounters,
    outputs: VecDeque<Output>,
    /// New calls are taken.
    accepting: bool,
}

/// What an endpoint holds and has counted.
#[derive(Clone, Debug, Default)]
pub struct EndpointCounters {
    /// Calls that are not over.
    pub calls: usize,
    /// Transactions.
    pub transactions: usize,
    /// Dialogs.
    pub dialogs: usize,
    /// Stream connections.
    pub connections: usize,
    /// What was received.
    pub received: ReceiveCounters,
    /// What transactions counted.
    pub transaction: TransactionCounters,
    /// What flows counted.
    pub flows: FlowsCounters,
}

impl Endpoint {
    /// An endpoint without sockets, peers or calls. `seed` decides everything random.
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let mut rng = Rng::from_seed(seed);
        let digest = DigestServerConfig { realm: config.user_agent.clone(), ..DigestServerConfig::default() };
        Self {
            flows: Flows::new(config.flows),
            transactions: Transactions::new(config.transactions),
            peers: Vec::new(),
            screen: Screen::default(),
            digest_server: DigestServer::new(digest, &mut rng),
            calls: HashMap::new(),
            call_deadlines: Deadlines::default(),
            dialogs: HashMap::new(),
            by_server: HashMap::new(),
            sendings: HashMap::new(),
            by_client: HashMap::new(),
            invites: HashMap::new(),
            resolving: HashMap::new(),
            connecting: HashMap::new(),
            stateless_tag: rng.token(16),
            counters: ReceiveCounters::default(),
            outputs: VecDeque::new(),
            accepting: true,
            ids: 1,
            rng,
            config,
        }
    }

    /// Adds a peer.
    pub fn add_peer(&mut self, config: PeerConfig) -> PeerId {
        let id = PeerId(self.peers.len() as u32);
        self.screen.add(id, &config);
        let digest = config
            .credentials
            .as_ref()
            .map(|(username, password)| DigestClient::new(Credentials::new(username.clone(), password.clone())));
        self.peers.push(Peer::new(config, digest));
        id
    }

    /// A UDP socket was bound.
    pub fn bind_udp(&mut self, local: SocketAddr) -> FlowId {
        self.flows.add_udp(local)
    }

    /// A stream listener was bound.
    pub fn listen(&mut self, transport: Transport, local: SocketAddr) {
        self.flows.add_listener(transport, local);
    }

    /// A peer connected; `None`: a limit refuses it, close it at once.
    pub fn handle_accepted(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<FlowId> {
        let known = matches!(self.screen.source(remote.ip(), transport), screen::Source::Peer(_));
        let accepted = self.flows.accept(now, transport, local, remote, known);
        self.run(now);
        accepted
    }

    /// The connection that [`Output::Connect`] asked for is up.
    pub fn handle_connected(&mut self, now: Instant, flow: FlowId, local: SocketAddr) {
        self.flows.handle_connected(now, flow, local);
        self.flow_connected(now, flow);
        self.run(now);
    }

    /// A connection is gone, or could not be opened.
    pub fn handle_closed(&mut self, now: Instant, flow: FlowId, reason: &str) {
        match self.flows.remote(flow) {
            // Something waits for it: whoever runs this wants to know why it is not to be had.
            Some((transport, remote)) if self.connecting.contains_key(&flow) => {
                tracing::warn!(%remote, %transport, reason, "no connection");
            }
            Some((transport, remote)) => tracing::debug!(%flow, %remote, %transport, reason, "connection closed"),
            None => {}
        }
        self.flow_lost(now, flow);
        self.run(now);
    }

    pub(super) fn flow_lost(&mut self, now: Instant, flow: FlowId) {
        self.flows.remove(flow);
        self.transactions.handle_flow_failed(flow);
        self.flow_failed(now, flow);
        self.registrations_lost_flow(now, flow);
    }

    /// Closes connections that reached a time limit.
    fn flows_timeout(&mut self, now: Instant) {
        while let Some((flow, reason)) = self.flows.expire(now) {
            tracing::debug!(%flow, reason, "closing a connection");
            self.flow_lost(now, flow);
            self.outputs.push_back(Output::Close(flow));
        }
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant, flow: FlowId, remote: SocketAddr, payload: Bytes) {
        if let Some(path) = self.flows.datagram_path(flow, remote) {
            self.receive_message(now, path, payload);
        }
        self.run(now);
    }

    /// Bytes came on a stream.
    pub fn handle_stream(&mut self, now: Instant, flow: FlowId, bytes: &Bytes) {
        self.receive_stream(now, flow, bytes);
        self.run(now);
    }

    /// DNS answered.
    pub fn handle_resolved(&mut self, now: Instant, id: ResolveId, answer: Answer) {
        self.resolved(now, id, answer);
        self.run(now);
    }

    /// The instant of [`Output::Timeout`] has come. Calling it early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        while let Some(call) = self.call_deadlines.expire(now) {
            if let Some(entry) = self.calls.get_mut(&call) {
                entry.call.handle_timeout(now);
                self.drain_call(now, call);
            }
        }
        self.peers_timeout(now);
        self.flows_timeout(now);
        self.run(now);
    }

    /// The next thing to be done; [`Output::Timeout`] when there is nothing until then.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.next_timeout()))
    }

    /// When the endpoint wants to be called again, if nothing comes before.
    pub fn next_timeout(&self) -> Option<Instant> {
        [
            self.transactions.poll_timeout(),
            self.call_deadlines.next(),
            self.flows.poll_timeout(),
            self.peers_next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes no new calls from now on: they are answered 503.
    pub fn stop_accepting(&mut self) {
        self.accepting = false;
    }

    /// Whether nothing is under way: no call, no request waiting for its response. What transactions keep for
    /// retransmissions does not count.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.sendings.values().all(|sending| !sending.is_waiting())
    }

    /// What it holds and has counted.
    pub fn counters(&self) -> EndpointCounters {
        EndpointCounters {
            calls: self.calls.values().filter(|entry| !entry.call.is_over()).count(),
            transactions: self.transactions.len(),
            dialogs: self.dialogs.len(),
            connections: self.flows.connections(),
            received: self.counters.clone(),
            transaction: self.transactions.counters(),
            flows: self.flows.counters(),
        }
    }

    /// Does what has become due by the last input: every child is drained here, and nowhere else.
    fn run(&mut self, now: Instant) {
        while let Some(event) = self.transactions.poll_event() {
            self.transaction_event(now, event);
        }
        self.run_registrations(now);
        while let Some(event) = self.transactions.poll_event() {
            self.transaction_event(now, event);
        }
        while let Some(transmit) = self.transactions.poll_transmit() {
            self.push_transmit(transmit);
        }
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// This host's address as `remote` sees it, without and with NAT.
    fn addresses_towards(&self, transport: Transport, remote: SocketAddr) -> (IpAddr, IpAddr) {
        let bound = self.flows.bound_address(transport, remote).unwrap_or(match remote {
            SocketAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        });
        (self.config.addresses.local(bound, remote.ip()), self.config.addresses.advertised(bound, remote.ip()))
    }

    /// The path of a message that came by a flow, its own address as precise as it can be known.
    fn advertised_for(&self, path: Path) -> IpAddr {
        self.config.addresses.advertised(path.local.ip(), path.remote.ip())
    }
}
