//! What a user does with calls, and what calls want done.

use super::Endpoint;
use super::output::{Event, Output};
use super::send::Purpose;
use crate::call::PeerId;
use crate::call::{Call, CallEvent, CallKey, CallOutput, IncomingCall, RequestKind, SDP_TYPE};
use crate::dialog::DialogId;
use crate::message::header::{CSeq, From, MaxForwards, MinSe, To};
use crate::message::{ByteStr, Header, HeaderName, Headers, Host, Method, NameAddr, Request, Response, Uri};
use crate::transaction::{RequestFailure, Retransmit2xx, ServerKey, trying};
use crate::transport::{Path, ServerAddress};
use bytes::Bytes;
use std::time::Instant;
use voip_core::leg::LegEnd;

/// A call of the endpoint, with the way its messages go.
#[derive(Debug)]
pub(super) struct CallEntry {
    pub(super) call: Call,
    /// The flow that its last message went or came by.
    pub(super) path: Option<Path>,
}

/// A call to be placed.
#[derive(Clone, Debug, Default)]
pub struct OutgoingCall {
    /// User part of the Request-URI and of To: the number as the peer wants it written.
    pub user: String,
    /// Display name of From.
    pub from_display: Option<String>,
    /// User part of From.
    pub from_user: String,
    /// Host of From; the peer's server when `None`.
    pub from_host: Option<String>,
    /// Further headers of the INVITE.
    pub headers: Vec<Header>,
    /// Hops left, when the call goes on from another: one less than that came with (RFC 3261 §16.6).
    pub max_forwards: Option<u32>,
}

impl Endpoint {
    /// Places a call. Its first event is [`CallEvent::Routed`]; [`offer`](Self::offer) then sends the INVITE.
    pub fn call(&mut self, now: Instant, peer: PeerId, call: OutgoingCall) -> CallKey {
        let key = CallKey(self.next_id());
        let local_tag = self.rng.token(16);
        let servers = self.servers_in_order(peer);
        let request = self.build_invite(&servers[0], call, &local_tag);
        let timer = self.peers[peer.0 as usize].config.session_timer;
        let rng = self.rng.fork();
        let call = Call::outgoing(peer, request, local_tag, timer, rng);
        self.calls.insert(key, CallEntry { call, path: None });
        self.send_to_peer(now, peer, Purpose::Call(key, RequestKind::Invite), None, servers);
        self.run(now);
        key
    }

