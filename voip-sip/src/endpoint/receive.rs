//! From bytes to the transaction, dialog or peer that a message belongs to (RFC 3261 §8.2, §12.2.2, §18).

use super::config::UnknownSources;
use super::output::Event;
use super::screen::Source;
use super::{Endpoint, Output};
use crate::auth::{Challenger, Verdict};
use crate::call::PeerId;
use crate::call::requires_only_known;
use crate::dialog::DialogId;
use crate::message::header::{CSeq, From, MaxForwards, To, Via};
use crate::message::{HeaderError, HeaderName, Message, Method, ParseError, ParseErrorKind, Request, Response, Scheme};
use crate::transaction::{RequestFailure, RequestMatch, ServerKey, TransactionEvent};
use crate::transport::{Frame, Path, via};
use bytes::Bytes;
use std::time::Instant;
use voip_core::net::{FlowId, Transmit};

/// What came in, and what was wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveCounters {
    /// Requests that were read.
    pub requests: u64,
    /// Responses that were read.
    pub responses: u64,
    /// Keepalives.
    pub keepalives: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Requests that were read and answered 400 or dropped because a header is wrong.
    pub malformed: u64,
    /// Responses dropped because they were not meant for us or are malformed.
    pub bad_responses: u64,
    /// Requests from sources that identify nobody, dropped or refused.
    pub strangers: u64,
    /// Requests answered with a challenge.
    pub challenged: u64,
    /// Requests with credentials that were wrong.
    pub unauthorized: u64,
    /// Requests refused since a table was full.
    pub shed: u64,
    /// Streams closed because their framing was lost.
    pub broken_streams: u64,
}

impl Endpoint {
    /// Bytes of a stream.
    pub(super) fn receive_stream(&mut self, now: Instant, flow: FlowId, bytes: &Bytes) {
        self.flows.push(now, flow, bytes);
        loop {
            let Some(path) = self.flows.path(flow) else { return };
            match self.flows.next_frame(now, flow) {
                Ok(Some(Frame::Message(message))) => self.receive_message(now, path, message),
                Ok(Some(Frame::Ping)) => {
                    self.counters.keepalives += 1;
                    let pong = Bytes::from_static(b"\r\n");
                    self.outputs.push_back(Output::Transmit(Transmit { flow, remote: path.remote, payload: pong }));
                }
                Ok(Some(Frame::Pong)) => self.counters.keepalives += 1,
                Ok(None) => return,
                Err(error) => {
                    // Where one message ends and the next begins is lost: nothing more can be read here
                    // (RFC 3261 §18.3).
                    self.counters.broken_streams += 1;
                    tracing::debug!(%flow, remote = %path.remote, %error, "closing a stream whose framing is lost");
                    self.flow_lost(now, flow);
                    self.outputs.push_back(Output::Close(flow));
                    return;
                }
            }
        }
    }

    /// One message, whole.
    pub(super) fn receive_message(&mut self, now: Instant, path: Path, payload: Bytes) {
        match Message::parse(payload.clone(), &self.config.message_limits) {
            Ok(Message::Request(request)) => {
                self.counters.requests += 1;
                self.receive_request(now, path, request, &payload);
            }
            Ok(Message::Response(response)) => {
                self.counters.responses += 1;
                self.trace(true, path, &payload);
                self.receive_response(now, path, response);
            }
            Err(ParseError { kind: ParseErrorKind::Empty, .. }) => self.counters.keepalives += 1,
            Err(ParseError { kind, request }) => {
                self.counters.unreadable += 1;
                tracing::debug!(remote = %path.remote, transport = %path.transport, %kind, "unreadable message");
                // Only somebody we know is told what is wrong.
                if let Some(request) = request
                    && self.screen.source(path.remote.ip(), path.transport) != Source::Stranger
                {
                    self.respond_stateless(*request, path, kind.status(), &kind.to_string());
                }
            }
        }
    }

    fn receive_response(&mut self, now: Instant, path: Path, response: Response) {
        let ours = via::is_for_us(&response, |sent_by| {
            let expected = self.sent_by(path);
            sent_by.port == expected.port && sent_by.host.ip() == expected.host.ip()
        });
        if !ours {
            self.counters.bad_responses += 1;
            return;
        }
        self.transactions.handle_response(now, response, path);
    }

