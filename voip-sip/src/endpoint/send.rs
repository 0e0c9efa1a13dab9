//! Requests on their way out: choice of server, target and connection, credentials, and the next target when one fails
//! (RFC 3263 §4.3, RFC 3261 §8.1.3).
//!
//! A request becomes a [`Sending`]. It resolves its destination, opens or reuses a connection, and runs a client
//! transaction; a failure before any response moves on to the next target, a challenge sends it again with credentials.

use super::Endpoint;
use super::output::{Connect, Event, Output, ResolveId};
use crate::call::PeerId;
use crate::call::{CallEvent, CallKey, RequestKind};
use crate::message::header::{CSeq, Via};
use crate::message::{Header, HeaderName, Host, Request, Response};
use crate::transaction::{ClientKey, RequestFailure, SendError};
use crate::transport::{Path, Resolution, ServerAddress, Target, TlsProfile};
use std::collections::VecDeque;
use std::time::Instant;
use voip_core::net::FlowId;

/// Names a request on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SendingId(u64);

/// What a request is for, and who is told what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A request of a call.
    Call(CallKey, RequestKind),
    /// A REGISTER to the server of that place in the peer's list.
    Register(usize),
    /// The OPTIONS that asks whether a peer is there.
    Qualify,
}

/// A request on its way out.
#[derive(Debug)]
pub(super) struct Sending {
    purpose: Purpose,
    peer: PeerId,
    /// The request without Via; `None` while the target of a call is looked for before there is an offer.
    request: Option<Request>,
    stage: Stage,
    /// Targets not tried yet, of the server being tried.
    targets: VecDeque<Target>,
    /// Servers not tried yet.
    servers: VecDeque<ServerAddress>,
    /// The target being tried.
    target: Option<Target>,
    /// The far side answered in some way: no other target is tried.
    answered: bool,
    /// The last failure, told when nothing is left to try.
    failure: RequestFailure,
    /// Times it was sent again with credentials.
    authorizations: u8,
    /// The INVITE is to be cancelled as soon as it can be.
    cancelled: bool,
    /// A final response came.
    finished: bool,
}

#[derive(Debug)]
enum Stage {
    Resolving(Resolution),
    /// A target is known; the offer of the call is awaited.
    Held,
    Connecting(FlowId),
    Sent(ClientKey, Path),
}

impl Sending {
    /// Whether it still waits for something: not when all that is left is its transaction's memory.
    pub(super) fn is_waiting(&self) -> bool {
        !self.finished
    }
}

/// Challenges answered for one request: one of each kind, and a stale nonce of each.
const MAX_AUTHORIZATIONS: u8 = 4;

impl Endpoint {
    /// Sends a request to a peer's servers, the preferred one first. Without `request`, finds the first target of a
    /// call and waits.
    pub(super) fn send_to_peer(
        &mut self,
        now: Instant,
        peer: PeerId,
        purpose: Purpose,
        request: Option<Request>,
        servers: Vec<ServerAddress>,
    ) -> SendingId {
        self.begin_sending(now, peer, purpose, request, servers.into(), VecDeque::new())
    }

    fn begin_sending(
        &mut self,
        now: Instant,
        peer: PeerId,
        purpose: Purpose,
        request: Option<Request>,
        servers: VecDeque<ServerAddress>,
        targets: VecDeque<Target>,
    ) -> SendingId {
        let id = SendingId(self.next_id());
        let sending = Sending {
            purpose,
            peer,
            request,
            stage: Stage::Held,
            targets,
            servers,
            target: None,
            answered: false,
            failure: RequestFailure::Unresolvable,
            authorizations: 0,
            cancelled: false,
            finished: false,
        };
        self.sendings.insert(id, sending);
        if let Purpose::Call(call, RequestKind::Invite) = purpose {
            self.invites.insert(call, id);
        }
        self.try_next(now, id);
        id
    }

    /// Sends a request of a call that has a dialog: over the flow the dialog uses, else to where its route leads.
    pub(super) fn send_in_dialog(&mut self, now: Instant, call: CallKey, kind: RequestKind, request: Request) {
        let Some(peer) = self.calls.get(&call).map(|entry| entry.call.peer()) else { return };
        match self.dialog_path(call) {
            Some(path) => {
                let id = self.begin_sending_on(peer, Purpose::Call(call, kind), request);
                self.transmit_request(now, id, path);
            }
            None => {
                let targets = self.dialog_target(call).into_iter().collect();
                let servers = self.peers[peer.0 as usize].config.servers.clone();
                self.begin_sending(now, peer, Purpose::Call(call, kind), Some(request), servers.into(), targets);
            }
        }
    }

