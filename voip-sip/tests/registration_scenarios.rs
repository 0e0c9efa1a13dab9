//! Registrations of a whole endpoint at scripted registrars, in virtual time: a day without a gap, servers that are
//! gone and come back, and everything a registrar may ask for.

mod support;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use support::{Host, origin};
use voip_core::net::Transport;
use voip_core::redact::Secret;
use voip_core::rng::Rng;
use voip_core::sim::{LinkConfig, Network, Node, NodeId, NodeOutput, SimDatagram, StreamEvent, StreamId};
use voip_sip::auth::{Algorithm, Challenger, Credentials, DigestServer, DigestServerConfig, Verdict};
use voip_sip::call::CallEvent;
use voip_sip::endpoint::{Event, OutgoingCall, PeerId, ServerAddress};
use voip_sip::message::header::{Expires, MinExpires};
use voip_sip::message::{HeaderName, Message, MessageLimits, Method, Request, Response};
use voip_sip::registration::{RegistrationConfig, RegistrationState};
use voip_sip::transport::{Frame, StreamFramer, via};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A registrar that does what it is told.
struct Registrar {
    ip: IpAddr,
    start: Instant,
    /// It neither answers nor accepts connections.
    down: bool,
    grant: u32,
    least: u32,
    password: Secret,
    digest: Option<DigestServer>,
    /// Challenges are written as before RFC 2617.
    without_qop: bool,
    /// Statuses of the next answers, before anything else is looked at.
    script: VecDeque<u16>,
    /// When the binding ends.
    bound_until: Option<Instant>,
    /// Refreshes that came when the binding had ended.
    gaps: usize,
    /// When, the Expires asked for, the status of the answer.
    log: Vec<(Duration, u32, u16)>,
    invites: usize,
    streams: HashMap<StreamId, (StreamFramer, SocketAddr)>,
    outputs: VecDeque<NodeOutput>,
}

impl Registrar {
    fn new(start: Instant, ip: &str) -> Self {
        Self {
            ip: ip.parse().expect("registrars of a test have addresses"),
            start,
            down: false,
            grant: 120,
            least: 0,
            password: Secret::new("pw"),
            digest: None,
            without_qop: false,
            script: VecDeque::new(),
            bound_until: None,
            gaps: 0,
            log: Vec::new(),
            invites: 0,
            streams: HashMap::new(),
            outputs: VecDeque::new(),
        }
    }

    fn challenging(mut self, algorithm: Algorithm, without_qop: bool) -> Self {
        let config = DigestServerConfig { algorithms: vec![algorithm], ..DigestServerConfig::default() };
        self.digest = Some(DigestServer::new(config, &mut Rng::from_number(7)));
        self.without_qop = without_qop;
        self
    }

    fn receive(&mut self, now: Instant, source: SocketAddr, message: bytes::Bytes) -> Option<Response> {
        let Ok(Message::Request(mut request)) = Message::parse(message, &MessageLimits::default()) else { return None };
        via::stamp(&mut request, source).expect("the endpoint writes Via");
        if request.method == Method::Register {
            return Some(self.register(now, &request));
        }
        if request.method != Method::Invite {
            return None;
        }
        self.invites += 1;
        Some(request.response(486, Some("registrar")))
    }

    fn register(&mut self, now: Instant, request: &Request) -> Response {
        let asked = request.headers.required::<Expires>().expect("a REGISTER says for how long").0;
        let response = self.judge(now, request, asked);
        self.log.push((now - self.start, asked, response.status));
        response
    }