    fn receive_request(&mut self, now: Instant, path: Path, mut request: Request, payload: &Bytes) {
        if via::stamp(&mut request, path.remote).is_err() {
            // Without a Via there is no way to answer.
            self.counters.malformed += 1;
            return;
        }
        // What belongs to a dialog or transaction was admitted with it; CANCEL and ACK carry no credentials of their own
        // (RFC 3261 §22.1), and a request that comes again would use its nonce count twice.
        let in_dialog = DialogId::of_request(&request).is_some_and(|id| self.dialogs.contains_key(&id));
        let admitted = in_dialog || self.transactions.is_known(&request);
        let peer = match self.screen.source(path.remote.ip(), path.transport) {
            Source::Peer(peer) => Some(peer),
            Source::Challenge | Source::Stranger if admitted => None,
            Source::Challenge => {
                self.trace(true, path, payload);
                return self.receive_unproven(now, path, request);
            }
            Source::Stranger => return self.receive_stranger(path, request),
        };
        self.trace(true, path, payload);
        self.flows.mark_known(path.flow);
        self.receive_known(now, path, request, peer);
    }

    fn receive_stranger(&mut self, path: Path, request: Request) {
        if request.method == Method::Ack {
            // To a 403 of ours, as a rule.
            return;
        }
        self.counters.strangers += 1;
        self.outputs.push_back(Output::Event(Event::Stranger {
            remote: path.remote,
            transport: path.transport,
            method: Bytes::copy_from_slice(request.method.as_bytes()),
        }));
        if self.config.unknown_sources == UnknownSources::Reject {
            self.respond_stateless(request, path, 403, "Forbidden");
        }
    }

    /// A request from a source that identifies nobody, over a transport by which some peer may prove itself.
    fn receive_unproven(&mut self, now: Instant, path: Path, request: Request) {
        if matches!(request.method, Method::Ack | Method::Cancel) {
            return;
        }
        if let Err(error) = check_request(&request) {
            self.counters.malformed += 1;
            return self.respond_stateless(request, path, 400, &error.to_string());
        }
        let candidates: Vec<PeerId> = self.screen.challenged(path.transport).collect();
        let peers = &self.peers;
        let verdict = self.digest_server.verify(now, &request, Challenger::UserAgent, |username| {
            candidates.iter().find_map(|peer| {
                let (name, password) = peers[peer.0 as usize].config.credentials.as_ref()?;
                (name == username).then_some(password)
            })
        });
        match verdict {
            Verdict::Accepted { username } => {
                let peer = candidates.into_iter().find(|peer| {
                    self.peers[peer.0 as usize].config.credentials.as_ref().is_some_and(|(name, _)| *name == username)
                });
                self.flows.mark_known(path.flow);
                self.receive_known(now, path, request, peer);
            }
            Verdict::Missing | Verdict::Stale => {
                self.counters.challenged += 1;
                let mut response = request.response(401, Some(&self.stateless_tag));
                self.digest_server.challenge(now, Challenger::UserAgent, verdict == Verdict::Stale, &mut response);
                self.send_stateless(&request, path, response);
            }
            Verdict::Wrong(reason) => {
                self.counters.unauthorized += 1;
                tracing::warn!(remote = %path.remote, transport = %path.transport, %reason, "credentials refused");
                self.outputs.push_back(Output::Event(Event::Stranger {
                    remote: path.remote,
                    transport: path.transport,
                    method: Bytes::copy_from_slice(request.method.as_bytes()),
                }));
                self.respond_stateless(request, path, 403, "Forbidden");
            }
        }
    }

    /// A request of a peer we know, or one that belongs to a dialog or transaction.
    fn receive_known(&mut self, now: Instant, path: Path, request: Request, peer: Option<PeerId>) {
        if let Err(error) = check_request(&request) {
            self.counters.malformed += 1;
            if request.method != Method::Ack {
                self.respond_stateless(request, path, 400, &error.to_string());
            }
            return;
        }
        match self.transactions.handle_request(now, &request, path) {
            RequestMatch::New(key) => self.new_request(now, path, request, peer, key),
            RequestMatch::Retransmission(_) | RequestMatch::Ack(_) => {}
            RequestMatch::AckFor2xx => self.ack_received(now, path, &request),
            RequestMatch::Cancel { invite, cancel } => {
                let status = if invite.is_some() { 200 } else { 481 };
                self.respond_to(now, cancel, &request, request.response(status, Some(&self.stateless_tag.clone())));
                if let Some(invite) = invite {
                    self.cancel_received(now, invite, &request);
                }
            }
            RequestMatch::Merged(key) => self.refuse(now, key, &request, 482),
            RequestMatch::Shed => {
                self.counters.shed += 1;
                self.respond_stateless(request, path, 503, "Service Unavailable");
            }
            RequestMatch::Malformed(error) => {
                self.counters.malformed += 1;
                self.respond_stateless(request, path, 400, &error.to_string());
            }
        }
    }

