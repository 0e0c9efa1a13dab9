//! A gateway's core in virtual time, between a carrier and an agent that do what a test tells them.
#![allow(dead_code, unreachable_pub, reason = "each test target uses its own part")]

pub mod gateway;
pub mod media;
pub mod peer;

use gateway::GatewayNode;
use peer::{Dialog, Peer};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use voip::observe::record::CallRecord;
use voip_core::net::Transport;
use voip_core::sim::{LinkConfig, Network, Node, NodeId, NodeOutput, SimDatagram, StreamEvent, StreamId};
use voip_sip::message::{Request, Response};

/// The gateway's number for the carrier, and where it goes.
pub const NUMBER: &str = "+74951234567";
pub const GATEWAY: &str = "10.0.0.1";
pub const CARRIER: &str = "10.0.0.2";
pub const AGENT: &str = "10.0.0.3";

/// What stands in the network.
#[expect(clippy::large_enum_variant, reason = "a test has three of them")]
pub enum Party {
    Gateway(GatewayNode),
    Peer(Peer),
}

macro_rules! delegate {
    ($self:ident, $party:ident => $call:expr) => {
        match $self {
            Party::Gateway($party) => $call,
            Party::Peer($party) => $call,
        }
    };
}

impl Node for Party {
    fn addresses(&self) -> Vec<IpAddr> {
        delegate!(self, party => party.addresses())
    }
    fn listens(&self, _transport: Transport, _destination: std::net::SocketAddr) -> bool {
        false
    }
    fn handle_datagram(&mut self, now: Instant, datagram: SimDatagram) {
        delegate!(self, party => party.handle_datagram(now, datagram));
    }
    fn handle_stream(&mut self, _now: Instant, _stream: StreamId, _event: StreamEvent) {}
    fn handle_timeout(&mut self, now: Instant) {
        delegate!(self, party => party.handle_timeout(now));
    }
    fn poll_output(&mut self, now: Instant) -> Option<NodeOutput> {
        delegate!(self, party => party.poll_output(now))
    }
    fn poll_timeout(&self) -> Option<Instant> {
        delegate!(self, party => party.poll_timeout())
    }
}

pub struct World {
    pub net: Network<Party>,
    pub gateway: NodeId,
    pub carrier: NodeId,
    pub agent: NodeId,
}

/// A call that is up: the carrier's view and the agent's view of its dialogs.
pub struct Up {
    pub carrier: Dialog,
    pub agent: Dialog,
}

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of virtual time")]
fn origin() -> Instant {
    Instant::now()
}

impl World {
    pub fn new() -> Self {
        Self::with(1, LinkConfig::default(), "", "", "")
    }

    /// `gateway`, `mango` and `rest`: further lines for `[gateway]`, for `[trunk.mango]`, and after everything.
    pub fn with(seed: u64, link: LinkConfig, gateway: &str, mango: &str, rest: &str) -> Self {
        let start = origin();
        let config = format!(
            r#"
            [gateway]
            user_agent = "voip"
            {gateway}
            [[listen]]
            transport = "udp"
            bind = "{GATEWAY}:5060"
            [trunk.mango]
            server = "sip:{CARRIER}"
            identify = ["{CARRIER}"]
            username = "eleven"
            number_format = "digits"
            called_number_from = ["diversion", "to", "request-uri"]
            {mango}
            [trunk.elevenlabs]
            server = "sip:{AGENT}"
            identify = ["{AGENT}"]
            username = "user"
            password = "secret"
            [[route]]
            from = "mango"
            to = "elevenlabs"
            number = "{NUMBER}"
            ring_timeout = 60
            [[route]]
            from = "elevenlabs"
            to = "mango"
            {rest}
            "#
        );
        let mut net = Network::new(start, seed, link);
        let gateway = net.add("gateway", Party::Gateway(GatewayNode::new(start, GATEWAY, seed, &config)));
        let carrier = net.add("carrier", Party::Peer(Peer::new(CARRIER, "carrier")));
        let agent = net.add("agent", Party::Peer(Peer::new(AGENT, "agent")));
        Self { net, gateway, carrier, agent }
    }

    pub fn gateway(&mut self) -> &mut GatewayNode {
        match self.net.node_mut(self.gateway) {
            Party::Gateway(gateway) => gateway,
            Party::Peer(_) => unreachable!("the gateway is the gateway"),
        }
    }