    fn judge(&mut self, now: Instant, request: &Request, asked: u32) -> Response {
        let answer = |status| request.response(status, Some("registrar"));
        if let Some(status) = self.script.pop_front() {
            return answer(status);
        }
        if let Some(digest) = &mut self.digest {
            let password = &self.password;
            let verdict = digest.verify(now, request, Challenger::UserAgent, |_| Some(password));
            if !matches!(verdict, Verdict::Accepted { .. }) {
                let mut response = answer(401);
                digest.challenge(now, Challenger::UserAgent, verdict == Verdict::Stale, &mut response);
                if self.without_qop {
                    let value = response.headers.value(&HeaderName::WwwAuthenticate).expect("a challenge").to_string();
                    assert!(value.contains(", qop=\"auth\""), "{value}");
                    let value = value.replace(", qop=\"auth\"", "");
                    response.headers.set(HeaderName::WwwAuthenticate, value.as_str());
                }
                return response;
            }
        }
        if asked > 0 && asked < self.least {
            let mut response = answer(423);
            response.headers.push_typed(&MinExpires(self.least));
            return response;
        }
        let mut response = answer(200);
        if asked == 0 {
            self.bound_until = None;
            return response;
        }
        if self.bound_until.is_some_and(|until| until < now) {
            self.gaps += 1;
        }
        let granted = asked.min(self.grant.max(self.least));
        self.bound_until = Some(now + Duration::from_secs(granted.into()));
        let contact = request.headers.value(&HeaderName::Contact).expect("a REGISTER has a Contact").to_string();
        let contact = format!("<sip:eleven@192.0.2.200>;expires=3600, {contact};expires={granted}");
        response.headers.push(HeaderName::Contact, contact.as_str());
        response
    }

    fn statuses(&self) -> Vec<u16> {
        self.log.iter().map(|(_, _, status)| *status).collect()
    }
}

/// Whatever takes part.
enum Part {
    Host(Box<Host>),
    Registrar(Box<Registrar>),
}

impl Part {
    fn host(&mut self) -> &mut Host {
        match self {
            Self::Host(host) => host,
            Self::Registrar(_) => panic!("not a host"),
        }
    }

    fn registrar(&mut self) -> &mut Registrar {
        match self {
            Self::Registrar(registrar) => registrar,
            Self::Host(_) => panic!("not a registrar"),
        }
    }

    fn node(&self) -> &dyn Node {
        match self {
            Self::Host(host) => host.as_ref(),
            Self::Registrar(registrar) => registrar.as_ref(),
        }
    }

    fn node_mut(&mut self) -> &mut dyn Node {
        match self {
            Self::Host(host) => host.as_mut(),
            Self::Registrar(registrar) => registrar.as_mut(),
        }
    }
}

impl Node for Part {
    fn addresses(&self) -> Vec<IpAddr> {
        self.node().addresses()
    }
    fn listens(&self, transport: Transport, destination: SocketAddr) -> bool {
        self.node().listens(transport, destination)
    }
    fn handle_datagram(&mut self, now: Instant, datagram: SimDatagram) {
        self.node_mut().handle_datagram(now, datagram);
    }
    fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent) {
        self.node_mut().handle_stream(now, stream, event);
    }
    fn handle_timeout(&mut self, now: Instant) {
        self.node_mut().handle_timeout(now);
    }
    fn poll_output(&mut self, now: Instant) -> Option<NodeOutput> {
        self.node_mut().poll_output(now)
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.node().poll_timeout()
    }
}

impl Node for Registrar {
    fn addresses(&self) -> Vec<IpAddr> {
        vec![self.ip]
    }
    fn listens(&self, _: Transport, destination: SocketAddr) -> bool {
        !self.down && destination.port() == 5060
    }
    fn handle_datagram(&mut self, now: Instant, datagram: SimDatagram) {
        if self.down {
            return;
        }
        if let Some(response) = self.receive(now, datagram.source, datagram.payload) {
            self.outputs.push_back(NodeOutput::Datagram(SimDatagram {
                source: datagram.destination,
                destination: datagram.source,
                payload: response.to_bytes(),
            }));
        }
    }
    fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Accepted { remote, .. } => {
                self.streams.insert(stream, (StreamFramer::new(MessageLimits::default()), remote));
            }
            StreamEvent::Data(data) => {
                let Some((mut framer, remote)) = self.streams.remove(&stream) else { return };
                framer.push(&data);
                while let Ok(Some(frame)) = framer.next_frame() {
                    if let Frame::Message(message) = frame
                        && let Some(response) = self.receive(now, remote, message)
                    {
                        self.outputs.push_back(NodeOutput::Data(stream, response.to_bytes()));
                    }
                }
                self.streams.insert(stream, (framer, remote));
            }
            StreamEvent::Closed => {
                self.streams.remove(&stream);
            }
            StreamEvent::Connected { .. } | StreamEvent::Refused { .. } => {}
        }
    }
    fn handle_timeout(&mut self, _: Instant) {}
    fn poll_output(&mut self, _: Instant) -> Option<NodeOutput> {
        self.outputs.pop_front()
    }
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