    /// A request that begins a transaction.
    fn new_request(&mut self, now: Instant, path: Path, request: Request, peer: Option<PeerId>, key: ServerKey) {
        if let Some(id) = DialogId::of_request(&request) {
            match self.dialogs.get(&id) {
                Some(&call) => self.request_in_dialog(now, path, call, request, key),
                None => self.refuse(now, key, &request, 481),
            }
            return;
        }
        let Some(peer) = peer else { return self.refuse(now, key, &request, 481) };
        if !matches!(request.uri.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel) {
            return self.refuse(now, key, &request, 416);
        }
        if request.headers.typed::<MaxForwards>().is_ok_and(|hops| hops == Some(MaxForwards(0)))
            && request.method != Method::Options
        {
            return self.refuse(now, key, &request, 483);
        }
        if !requires_only_known(request.headers.tokens(&HeaderName::Require)) {
            let mut response = request.response(420, Some(&self.stateless_tag));
            for tag in
                request.headers.tokens(&HeaderName::Require).filter(|tag| !requires_only_known([tag].into_iter()))
            {
                response.headers.push(HeaderName::Unsupported, tag.to_vec());
            }
            return self.respond_to(now, key, &request, response);
        }
        match request.method {
            Method::Invite => self.invite_received(now, path, request, peer, key),
            Method::Options => {
                let status = if self.accepting { 200 } else { 503 };
                let mut response = request.response(status, Some(&self.stateless_tag));
                response.headers.push(HeaderName::Accept, crate::call::SDP_TYPE);
                self.respond_to(now, key, &request, response);
            }
            // In-dialog methods outside any dialog.
            Method::Bye | Method::Update | Method::Info | Method::Prack | Method::Notify => {
                self.refuse(now, key, &request, 481);
            }
            Method::Other(_) => self.refuse(now, key, &request, 501),
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Subscribe
            | Method::Publish
            | Method::Refer
            | Method::Message => self.refuse(now, key, &request, 405),
        }
    }

    /// Answers a request with a status and nothing more.
    pub(super) fn refuse(&mut self, now: Instant, key: ServerKey, request: &Request, status: u16) {
        let response = request.response(status, Some(&self.stateless_tag));
        self.respond_to(now, key, request, response);
    }

    /// Answers a request within its transaction.
    pub(super) fn respond_to(&mut self, now: Instant, key: ServerKey, request: &Request, mut response: Response) {
        if let Some(path) = self.transactions.response_path(key) {
            self.dress_response(&mut response, path, &request.method, None);
            self.transactions.respond(now, key, &response);
        }
    }

    /// Answers a request without keeping anything (RFC 3261 §8.2.7).
    fn respond_stateless(&mut self, request: Request, path: Path, status: u16, reason: &str) {
        if request.method == Method::Ack {
            return;
        }
        let mut response = request.response(status, Some(&self.stateless_tag));
        response.reason = reason.into();
        self.send_stateless(&request, path, response);
    }

    fn send_stateless(&mut self, request: &Request, path: Path, mut response: Response) {
        let Ok(Some(top)) = request.headers.typed::<Via>() else { return };
        let path = via::response_path(&top, path);
        self.dress_response(&mut response, path, &request.method, None);
        self.push_transmit(path.transmit(response.to_bytes()));
    }

    /// What a transaction tells.
    pub(super) fn transaction_event(&mut self, now: Instant, event: TransactionEvent) {
        match event {
            TransactionEvent::Response { key, response, path } => self.response_received(now, key, response, path),
            TransactionEvent::ClientTimeout { key } => self.request_failed(now, key, RequestFailure::Timeout),
            TransactionEvent::ClientTransportError { key } => {
                self.request_failed(now, key, RequestFailure::Unreachable);
            }
            TransactionEvent::ClientTerminated { key } => self.client_terminated(now, key),
            TransactionEvent::ServerTimeout { key, .. } | TransactionEvent::ServerTransportError { key } => {
                self.server_failed(now, key);
            }
            TransactionEvent::ServerTerminated { key } => {
                self.by_server.remove(&key);
            }
            // A 2xx whose transaction is gone: its call, if it stands, has sent the ACK often enough.
            TransactionEvent::Stray { .. } => {}
        }
    }
}

/// Whether a request has what every request must have, readable (RFC 3261 §8.1.1, §8.2).
fn check_request(request: &Request) -> Result<(), HeaderError> {
    request.headers.required::<Via>()?;
    request.headers.required::<To>()?;
    request.headers.required::<From>()?;
    request.headers.call_id()?;
    request.headers.typed::<MaxForwards>()?;
    let sequence: CSeq = request.headers.required()?;
    if sequence.method != request.method {
        return Err(HeaderError::Malformed(HeaderName::CSeq));
    }
    for name in [HeaderName::To, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        if request.headers.values(&name).nth(1).is_some() {
            return Err(HeaderError::Repeated(name));
        }
    }
    Ok(())
}
