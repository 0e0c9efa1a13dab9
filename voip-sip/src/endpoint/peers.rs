//! Peers over time: their registration, and whether they answer.

use super::config::PeerConfig;
use super::output::Event;
use super::send::Purpose;
use super::{Endpoint, Output};
use crate::auth::DigestClient;
use crate::call::PeerId;
use crate::message::header::{CSeq, From, To};
use crate::message::{ByteStr, HeaderName, Host, Method, NameAddr, Request, Response, Uri};
use crate::registration::{Registration, RegistrationConfig, RegistrationEvent, RegistrationStatus};
use crate::transaction::RequestFailure;
use crate::transport::{Path, ServerAddress};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::net::FlowId;

/// A peer with what is known of it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) config: PeerConfig,
    pub(super) digest: Option<DigestClient>,
    /// It answered an UPDATE with 405 or 501.
    pub(super) update_refused: bool,
    registration: Option<Registered>,
    qualify: Qualify,
}

#[derive(Debug)]
struct Registered {
    machine: Registration,
    /// The flow that the last REGISTER went by.
    flow: Option<FlowId>,
}

/// Whether the peer answers OPTIONS.
#[derive(Debug, Default)]
struct Qualify {
    next: Option<Instant>,
    asked: Option<Instant>,
    round_trip: Option<Duration>,
    reachable: Option<bool>,
}

/// What is known of a peer.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Its registration, where there is one.
    pub registration: Option<RegistrationStatus>,
    /// The address that its registrar sees us at: the outside of a NAT, or our own.
    pub seen_as: Option<SocketAddr>,
    /// Whether it answered the last OPTIONS; `None` before the first, or when it is not asked.
    pub reachable: Option<bool>,
    /// The round trip of the last OPTIONS that was answered.
    pub round_trip: Option<Duration>,
    /// Calls with it that are not over.
    pub calls: usize,
}

impl Peer {
    pub(super) fn new(config: PeerConfig, digest: Option<DigestClient>) -> Self {
        Self { config, digest, update_refused: false, registration: None, qualify: Qualify::default() }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let registration = self.registration.as_ref().and_then(|registered| registered.machine.poll_timeout());
        [registration, self.qualify.next].into_iter().flatten().min()
    }
}

impl Endpoint {
    /// Keeps a registration with a peer alive from now on.
    pub fn register(&mut self, now: Instant, peer: PeerId, config: RegistrationConfig) {
        let rng = self.rng.fork();
        let mut machine = Registration::new(config, rng);
        machine.register(now);
        self.peers[peer.0 as usize].registration = Some(Registered { machine, flow: None });
        self.run(now);
    }

    /// Removes all registrations: at shutdown.
    pub fn unregister_all(&mut self, now: Instant) {
        for peer in &mut self.peers {
            peer.qualify.next = None;
            if let Some(registered) = &mut peer.registration {
                registered.machine.unregister(now);
            }
        }
        self.run(now);
    }

    /// Begins to ask the peers, whose configuration says so, whether they are there.
    pub fn start_qualifying(&mut self, now: Instant) {
        for peer in &mut self.peers {
            peer.qualify.next = peer.config.qualify_interval.map(|_| now);
        }
    }

    /// What is known of a peer.
    pub fn peer_status(&self, now: Instant, peer: PeerId) -> PeerStatus {
        let known = &self.peers[peer.0 as usize];
        let registration = known.registration.as_ref().map(|registered| registered.machine.status(now));
        PeerStatus {
            seen_as: registration.as_ref().and_then(|registration| registration.seen_as),
            registration,
            reachable: known.qualify.reachable,
            round_trip: known.qualify.round_trip,
            calls: self.calls.values().filter(|e| e.call.peer() == peer && !e.call.is_over()).count(),
        }
    }

    /// The peer's servers, the one we are registered at first: the others do not expect our calls.
    pub(super) fn servers_in_order(&self, peer: PeerId) -> Vec<ServerAddress> {
        let known = &self.peers[peer.0 as usize];
        let mut servers = known.config.servers.clone();
        let bound = known.registration.as_ref().and_then(|registered| registered.machine.bound_server());
        if let Some(place) = bound.filter(|place| *place < servers.len()) {
            servers.rotate_left(place);
        }
        servers
    }

    pub(super) fn peers_next_timeout(&self) -> Option<Instant> {
        self.peers.iter().filter_map(Peer::poll_timeout).min()
    }