struct Scene {
    net: Network<Part>,
    host: NodeId,
    registrars: Vec<NodeId>,
    peer: PeerId,
}

impl Scene {
    /// A host that begins to register at registrars of 10.0.0.11 and up, the first preferred.
    fn new(transport: Transport, link: LinkConfig, count: u8, prepare: impl Fn(usize, Registrar) -> Registrar) -> Self {
        let start = origin();
        let server = |i: u8| ServerAddress { host: format!("10.0.0.{}", 11 + i), port: Some(5060), transport };
        let servers: Vec<ServerAddress> = (0..count).map(server).collect();
        let mut host = Host::new(start, "10.0.0.1", 3, |_| {});
        let peer = host.peer("10.0.0.11", transport, |config| {
            config.servers.clone_from(&servers);
            config.contact_user = Some("eleven".into());
        });
        let mut net = Network::new(start, 3, link);
        let config = RegistrationConfig {
            servers: servers.clone(),
            user: "eleven".into(),
            domain: Some("example.com".into()),
            credentials: Some(Credentials::new("eleven", Secret::new("pw"))),
            expires: 120,
            retry_interval: 60 * SECOND,
            forbidden_retry_interval: 600 * SECOND,
        };
        host.endpoint.register(start, peer, config);
        host.drain(start);
        let host = net.add("host", Part::Host(Box::new(host)));
        let registrars = servers.iter().enumerate().map(|(index, server)| {
            let registrar = prepare(index, Registrar::new(start, &server.host));
            net.add(&format!("registrar {index}"), Part::Registrar(Box::new(registrar)))
        });
        let registrars = registrars.collect();
        Self { net, host, registrars, peer }
    }

    fn one(transport: Transport, prepare: impl Fn(Registrar) -> Registrar) -> Self {
        Self::new(transport, LinkConfig::default(), 1, |_, registrar| prepare(registrar))
    }

    fn registrar(&mut self, index: usize) -> &mut Registrar {
        self.net.node_mut(self.registrars[index]).registrar()
    }

    fn state(&mut self) -> RegistrationState {
        self.status().state
    }

    fn status(&mut self) -> voip_sip::registration::RegistrationStatus {
        let (now, peer) = (self.net.now(), self.peer);
        self.net.node_mut(self.host).host().endpoint.peer_status(now, peer).registration.expect("it was begun")
    }

    fn run_until_state(&mut self, limit: Duration, state: RegistrationState) {
        let (host, peer) = (self.host, self.peer);
        let reached = self.net.run_until(limit, |net| {
            let now = net.now();
            let status = net.node_mut(host).host().endpoint.peer_status(now, peer);
            status.registration.is_some_and(|registration| registration.state == state)
        });
        assert!(reached, "never {state}\n{}", self.net.trace());
    }

    fn down(&mut self, index: usize, down: bool) {
        self.registrar(index).down = down;
        if down {
            let node = self.registrars[index];
            self.net.cut_streams(node);
        }
    }
}

#[test]
fn a_day_of_refreshes_has_no_gap() {
    let lossy = LinkConfig { loss: 0.05, jitter: Duration::from_millis(30), ..LinkConfig::default() };
    for (transport, link) in [(Transport::Udp, lossy), (Transport::Tcp, LinkConfig::default())] {
        let mut scene = Scene::new(transport, link, 1, |_, r| r.challenging(Algorithm::MD5, false));
        scene.net.run_for(60 * SECOND);
        assert_eq!(scene.state(), RegistrationState::Registered);
        scene.net.run_for(24 * HOUR);
        let now = scene.net.now();
        let status = scene.status();
        assert!(status.registered_for.unwrap() >= 24 * HOUR, "{transport} {status:?}");
        let registrar = scene.registrar(0);
        assert_eq!(registrar.gaps, 0, "{transport}");
        assert!(registrar.bound_until.unwrap() > now);
        // A refresh each 60 to 90 s, every few of them with a stale nonce, some of them retransmitted.
        assert!((960..2600).contains(&registrar.log.len()), "{transport} {}", registrar.log.len());
        let counters = scene.net.node_mut(scene.host).host().endpoint.counters();
        assert!(counters.transactions <= 2 && counters.connections <= 1, "{counters:?}");
    }
}