    fn begin_sending_on(&mut self, peer: PeerId, purpose: Purpose, request: Request) -> SendingId {
        let id = SendingId(self.next_id());
        self.sendings.insert(
            id,
            Sending {
                purpose,
                peer,
                request: Some(request),
                stage: Stage::Held,
                targets: VecDeque::new(),
                servers: VecDeque::new(),
                target: None,
                answered: false,
                failure: RequestFailure::Unreachable,
                authorizations: 0,
                cancelled: false,
                finished: false,
            },
        );
        id
    }

    /// The INVITE of a call whose target was looked for before.
    pub(super) fn send_invite(&mut self, now: Instant, call: CallKey, request: Request) {
        let Some(&id) = self.invites.get(&call) else { return };
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        sending.request = Some(request);
        sending.answered = false;
        match (&sending.stage, &sending.target) {
            // Asked again, after a 422: by the same way.
            (Stage::Sent(_, path), _) => {
                let path = *path;
                self.transmit_request(now, id, path);
            }
            (Stage::Held, Some(target)) => {
                let target = target.clone();
                self.connect(now, id, target);
            }
            _ => {}
        }
    }

    /// Cancels the INVITE of a call.
    pub(super) fn cancel_invite(&mut self, now: Instant, call: CallKey, headers: &[Header]) {
        let Some(&id) = self.invites.get(&call) else { return };
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        sending.cancelled = true;
        match sending.stage {
            Stage::Sent(key, _) => {
                self.transactions.cancel(now, key, headers);
            }
            Stage::Resolving(_) | Stage::Held | Stage::Connecting(_) => {
                self.finish_sending(now, id, Some(RequestFailure::Unreachable));
            }
        }
    }

    /// Tries the next target, or the next server, or gives up.
    fn try_next(&mut self, now: Instant, id: SendingId) {
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        if let Some(target) = sending.targets.pop_front() {
            sending.target = Some(target.clone());
            match (&sending.request, sending.purpose) {
                (None, Purpose::Call(call, _)) => {
                    sending.stage = Stage::Held;
                    self.tell_routed(call, &target);
                }
                _ => self.connect(now, id, target),
            }
        } else if let Some(server) = sending.servers.pop_front() {
            let resolution = Resolution::new(&server);
            sending.stage = Stage::Resolving(resolution);
            self.run_resolution(now, id);
        } else {
            let failure = sending.failure;
            self.finish_sending(now, id, Some(failure));
        }
    }

    fn tell_routed(&mut self, call: CallKey, target: &Target) {
        let (local, advertised) = self.addresses_towards(target.transport, target.address);
        let event = CallEvent::Routed { remote: target.address, local, advertised };
        self.outputs.push_back(Output::Event(Event::Call(call, event)));
    }

    /// Asks what the resolution of a request wants to know, or takes its result.
    fn run_resolution(&mut self, now: Instant, id: SendingId) {
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        let Stage::Resolving(resolution) = &mut sending.stage else { return };
        while let Some(query) = resolution.poll_query() {
            let resolve = ResolveId(self.ids);
            self.ids += 1;
            self.resolving.insert(resolve, (id, query.clone()));
            self.outputs.push_back(Output::Resolve(resolve, query));
        }
        if let Some(targets) = resolution.poll_targets() {
            sending.targets = targets.into();
            self.try_next(now, id);
        }
    }

    pub(super) fn resolved(&mut self, now: Instant, resolve: ResolveId, answer: super::Answer) {
        let Some((id, query)) = self.resolving.remove(&resolve) else { return };
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        if let Stage::Resolving(resolution) = &mut sending.stage {
            resolution.handle_answer(&query, answer, &mut self.rng);
            self.run_resolution(now, id);
        }
    }

    /// Sends to a target: over UDP, over a connection that is there, or over a new one.
    fn connect(&mut self, now: Instant, id: SendingId, target: Target) {
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        let peer = &self.peers[sending.peer.0 as usize];
        let tls = if target.transport.is_secure() { peer.config.tls } else { TlsProfile(0) };
        match self.flows.route(target.transport, target.address, tls) {
            Some(crate::transport::Route::Ready(path)) => self.transmit_request(now, id, path),
            Some(crate::transport::Route::Opening(flow)) => {
                sending.stage = Stage::Connecting(flow);
                self.connecting.entry(flow).or_default().push(id);
            }
            None if target.transport.is_reliable() => {
                let Some(flow) = self.flows.open(now, target.transport, target.address, tls) else {
                    sending.failure = RequestFailure::Overload;
                    self.try_next(now, id);
                    return;
                };
                sending.stage = Stage::Connecting(flow);
                self.connecting.entry(flow).or_default().push(id);
                self.outputs.push_back(Output::Connect(Connect {
                    flow,
                    transport: target.transport,
                    remote: target.address,
                    server_name: target.server_name,
                    tls,
                }));
            }
            None => {
                sending.failure = RequestFailure::Unreachable;
                self.try_next(now, id);
            }
        }
    }

