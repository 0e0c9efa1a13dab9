//! Whole exchanges between two transaction tables over a link that loses, duplicates and reorders.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use voip_core::net::{FlowId, Transport};
use voip_core::sim::{LinkConfig, Network, Node, NodeId, NodeOutput, SimDatagram, StreamEvent, StreamId};
use voip_sip::message::{HeaderName, Message, MessageLimits, Method, Request, Response};
use voip_sip::transaction::{
    CancelOutcome, ClientKey, RequestMatch, Retransmit2xx, ServerKey, TransactionConfig, TransactionEvent,
    Transactions, trying,
};
use voip_sip::transport::{Path, via};

/// A user agent of transactions alone: answers every INVITE with `answer` (or lets it ring), all else with 200.
struct Agent {
    address: SocketAddr,
    transactions: Transactions,
    answer: Option<u16>,
    accepted: Option<Retransmit2xx>,
    ringing: Option<(ServerKey, Request)>,
    finals: Vec<u16>,
    timeouts: usize,
    requests: Vec<Method>,
    direct: Vec<SimDatagram>,
    branches: u32,
}

impl Agent {
    fn new(address: &str, answer: Option<u16>) -> Self {
        Self {
            address: address.parse().unwrap(),
            transactions: Transactions::new(TransactionConfig::default()),
            answer,
            accepted: None,
            ringing: None,
            finals: vec![],
            timeouts: 0,
            requests: vec![],
            direct: vec![],
            branches: 0,
        }
    }

    fn path(&self, remote: SocketAddr) -> Path {
        Path { flow: FlowId(0), transport: Transport::Udp, remote, local: self.address }
    }

    fn request(&mut self, method: Method, number: u32) -> Request {
        self.branches += 1;
        let mut request = Request::new(method.clone(), "sip:bob@10.0.0.2".parse().unwrap());
        let via = format!("SIP/2.0/UDP {};branch=z9hG4bK{};rport", self.address, self.branches);
        request.headers.push(HeaderName::Via, via);
        request.headers.push(HeaderName::From, "<sip:alice@10.0.0.1>;tag=a");
        request.headers.push(HeaderName::To, "<sip:bob@10.0.0.2>");
        request.headers.push(HeaderName::CallId, "call");
        request.headers.push(HeaderName::CSeq, format!("{number} {method}"));
        request
    }

    fn send(&mut self, now: Instant, method: Method, number: u32, remote: &str) -> ClientKey {
        let request = self.request(method, number);
        self.transactions.send_request(now, request, self.path(remote.parse().unwrap())).unwrap()
    }