#[test]
fn a_registrar_that_is_gone_for_an_hour_is_found_again() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut scene = Scene::one(transport, |r| r);
        scene.net.run_for(600 * SECOND);
        scene.down(0, true);
        scene.net.run_for(HOUR);
        assert_ne!(scene.state(), RegistrationState::Registered);
        assert_eq!(scene.status().registered_for, None);
        let words = scene.status().last_failure.unwrap();
        assert!(["no response", "no connection"].contains(&words.as_str()), "{words}");
        scene.down(0, false);
        // Back-off is five minutes at the most, and a request may be under way for 32 s.
        scene.run_until_state(340 * SECOND, RegistrationState::Registered);
        assert_eq!(scene.status().last_failure, None);
    }
}

#[test]
fn a_connection_that_breaks_is_replaced_within_seconds() {
    let mut scene = Scene::one(Transport::Tcp, |r| r);
    scene.net.run_for(10 * SECOND);
    assert_eq!(scene.registrar(0).log.len(), 1);
    let node = scene.registrars[0];
    scene.net.cut_streams(node);
    scene.net.run_for(3 * SECOND);
    assert_eq!(scene.registrar(0).log.len(), 2);
    assert_eq!(scene.registrar(0).streams.len(), 1);
    assert_eq!(scene.state(), RegistrationState::Registered);
}

#[test]
fn another_server_takes_over_and_calls_go_there() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut scene = Scene::new(transport, LinkConfig::default(), 2, |_, r| r);
        scene.net.run_for(10 * SECOND);
        assert_eq!((scene.registrar(0).log.len(), scene.registrar(1).log.len()), (1, 0));
        scene.down(0, true);
        scene.net.run_for(200 * SECOND);
        assert_eq!(scene.state(), RegistrationState::Registered);
        assert_eq!(scene.status().server, "10.0.0.12");
        // The first binding stood until the second was made.
        assert!(scene.status().registered_for.unwrap() > 200 * SECOND);
        let (now, peer, id) = (scene.net.now(), scene.peer, scene.host);
        let host = scene.net.node_mut(id).host();
        host.events.clear();
        let call = OutgoingCall { user: "100".into(), from_user: "eleven".into(), ..OutgoingCall::default() };
        let key = host.endpoint.call(now, peer, call);
        host.drain(now);
        scene.net.run_for(SECOND);
        let host = scene.net.node_mut(id).host();
        let (told, event) = host.next_call_event().unwrap();
        let CallEvent::Routed { remote, .. } = event else { panic!("{event:?}") };
        assert_eq!((told, remote.to_string().as_str()), (key, "10.0.0.12:5060"));
        let now = scene.net.now();
        let host = scene.net.node_mut(id).host();
        host.endpoint.offer(now, key, support::sdp("offer"));
        host.drain(now);
        scene.net.run_for(SECOND);
        assert_eq!(scene.registrar(1).invites, 1);
    }
}

#[test]
fn challenges_of_every_kind_are_answered() {
    for (algorithm, without_qop) in
        [(Algorithm::MD5, true), (Algorithm::MD5, false), (Algorithm::SHA_256, false), (Algorithm::SHA_256, true)]
    {
        let mut scene = Scene::one(Transport::Udp, |r| r.challenging(algorithm, without_qop));
        scene.net.run_for(SECOND);
        assert_eq!(scene.registrar(0).statuses(), [401, 200], "{algorithm:?} {without_qop}");
        assert_eq!(scene.state(), RegistrationState::Registered);
        // The nonce ends after five minutes: its refresh takes one step more, and is no failure.
        scene.net.run_for(1000 * SECOND);
        let statuses = scene.registrar(0).statuses();
        assert!(statuses[2..].contains(&401), "{statuses:?}");
        assert!(statuses.windows(2).all(|pair| pair != [401, 401]), "{statuses:?}");
        assert_eq!(scene.registrar(0).gaps, 0);
        assert!(scene.status().registered_for.unwrap() > 1000 * SECOND);
    }
}