    pub fn peer(&mut self, node: NodeId) -> &mut Peer {
        match self.net.node_mut(node) {
            Party::Peer(peer) => peer,
            Party::Gateway(_) => unreachable!("a peer is no gateway"),
        }
    }

    pub fn run(&mut self, duration: Duration) {
        self.net.run_for(duration);
    }

    /// Runs until `node` has received a request of `method`, and takes it.
    pub fn request(&mut self, node: NodeId, method: &str) -> Request {
        let mut found = None;
        self.net.run_until(Duration::from_secs(200), |net| {
            if let Party::Peer(peer) = net.node_mut(node) {
                found = peer.take_request(method);
            }
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no {method} came\n{}", self.net.trace()))
    }

    /// Runs until `node` has received a response with `status`, and takes it.
    pub fn response(&mut self, node: NodeId, status: u16) -> Response {
        let mut found = None;
        self.net.run_until(Duration::from_secs(200), |net| {
            if let Party::Peer(peer) = net.node_mut(node) {
                found = peer.take_response(status);
            }
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no {status} came\n{}", self.net.trace()))
    }

    /// The carrier calls; `change` may alter its INVITE.
    pub fn invite(&mut self, change: impl FnOnce(&mut Request)) -> Request {
        let now = self.net.now();
        let node = self.carrier;
        let peer = self.peer(node);
        let mut request = peer.invite(GATEWAY, "74951234567", "79260577653");
        change(&mut request);
        peer.send(now, GATEWAY, request.clone());
        request
    }

    pub fn respond(&mut self, node: NodeId, request: &Request, status: u16, sdp: Option<&str>) {
        let now = self.net.now();
        self.peer(node).respond(now, request, status, sdp);
    }

    pub fn send(&mut self, node: NodeId, request: Request) {
        let now = self.net.now();
        self.peer(node).send(now, GATEWAY, request);
    }

    /// A call from the carrier that the agent answers and the carrier acknowledges.
    pub fn call(&mut self) -> Up {
        let (carrier, agent) = (self.carrier, self.agent);
        let invite = self.invite(|_| {});
        let to_agent = self.request(agent, "INVITE");
        self.respond(agent, &to_agent, 180, None);
        self.response(carrier, 180);
        self.answer(&invite, &to_agent)
    }

    /// The same without a 180, which is lost with its datagram.
    pub fn call_at_once(&mut self) -> Up {
        let agent = self.agent;
        let invite = self.invite(|_| {});
        let to_agent = self.request(agent, "INVITE");
        self.answer(&invite, &to_agent)
    }

    /// The agent answers what reached it of the carrier's `invite`.
    pub fn answer(&mut self, invite: &Request, to_agent: &Request) -> Up {
        let (carrier, agent) = (self.carrier, self.agent);
        let answer = peer::sdp(AGENT, 20_000, "8", "sendrecv");
        self.respond(agent, to_agent, 200, Some(&answer));
        let ok = self.response(carrier, 200);
        let caller = Dialog::of_caller(invite, &ok);
        let now = self.net.now();
        let ack = caller.ack();
        self.peer(carrier).acknowledge(now, GATEWAY, ack);
        self.request(agent, "ACK");
        let tag = self.peer(agent).tag_of(to_agent);
        Up { carrier: caller, agent: Dialog::of_callee(to_agent, &tag) }
    }

    /// The records of calls that are over.
    pub fn records(&mut self) -> Vec<CallRecord> {
        self.gateway().records()
    }

    /// Runs until a call's record is written, and takes it.
    pub fn record(&mut self) -> CallRecord {
        let gateway = self.gateway;
        let mut found = None;
        self.net.run_until(Duration::from_secs(200), |net| {
            if let Party::Gateway(node) = net.node_mut(gateway) {
                found = node.records().pop();
            }
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no record came\n{}", self.net.trace()))
    }

    /// Lets every timer run out; then nothing may be held.
    pub fn assert_empty(&mut self) {
        self.net.run_for(Duration::from_secs(400));
        let trace = self.net.trace().to_string();
        let gateway = self.gateway();
        let counters = gateway.core.endpoint().counters();
        let held = (gateway.core.bridged_calls(), counters.calls, counters.dialogs, counters.transactions);
        assert_eq!(held, (0, 0, 0, 0), "bridges, calls, dialogs, transactions are held\n{trace}");
        assert_eq!(gateway.core.media().open_calls(), 0, "media is held\n{trace}");
        assert!(gateway.core.endpoint().is_idle(), "something is under way\n{trace}");
    }
}