    fn build_invite(&mut self, server: &ServerAddress, call: OutgoingCall, local_tag: &str) -> Request {
        let host = |name: &str| match name.trim_matches(['[', ']']).parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) => Host::Name(ByteStr::from(name)),
        };
        let target = Uri::sip(Some(&call.user), host(&server.host), server.port);
        let from_host = host(call.from_host.as_deref().unwrap_or(&server.host));
        let from_user = (!call.from_user.is_empty()).then_some(call.from_user.as_str());
        let mut from = NameAddr::new(Uri::sip(from_user, from_host, None)).with_param("tag", Some(local_tag));
        from.display = call.from_display.map(Into::into);
        let mut request = Request::new(Method::Invite, target.clone().with_transport(server.transport));
        request.headers.push_typed(&From(from));
        request.headers.push_typed(&To(NameAddr::new(target)));
        request.headers.push(HeaderName::CallId, self.rng.token(32));
        request.headers.push_typed(&CSeq { number: 1, method: Method::Invite });
        if let Some(hops) = call.max_forwards {
            request.headers.push_typed(&MaxForwards(hops));
        }
        for header in call.headers {
            request.headers.push(header.name, header.value);
        }
        request
    }

    /// Gives the offer of a call that was placed, after [`CallEvent::Routed`].
    pub fn offer(&mut self, now: Instant, call: CallKey, sdp: Bytes) {
        self.with_call(now, call, |call| call.offer(sdp));
    }

    /// Answers an INVITE 100, which stops its retransmission. Nothing is sent before this, so that nobody learns of us
    /// whom the user does not want to serve.
    pub fn trying(&mut self, now: Instant, call: CallKey) {
        let Some(entry) = self.calls.get(&call) else { return };
        let Some(transaction) = entry.call.asked_transaction() else { return };
        let response = trying(entry.call.invite());
        self.transactions.respond(now, transaction, &response);
        self.run(now);
    }

    /// Reports progress to the caller: 180 to 199, with the answer for early media or without.
    pub fn progress(&mut self, now: Instant, call: CallKey, status: u16, sdp: Option<Bytes>) {
        self.with_call(now, call, |call| call.progress(status, sdp));
    }

    /// Answers a call.
    pub fn answer(&mut self, now: Instant, call: CallKey, sdp: Bytes) {
        self.with_call(now, call, |call| call.answer(now, sdp));
    }

    /// Ends a call, whatever its state: rejects, cancels, or says BYE. `headers` go on that message.
    pub fn hang_up(&mut self, now: Instant, call: CallKey, end: &LegEnd, headers: Headers) {
        self.with_call(now, call, |call| call.hang_up(now, end, headers));
    }

    /// Drops a call that came, without any answer.
    pub fn ignore(&mut self, now: Instant, call: CallKey) {
        self.with_call(now, call, Call::ignore);
    }

    /// Accepts a re-INVITE or UPDATE of the far side.
    pub fn accept_offer(&mut self, now: Instant, call: CallKey, sdp: Bytes) {
        self.with_call(now, call, |call| call.accept_offer(now, sdp));
    }

    /// Refuses a re-INVITE or UPDATE of the far side with a final status: 488, as a rule.
    pub fn refuse_offer(&mut self, now: Instant, call: CallKey, status: u16) {
        self.with_call(now, call, |call| call.refuse_offer(status));
    }

    /// Offers the far side a changed session; waits while another change is under way.
    pub fn reinvite(&mut self, now: Instant, call: CallKey, sdp: Bytes) {
        self.with_call(now, call, |call| call.reinvite(now, sdp));
    }

    fn with_call(&mut self, now: Instant, call: CallKey, act: impl FnOnce(&mut Call)) {
        if let Some(entry) = self.calls.get_mut(&call) {
            act(&mut entry.call);
            self.drain_call(now, call);
        }
        self.run(now);
    }

    /// An INVITE outside any dialog, from a peer.
    pub(super) fn invite_received(
        &mut self,
        now: Instant,
        path: Path,
        request: Request,
        peer: PeerId,
        transaction: ServerKey,
    ) {
        // Calls that are over but still say so are counted only when there may be too many.
        let full = self.calls.len() >= self.config.max_calls && self.counters().calls >= self.config.max_calls;
        if !self.accepting || full {
            let mut response = request.response(503, Some(&self.stateless_tag));
            response.headers.push(HeaderName::RetryAfter, "10");
            return self.respond_to(now, transaction, &request, response);
        }
        let unknown_body =
            !request.body.is_empty() && request.headers.content_type().is_some_and(|media_type| media_type != SDP_TYPE);
        if unknown_body {
            let mut response = request.response(415, Some(&self.stateless_tag));
            response.headers.push(HeaderName::Accept, SDP_TYPE);
            return self.respond_to(now, transaction, &request, response);
        }
        let key = CallKey(self.next_id());
        let timer = self.peers[peer.0 as usize].config.session_timer;
        let rng = self.rng.fork();
        let call = match Call::incoming(peer, transaction, request.clone(), timer, rng) {
            Ok(call) => call,
            Err(error) => {
                let mut response = request.response(400, Some(&self.stateless_tag));
                response.reason = error.to_string().into();
                return self.respond_to(now, transaction, &request, response);
            }
        };
        if let Err(min_se) = call.check_session_interval() {
            let mut response = request.response(422, Some(&self.stateless_tag));
            response.headers.push_typed(&MinSe(min_se));
            return self.respond_to(now, transaction, &request, response);
        }
        let offer = call.initial_offer();
        let (local, _) = self.addresses_towards(path.transport, path.remote);
        let local = if path.local.ip().is_unspecified() { local } else { path.local.ip() };
        let incoming = IncomingCall {
            peer,
            remote: path.remote,
            transport: path.transport,
            local,
            advertised: self.advertised_for(path),
            offer,
            request: request.clone(),
        };
        self.by_server.insert(transaction, key);
        self.calls.insert(key, CallEntry { call, path: Some(path) });
        self.outputs.push_back(Output::Event(Event::Call(key, CallEvent::Incoming(Box::new(incoming)))));
        self.drain_call(now, key);
    }

    /// A request within the dialog of a call.
    pub(super) fn request_in_dialog(
        &mut self,
        now: Instant,
        path: Path,
        call: CallKey,
        request: Request,
        transaction: ServerKey,
    ) {
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.path = Some(path);
            self.by_server.insert(transaction, call);
            entry.call.handle_request(now, request, transaction);
            self.drain_call(now, call);
        }
    }

    /// An ACK that no INVITE transaction took.
    pub(super) fn ack_received(&mut self, now: Instant, path: Path, ack: &Request) {
        let Some(&call) = DialogId::of_request(ack).and_then(|id| self.dialogs.get(&id)) else { return };
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.path = Some(path);
            entry.call.handle_ack(now, ack);
            self.drain_call(now, call);
        }
    }

    /// The INVITE of that transaction was cancelled.
    pub(super) fn cancel_received(&mut self, now: Instant, invite: ServerKey, cancel: &Request) {
        let Some(&call) = self.by_server.get(&invite) else { return };
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.call.handle_cancel(&cancel.headers);
            self.drain_call(now, call);
        }
    }

    /// A received request can no longer be answered.
    pub(super) fn server_failed(&mut self, now: Instant, key: ServerKey) {
        let Some(&call) = self.by_server.get(&key) else { return };
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.call.handle_server_failure();
            self.drain_call(now, call);
        }
    }

    pub(super) fn call_response(&mut self, now: Instant, call: CallKey, kind: RequestKind, response: Response) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        if kind == RequestKind::Update && matches!(response.status, 405 | 501) {
            // Some list UPDATE in Allow and refuse it all the same: asked once, never again.
            self.peers[entry.call.peer().0 as usize].update_refused = true;
        }
        entry.call.handle_response(now, kind, response);
        self.drain_call(now, call);
    }

    pub(super) fn call_failure(&mut self, now: Instant, call: CallKey, kind: RequestKind, failure: RequestFailure) {
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.call.handle_failure(now, kind, failure);
            self.drain_call(now, call);
        }
    }

    /// Does what a call wants done, and keeps the tables that lead to it.
    pub(super) fn drain_call(&mut self, now: Instant, key: CallKey) {
        loop {
            let Some(entry) = self.calls.get_mut(&key) else { return };
            if self.peers[entry.call.peer().0 as usize].update_refused {
                entry.call.forbid_update();
            }
            if let Some(id) = entry.call.dialog_id()
                && !self.dialogs.contains_key(id)
            {
                self.dialogs.insert(id.clone(), key);
            }
            match entry.call.poll_output() {
                Some(CallOutput::Request(RequestKind::Invite, request)) => self.send_invite(now, key, request),
                Some(CallOutput::Request(kind, request)) => self.send_in_dialog(now, key, kind, request),
                Some(CallOutput::Ack(ack)) => self.send_ack(key, ack),
                Some(CallOutput::Cancel(headers)) => {
                    let headers: Vec<Header> = headers.iter().cloned().collect();
                    self.cancel_invite(now, key, &headers);
                }
                Some(CallOutput::Respond(transaction, response)) => {
                    self.respond_for_call(now, key, transaction, response);
                }
                Some(CallOutput::Transmit(transmit)) => self.push_transmit(transmit),
                Some(CallOutput::Event(event)) => self.outputs.push_back(Output::Event(Event::Call(key, event))),
                None => break,
            }
        }
        let Some(entry) = self.calls.get(&key) else { return };
        if entry.call.is_ended() {
            self.forget_call(key);
        } else {
            self.call_deadlines.set(key, entry.call.poll_timeout());
        }
    }

    fn forget_call(&mut self, key: CallKey) {
        let Some(entry) = self.calls.remove(&key) else { return };
        self.call_deadlines.set(key, None);
        if let Some(id) = entry.call.dialog_id() {
            self.dialogs.remove(id);
        }
    }

    fn respond_for_call(&mut self, now: Instant, key: CallKey, transaction: ServerKey, mut response: Response) {
        let Some(path) = self.transactions.response_path(transaction) else { return };
        let Some(peer) = self.calls.get(&key).map(|entry| entry.call.peer()) else { return };
        let method = response.headers.typed::<CSeq>().ok().flatten().map_or(Method::Invite, |cseq| cseq.method);
        let user = self.peers[peer.0 as usize].config.contact_user.clone();
        self.dress_response(&mut response, path, &method, user.as_deref());
        self.transactions.respond(now, transaction, &response);
        if response.is_success() && method == Method::Invite {
            let retransmit = Retransmit2xx::new(now, path, response.to_bytes(), *self.transactions.config());
            if let Some(entry) = self.calls.get_mut(&key) {
                entry.call.repeat_until_ack(retransmit);
            }
        }
    }

    /// An ACK for a 2xx: a request without a transaction (RFC 3261 §13.2.2.4).
    fn send_ack(&mut self, key: CallKey, mut ack: Request) {
        let Some(path) = self.dialog_path(key) else { return };
        let Some(peer) = self.calls.get(&key).map(|entry| entry.call.peer()) else { return };
        self.dress_request(&mut ack, path, peer);
        self.push_transmit(path.transmit(ack.to_bytes()));
    }
}