    pub(super) fn peers_timeout(&mut self, now: Instant) {
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            if let Some(registered) = &mut peer.registration {
                registered.machine.handle_timeout(now);
            }
            if peer.qualify.next.is_some_and(|at| at <= now) {
                self.qualify(now, PeerId(index as u32));
            }
        }
    }

    /// Sends what registrations want sent, tells what they tell.
    pub(super) fn run_registrations(&mut self, now: Instant) {
        for index in 0..self.peers.len() {
            let id = PeerId(index as u32);
            while let Some(registered) = &mut self.peers[index].registration {
                if let Some(register) = registered.machine.poll_request() {
                    let server = self.peers[index].config.servers[register.server].clone();
                    let purpose = Purpose::Register(register.server);
                    self.send_to_peer(now, id, purpose, Some(register.request), vec![server]);
                } else if let Some(event) = registered.machine.poll_event() {
                    match event {
                        RegistrationEvent::StateChanged { .. } | RegistrationEvent::Lapsed => {
                            self.outputs.push_back(Output::Event(Event::Registration(id)));
                        }
                        RegistrationEvent::SeenAs(address) => {
                            tracing::debug!(peer = %id, %address, "the registrar sees us");
                        }
                    }
                } else {
                    break;
                }
            }
        }
    }

    pub(super) fn register_response(&mut self, now: Instant, peer: PeerId, response: &Response, path: Path) {
        let contact = self.contact(path, self.peers[peer.0 as usize].config.contact_user.as_deref());
        let Some(contact) = NameAddr::parse(&contact).map(|contact| contact.uri) else { return };
        if let Some(registered) = &mut self.peers[peer.0 as usize].registration {
            registered.flow = path.transport.is_reliable().then_some(path.flow);
            registered.machine.handle_response(now, response, &contact);
        }
    }

    pub(super) fn register_failure(&mut self, now: Instant, peer: PeerId, failure: RequestFailure) {
        if let Some(registered) = &mut self.peers[peer.0 as usize].registration {
            registered.machine.handle_failure(now, failure);
        }
    }

    /// The connection that a registration goes by is gone, and with it the way by which calls come.
    pub(super) fn registrations_lost_flow(&mut self, now: Instant, flow: FlowId) {
        for peer in &mut self.peers {
            if let Some(registered) = &mut peer.registration
                && registered.flow == Some(flow)
            {
                registered.flow = None;
                registered.machine.handle_flow_lost(now);
            }
        }
    }

    fn qualify(&mut self, now: Instant, peer: PeerId) {
        let interval = self.peers[peer.0 as usize].config.qualify_interval;
        let known = &mut self.peers[peer.0 as usize];
        known.qualify.next = interval.map(|interval| now + interval);
        if known.qualify.asked.is_some() {
            return;
        }
        known.qualify.asked = Some(now);
        let servers = self.servers_in_order(peer);
        let request = self.build_options(&servers[0], peer);
        self.send_to_peer(now, peer, Purpose::Qualify, Some(request), servers[..1].to_vec());
    }

    fn build_options(&mut self, server: &ServerAddress, peer: PeerId) -> Request {
        let host = match server.host.parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) => Host::Name(ByteStr::from(server.host.as_str())),
        };
        let user = self.peers[peer.0 as usize].config.contact_user.clone();
        let uri = Uri::sip(None, host.clone(), server.port);
        let from = NameAddr::new(Uri::sip(user.as_deref(), host, None)).with_param("tag", Some(&self.rng.token(12)));
        let mut request = Request::new(Method::Options, uri.clone().with_transport(server.transport));
        request.headers.push_typed(&From(from));
        request.headers.push_typed(&To(NameAddr::new(uri)));
        request.headers.push(HeaderName::CallId, self.rng.token(24));
        request.headers.push_typed(&CSeq { number: 1, method: Method::Options });
        request.headers.push(HeaderName::Accept, crate::call::SDP_TYPE);
        request
    }

    /// Any answer shows that the peer is there.
    pub(super) fn qualify_response(&mut self, now: Instant, peer: PeerId, response: &Response) {
        if response.is_provisional() {
            return;
        }
        let known = &mut self.peers[peer.0 as usize];
        let Some(asked) = known.qualify.asked.take() else { return };
        known.qualify.reachable = Some(true);
        known.qualify.round_trip = Some(now.saturating_duration_since(asked));
        let round_trip = known.qualify.round_trip;
        self.outputs.push_back(Output::Event(Event::Qualified { peer, round_trip }));
    }

    pub(super) fn qualify_failure(&mut self, _now: Instant, peer: PeerId) {
        let known = &mut self.peers[peer.0 as usize];
        known.qualify.asked = None;
        known.qualify.reachable = Some(false);
        self.outputs.push_back(Output::Event(Event::Qualified { peer, round_trip: None }));
    }
}