    /// A connection is up: what waited for it is sent.
    pub(super) fn flow_connected(&mut self, now: Instant, flow: FlowId) {
        let Some(path) = self.flows.path(flow) else { return };
        for id in self.connecting.remove(&flow).unwrap_or_default() {
            self.transmit_request(now, id, path);
        }
    }

    /// A connection could not be opened, or broke: what waited for it goes elsewhere.
    pub(super) fn flow_failed(&mut self, now: Instant, flow: FlowId) {
        for id in self.connecting.remove(&flow).unwrap_or_default() {
            if let Some(sending) = self.sendings.get_mut(&id) {
                sending.failure = RequestFailure::Unreachable;
                self.try_next(now, id);
            }
        }
    }

    /// Gives the request Via, Contact and the rest, and starts its transaction.
    fn transmit_request(&mut self, now: Instant, id: SendingId, path: Path) {
        let Some(sending) = self.sendings.get(&id) else { return };
        let Some(mut request) = sending.request.clone() else { return };
        let (purpose, peer) = (sending.purpose, sending.peer);
        // A request that answers a challenge has its credentials already, and preparing would take them off again.
        let challenged = sending.authorizations > 0;
        if let Purpose::Call(..) | Purpose::Qualify = purpose
            && !challenged
            && let Some(digest) = &mut self.peers[peer.0 as usize].digest
        {
            digest.prepare(&mut request, &mut self.rng);
        }
        self.dress_request(&mut request, path, peer);
        if let Purpose::Call(call, _) = purpose
            && let Some(entry) = self.calls.get_mut(&call)
        {
            entry.path = Some(path);
        }
        match self.transactions.send_request(now, request, path) {
            Ok(key) => {
                self.by_client.insert(key, id);
                if let Some(sending) = self.sendings.get_mut(&id) {
                    sending.stage = Stage::Sent(key, path);
                }
            }
            Err(error) => {
                debug_assert_eq!(error, SendError::TableFull, "requests are complete when they are sent");
                self.finish_sending(now, id, Some(RequestFailure::Overload));
            }
        }
    }

    /// A response to a request: passed on, or answered with credentials, or reason to try another target.
    pub(super) fn response_received(&mut self, now: Instant, key: ClientKey, response: Response, path: Path) {
        let Some(&id) = self.by_client.get(&key) else { return };
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        // An earlier transaction of the same request: what still comes to it has been dealt with, except that a forked
        // or repeated 2xx always counts.
        let current = matches!(sending.stage, Stage::Sent(running, _) if running == key);
        if !current && !response.is_success() {
            return;
        }
        let (purpose, peer) = (sending.purpose, sending.peer);
        let overloaded = response.status == 503 && !sending.answered;
        if response.status > 100 && !overloaded {
            sending.answered = true;
        }
        let elsewhere = !sending.targets.is_empty() || !sending.servers.is_empty();
        if overloaded && elsewhere && !sending.cancelled && !matches!(purpose, Purpose::Register(_)) {
            sending.failure = RequestFailure::Unreachable;
            self.try_next(now, id);
            return;
        }
        if matches!(response.status, 401 | 407) && !matches!(purpose, Purpose::Register(_)) {
            if self.authorize(now, id, &response, path) {
                return;
            }
            if let Purpose::Call(..) = purpose {
                self.finish_sending(now, id, Some(RequestFailure::Unauthorized(response.status)));
                return;
            }
        }
        if !response.is_provisional()
            && let Some(sending) = self.sendings.get_mut(&id)
        {
            sending.finished = true;
        }
        match purpose {
            Purpose::Call(call, kind) => self.call_response(now, call, kind, response),
            Purpose::Register(_) => self.register_response(now, peer, &response, path),
            Purpose::Qualify => self.qualify_response(now, peer, &response),
        }
    }

    /// Sends a challenged request again with credentials; `false` when that is of no use.
    fn authorize(&mut self, now: Instant, id: SendingId, response: &Response, path: Path) -> bool {
        let Some(sending) = self.sendings.get_mut(&id) else { return false };
        let Some(digest) = &mut self.peers[sending.peer.0 as usize].digest else { return false };
        let Some(request) = &mut sending.request else { return false };
        if sending.authorizations >= MAX_AUTHORIZATIONS || sending.cancelled {
            return false;
        }
        sending.authorizations += 1;
        if digest.authorize(request, response, &mut self.rng).is_err() {
            return false;
        }
        raise_sequence(request);
        sending.answered = false;
        let (purpose, request) = (sending.purpose, request.clone());
        if let Purpose::Call(call, kind) = purpose
            && let Some(entry) = self.calls.get_mut(&call)
        {
            entry.call.note_resent(kind, &request);
        }
        self.transmit_request(now, id, path);
        true
    }