#[test]
fn a_demanded_interval_is_asked_for() {
    let mut scene = Scene::one(Transport::Udp, |mut r| {
        r.least = 600;
        r
    });
    scene.net.run_for(SECOND);
    let asked: Vec<(u32, u16)> = scene.registrar(0).log.iter().map(|(_, asked, status)| (*asked, *status)).collect();
    assert_eq!(asked, [(120, 423), (600, 200)]);
    assert!(scene.status().expires_in.unwrap() > 590 * SECOND);
    scene.net.run_for(450 * SECOND);
    assert_eq!(scene.registrar(0).log[2..].iter().map(|entry| entry.1).collect::<Vec<_>>(), [600]);
}

#[test]
fn refusals_are_not_asked_again_soon() {
    let forbidding = |mut r: Registrar| {
        r.script = [403].into();
        r
    };
    let strange = |mut r: Registrar| {
        r.password = Secret::new("another");
        r.challenging(Algorithm::MD5, false)
    };
    let mut forbidden = Scene::new(Transport::Udp, LinkConfig::default(), 2, |_, r| forbidding(r));
    let mut wrong = Scene::new(Transport::Udp, LinkConfig::default(), 2, |_, r| strange(r));
    for scene in [&mut forbidden, &mut wrong] {
        scene.net.run_for(590 * SECOND);
        assert_eq!(scene.state(), RegistrationState::Backoff);
        assert!(scene.registrar(0).log.len() <= 2, "{:?}", scene.registrar(0).log);
        assert_eq!(scene.registrar(1).log.len(), 0, "the other server is of the same carrier");
    }
    assert_eq!(forbidden.status().last_failure.as_deref(), Some("403 Forbidden"));
    let words = wrong.status().last_failure.unwrap();
    assert!(words.contains("refused by realm"), "{words}");
    // The account is put right.
    wrong.registrar(0).password = Secret::new("pw");
    for scene in [&mut forbidden, &mut wrong] {
        scene.net.run_for(80 * SECOND);
        assert_eq!((scene.state(), scene.registrar(1).log.len()), (RegistrationState::Registered, 0));
    }
}

#[test]
fn the_address_that_the_registrar_sees_is_shown() {
    let mut scene = Scene::one(Transport::Udp, |r| r);
    scene.net.run_for(SECOND);
    let (now, peer, host) = (scene.net.now(), scene.peer, scene.host);
    let status = scene.net.node_mut(host).host().endpoint.peer_status(now, peer);
    assert_eq!(status.seen_as, Some("10.0.0.1:5060".parse().unwrap()));
}

#[test]
fn the_binding_is_removed_at_the_end() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut scene = Scene::one(transport, |r| r.challenging(Algorithm::SHA_256, false));
        scene.net.run_for(700 * SECOND);
        assert!(scene.registrar(0).bound_until.is_some());
        let (now, id) = (scene.net.now(), scene.host);
        let host = scene.net.node_mut(id).host();
        host.endpoint.unregister_all(now);
        host.drain(now);
        scene.net.run_for(2 * SECOND);
        assert_eq!((scene.state(), scene.registrar(0).bound_until), (RegistrationState::Unregistered, None));
        let count = scene.registrar(0).log.len();
        assert!(scene.net.node_mut(id).host().endpoint.is_idle());
        scene.net.run_for(HOUR);
        assert_eq!(scene.registrar(0).log.len(), count, "nothing is sent afterwards");
    }
}

#[test]
fn a_removal_that_nobody_answers_ends_anyway() {
    let mut scene = Scene::one(Transport::Udp, |r| r);
    scene.net.run_for(SECOND);
    scene.down(0, true);
    let (now, id) = (scene.net.now(), scene.host);
    let host = scene.net.node_mut(id).host();
    host.endpoint.unregister_all(now);
    host.drain(now);
    scene.run_until_state(41 * SECOND, RegistrationState::Unregistered);
    let told = scene.net.node_mut(id).host().events.iter().any(|event| matches!(event, Event::Registration(_)));
    assert!(told);
}