    fn acknowledge(&mut self, response: &Response, remote: SocketAddr) {
        if response.is_success() && response.headers.value(&HeaderName::CSeq).unwrap() == "1 INVITE" {
            let payload = self.request(Method::Ack, 1).to_bytes();
            self.direct.push(SimDatagram { source: self.address, destination: remote, payload });
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.transactions.poll_event() {
            match event {
                TransactionEvent::Response { response, path, .. } => {
                    self.acknowledge(&response, path.remote);
                    if !response.is_provisional() {
                        self.finals.push(response.status);
                    }
                }
                TransactionEvent::Stray { response, path } => self.acknowledge(&response, path.remote),
                TransactionEvent::ClientTimeout { .. } | TransactionEvent::ServerTimeout { .. } => self.timeouts += 1,
                TransactionEvent::ClientTransportError { .. }
                | TransactionEvent::ServerTransportError { .. }
                | TransactionEvent::ClientTerminated { .. }
                | TransactionEvent::ServerTerminated { .. } => {}
            }
        }
    }

    fn handle_request(&mut self, now: Instant, mut request: Request, source: SocketAddr) {
        via::stamp(&mut request, source).unwrap();
        match self.transactions.handle_request(now, &request, self.path(source)) {
            RequestMatch::New(key) if request.method == Method::Invite => {
                self.requests.push(Method::Invite);
                self.transactions.respond(now, key, &trying(&request));
                self.transactions.respond(now, key, &request.response(180, Some("b")));
                let Some(status) = self.answer else {
                    self.ringing = Some((key, request));
                    return;
                };
                let response = request.response(status, Some("b"));
                self.transactions.respond(now, key, &response);
                if response.is_success() {
                    let path = self.transactions.response_path(key).unwrap();
                    let config = *self.transactions.config();
                    self.accepted = Some(Retransmit2xx::new(now, path, response.to_bytes(), config));
                }
            }
            RequestMatch::New(key) => {
                self.requests.push(request.method.clone());
                self.transactions.respond(now, key, &request.response(200, Some("b")));
            }
            RequestMatch::AckFor2xx => {
                if self.accepted.as_mut().is_some_and(Retransmit2xx::handle_ack) {
                    self.requests.push(Method::Ack);
                }
            }
            RequestMatch::Cancel { invite, cancel } => {
                self.requests.push(Method::Cancel);
                self.transactions.respond(now, cancel, &request.response(200, Some("b")));
                let (key, ringing) = self.ringing.take().unwrap();
                assert_eq!(invite, Some(key));
                self.transactions.respond(now, key, &ringing.response(487, Some("b")));
            }
            RequestMatch::Retransmission(_) | RequestMatch::Ack(_) => {}
            other @ (RequestMatch::Merged(_) | RequestMatch::Shed | RequestMatch::Malformed(_)) => panic!("{other:?}"),
        }
    }

    /// Whether nothing is left of any exchange.
    fn is_quiet(&self) -> bool {
        self.transactions.is_empty() && self.poll_timeout().is_none()
    }
}

impl Node for Agent {
    fn addresses(&self) -> Vec<IpAddr> {
        vec![self.address.ip()]
    }
    fn listens(&self, _: Transport, _: SocketAddr) -> bool {
        false
    }
    fn handle_datagram(&mut self, now: Instant, datagram: SimDatagram) {
        match Message::parse(datagram.payload, &MessageLimits::default()).unwrap() {
            Message::Request(request) => self.handle_request(now, request, datagram.source),
            Message::Response(response) => {
                self.transactions.handle_response(now, response, self.path(datagram.source));
            }
        }
        self.drain_events();
    }
    fn handle_stream(&mut self, _: Instant, _: StreamId, _: StreamEvent) {}
    fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        if let Some(accepted) = &mut self.accepted {
            accepted.handle_timeout(now);
            self.timeouts += usize::from(accepted.poll_event().is_some());
        }
        self.drain_events();
    }
    fn poll_output(&mut self, _: Instant) -> Option<NodeOutput> {
        let send = |t: voip_core::net::Transmit| (t.remote, t.payload);
        let transmit = self.transactions.poll_transmit().map(send);
        let transmit = transmit.or_else(|| self.accepted.as_mut()?.poll_transmit().map(send));
        let source = self.address;
        let datagram = |(destination, payload): (SocketAddr, Bytes)| SimDatagram { source, destination, payload };
        transmit.map(datagram).or_else(|| self.direct.pop()).map(NodeOutput::Datagram)
    }
    fn poll_timeout(&self) -> Option<Instant> {
        let accepted = self.accepted.as_ref().and_then(Retransmit2xx::poll_timeout);
        [self.transactions.poll_timeout(), accepted].into_iter().flatten().min()
    }
}

const CALLER: &str = "10.0.0.1:5060";
const CALLEE: &str = "10.0.0.2:5060";

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn pair(seed: u64, link: LinkConfig, answer: Option<u16>) -> (Network<Agent>, NodeId, NodeId) {
    let mut network = Network::new(Instant::now(), seed, link);
    let caller = network.add("caller", Agent::new(CALLER, None));
    let callee = network.add("callee", Agent::new(CALLEE, answer));
    (network, caller, callee)
}

fn lossy() -> LinkConfig {
    let (latency, jitter) = (Duration::from_millis(40), Duration::from_millis(60));
    LinkConfig { latency, jitter, loss: 0.3, duplication: 0.05, ..LinkConfig::default() }
}

/// Runs until nothing moves any more, and checks that nothing is left on either side.
fn settle(network: &mut Network<Agent>, nodes: [NodeId; 2]) {
    network.run_for(Duration::from_secs(600));
    for node in nodes {
        assert!(network.node(node).is_quiet(), "something is left\n{}", network.trace());
    }
}