    /// A request got no final response.
    pub(super) fn request_failed(&mut self, now: Instant, key: ClientKey, failure: RequestFailure) {
        let Some(&id) = self.by_client.get(&key) else { return };
        let Some(sending) = self.sendings.get_mut(&id) else { return };
        if !matches!(sending.stage, Stage::Sent(running, _) if running == key) {
            return;
        }
        sending.failure = failure;
        if sending.answered || sending.cancelled {
            self.finish_sending(now, id, Some(failure));
        } else {
            self.try_next(now, id);
        }
    }

    /// A client transaction is gone: when it was the last of its request, so is the request.
    pub(super) fn client_terminated(&mut self, now: Instant, key: ClientKey) {
        let Some(id) = self.by_client.remove(&key) else { return };
        let last = self.sendings.get(&id).is_some_and(|s| matches!(s.stage, Stage::Sent(running, _) if running == key));
        if last {
            self.finish_sending(now, id, None);
        }
    }

    /// Forgets a request, and tells who asked for it when it failed.
    fn finish_sending(&mut self, now: Instant, id: SendingId, failure: Option<RequestFailure>) {
        let Some(sending) = self.sendings.remove(&id) else { return };
        if let Purpose::Call(call, RequestKind::Invite) = sending.purpose {
            self.invites.remove(&call);
        }
        if let Stage::Connecting(flow) = sending.stage
            && let Some(waiting) = self.connecting.get_mut(&flow)
        {
            waiting.retain(|waiting| *waiting != id);
        }
        let Some(failure) = failure else { return };
        match sending.purpose {
            Purpose::Call(call, kind) => self.call_failure(now, call, kind, failure),
            Purpose::Register(_) => self.register_failure(now, sending.peer, failure),
            Purpose::Qualify => self.qualify_failure(now, sending.peer),
        }
    }

    /// Where a request within a call's dialog goes without opening anything: over the connection the dialog uses while
    /// it stands; over UDP to the next hop's address. A far side behind a NAT names an address that cannot be reached
    /// from here: then back to where its messages come from.
    pub(super) fn dialog_path(&self, call: CallKey) -> Option<Path> {
        let entry = self.calls.get(&call)?;
        let path = entry.path.filter(|path| self.flows.path(path.flow).is_some())?;
        if path.transport.is_reliable() {
            return Some(path);
        }
        let next_hop = entry.call.dialog()?.next_hop();
        if next_hop.transport().is_some_and(|transport| transport != path.transport) {
            return None;
        }
        let Some(Host::Ip(ip)) = next_hop.host() else { return Some(path) };
        let behind_nat = *ip != path.remote.ip() && is_private(*ip) && !is_private(path.remote.ip());
        if behind_nat || ip.is_unspecified() || ip.is_ipv4() != path.remote.is_ipv4() {
            return Some(path);
        }
        let port = next_hop.port().unwrap_or_else(|| path.transport.default_port());
        Some(Path { remote: std::net::SocketAddr::new(*ip, port), ..path })
    }

    /// The target of a dialog's next hop when it is an address: asked when the dialog's connection is gone.
    fn dialog_target(&self, call: CallKey) -> Option<Target> {
        let entry = self.calls.get(&call)?;
        let next_hop = entry.call.dialog()?.next_hop();
        let Some(Host::Ip(ip)) = next_hop.host() else { return None };
        let transport = next_hop.transport().or_else(|| entry.path.map(|path| path.transport))?;
        let port = next_hop.port().unwrap_or_else(|| transport.default_port());
        let server = self.peers[entry.call.peer().0 as usize].config.servers.first()?;
        let address = std::net::SocketAddr::new(*ip, port);
        Some(Target { transport, address, server_name: server.bare_host().to_owned() })
    }
}

/// Raises the CSeq number of a request that is sent again as a new one (RFC 3261 §22.2).
fn raise_sequence(request: &mut Request) {
    if let Ok(Some(mut cseq)) = request.headers.typed::<CSeq>() {
        cseq.number += 1;
        request.headers.set_typed(&cseq);
    }
    request.headers.remove(&HeaderName::Via);
    debug_assert!(request.headers.typed::<Via>().ok().flatten().is_none(), "a request that waits has no Via");
}

/// An address that routers of the Internet do not know (RFC 1918, RFC 6598, RFC 4193, loopback, link-local).
fn is_private(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