fn send(network: &mut Network<Agent>, from: NodeId, method: Method, number: u32) -> ClientKey {
    let now = network.now();
    network.node_mut(from).send(now, method, number, CALLEE)
}

#[test]
fn invite_200_ack_bye_survive_thirty_percent_loss() {
    for seed in 0..40 {
        let (mut network, caller, callee) = pair(seed, lossy(), Some(200));
        send(&mut network, caller, Method::Invite, 1);
        let acknowledged = network.run_until(Duration::from_secs(32), |network| {
            let callee = network.node(callee);
            callee.requests == [Method::Invite, Method::Ack] && callee.accepted.as_ref().unwrap().is_done()
        });
        assert!(acknowledged, "no ACK\n{}", network.trace());
        send(&mut network, caller, Method::Bye, 2);
        settle(&mut network, [caller, callee]);
        assert_eq!(network.node(callee).requests, [Method::Invite, Method::Ack, Method::Bye], "{}", network.trace());
        let finals = &network.node(caller).finals;
        assert!(finals.iter().all(|status| *status == 200) && finals.len() >= 2, "{finals:?}\n{}", network.trace());
        assert_eq!(network.node(callee).timeouts + network.node(caller).timeouts, 0, "{}", network.trace());
    }
}

#[test]
fn a_refused_invite_is_told_once_and_leaves_nothing_under_loss() {
    for seed in 100..140 {
        let (mut network, caller, callee) = pair(seed, lossy(), Some(486));
        send(&mut network, caller, Method::Invite, 1);
        settle(&mut network, [caller, callee]);
        assert_eq!(network.node(caller).finals, [486], "{}", network.trace());
        assert_eq!(network.node(callee).requests, [Method::Invite]);
        assert_eq!(network.node(callee).timeouts, 0, "no ACK came\n{}", network.trace());
    }
}

#[test]
fn a_cancelled_invite_ends_with_487_under_loss() {
    for seed in 200..240 {
        let (mut network, caller, callee) = pair(seed, lossy(), None);
        let key = send(&mut network, caller, Method::Invite, 1);
        let now = network.now();
        let outcome = network.node_mut(caller).transactions.cancel(now, key, &[]);
        assert_eq!(outcome, CancelOutcome::HeldBack);
        settle(&mut network, [caller, callee]);
        assert_eq!(network.node(callee).requests, [Method::Invite, Method::Cancel], "{}", network.trace());
        assert_eq!(network.node(caller).finals, [487], "{}", network.trace());
    }
}

#[test]
fn a_2xx_is_repeated_until_64_t1_when_its_ack_never_comes() {
    let (mut network, caller, callee) = pair(1, LinkConfig::default(), Some(200));
    // Nothing comes back from the caller after its INVITE.
    send(&mut network, caller, Method::Invite, 1);
    network.run_until(Duration::from_secs(1), |network| !network.node(callee).requests.is_empty());
    network.set_link_one_way(caller, callee, LinkConfig { down: true, ..LinkConfig::default() });
    let start = network.elapsed();
    settle(&mut network, [caller, callee]);
    let repeated: Vec<u128> = network
        .trace()
        .entries()
        .iter()
        .filter(|entry| entry.from == callee && entry.summary() == "SIP/2.0 200 OK")
        .map(|entry| entry.at.duration_since(network.trace().entries()[0].at).as_millis())
        .collect();
    assert!(start < Duration::from_millis(10));
    // T1 doubled up to T2, each a latency of 1 ms later (RFC 3261 §13.3.1.4).
    assert_eq!(repeated, [1, 501, 1501, 3501, 7501, 11_501, 15_501, 19_501, 23_501, 27_501, 31_501]);
    assert_eq!(network.node(callee).timeouts, 1, "told once that no ACK came");
}

#[test]
fn nobody_there_ends_in_one_timeout() {
    for method in [Method::Invite, Method::Bye] {
        let (mut network, caller, callee) = pair(1, LinkConfig { down: true, ..LinkConfig::default() }, None);
        send(&mut network, caller, method, 1);
        settle(&mut network, [caller, callee]);
        assert_eq!((network.node(caller).timeouts, network.node(caller).finals.len()), (1, 0));
    }
}
