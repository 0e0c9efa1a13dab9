//! The table of all transactions of an endpoint: finds the one a message belongs to, and runs their timers.
//!
//! RFC 3261 §9, §17.1.3, §17.2.3 and §8.2.2.2. It creates state for every request it is given: requests that deserve no
//! answer are to be dropped before they come here.

use super::TransactionConfig;
use super::event::{ClientEvent, ServerEvent, TransactionEvent};
use super::invite_client::InviteClient;
use super::invite_server::InviteServer;
use super::key::{self, ClientKey, MatchKey, RequestIdentity, ServerKey};
use super::other_client::OtherClient;
use super::other_server::OtherServer;
use crate::message::header::Via;
use crate::message::{Header, HeaderError, HeaderName, Method, Request, Response};
use crate::transport::{Path, via};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;
use thiserror::Error;
use voip_core::net::{FlowId, Transmit};
use voip_core::time::Deadlines;

/// All transactions of an endpoint.
#[derive(Debug)]
pub struct Transactions {
    config: TransactionConfig,
    clients: HashMap<ClientKey, Client>,
    servers: HashMap<ServerKey, Server>,
    client_by_match: HashMap<MatchKey, ClientKey>,
    server_by_match: HashMap<MatchKey, ServerKey>,
    merged: HashMap<MatchKey, ServerKey>,
    by_flow: BTreeSet<(FlowId, Id)>,
    deadlines: Deadlines<Id>,
    next_id: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<TransactionEvent>,
    counters: TransactionCounters,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestMatch {
    /// A new request, to be answered.
    New(ServerKey),
    /// It came before; the transaction has done what there is to do.
    Retransmission(ServerKey),
    /// The ACK of a final response other than 2xx; the transaction has taken it.
    Ack(ServerKey),
    /// An ACK that belongs to no transaction, or to one that was accepted: the dialog's.
    AckFor2xx,
    /// A CANCEL, to be answered with 200, or with 481 when `invite` is `None` (RFC 3261 §9.2).
    Cancel {
        /// The INVITE it cancels: still to be answered, with 487, if [`Transactions::is_proceeding`] says so.
        invite: Option<ServerKey>,
        /// The CANCEL's own transaction.
        cancel: ServerKey,
    },
    /// A request that came before by another way, to be answered with 482 (RFC 3261 §8.2.2.2).
    Merged(ServerKey),
    /// The table is full; nothing is kept of it. A 503 may be sent without a transaction.
    Shed,
    /// A header that every request must have is missing or broken; nothing is kept of it. A 400 may be sent without a
    /// transaction, if there is a Via to send it by.
    Malformed(HeaderError),
}

/// What came of [`Transactions::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// CANCEL is on its way.
    Sent,
    /// No response has come yet: CANCEL goes when a provisional one does (RFC 3261 §9.1), and never if the first is final.
    HeldBack,
    /// A final response has come, or CANCEL was sent before, or there is no such INVITE.
    TooLate,
}

/// A request that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// As many client transactions as [`TransactionConfig::max_transactions`] allows are running.
    #[error("too many client transactions")]
    TableFull,
    /// The topmost Via is missing or has no branch, or the CSeq is missing or not of this method.
    #[error("the request is not ready to be sent: {0}")]
    Incomplete(HeaderError),
    /// Another transaction runs under the same branch.
    #[error("the branch is in use")]
    BranchInUse,
    /// ACK is sent without a transaction (RFC 3261 §17).
    #[error("ACK has no transaction")]
    Ack,
}

/// What the table counts, each since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionCounters {
    /// Client transactions begun.
    pub clients: u64,
    /// Server transactions begun.
    pub servers: u64,
    /// Retransmissions sent by timers.
    pub retransmits_sent: u64,
    /// Retransmitted requests taken in.
    pub retransmits_received: u64,
    /// Requests refused since the table was full, received ones.
    pub shed_servers: u64,
    /// Requests refused since the table was full, those to be sent.
    pub shed_clients: u64,
    /// Requests that lack what they must have.
    pub malformed_requests: u64,
    /// Responses that lack what they must have, or have more than one Via (RFC 3261 §8.1.3.3).
    pub malformed_responses: u64,
    /// Responses that belong to no transaction.
    pub stray_responses: u64,
    /// ACKs that the INVITE transaction took.
    pub acks: u64,
    /// Transactions that ended by Timer B, F, H or a limit.
    pub timeouts: u64,
    /// Requests that came by a second way.
    pub merged: u64,
}

/// Which side a transaction is on. Server before client, so that due answers leave before due questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Id {
    Server(ServerKey),
    Client(ClientKey),
}

#[derive(Debug)]
struct Client {
    machine: ClientMachine,
    path: Path,
    match_key: MatchKey,
    /// A CANCEL is the table's own: its user is told nothing of it.
    internal: bool,
    cancel: CancelState,
}

#[derive(Debug)]
enum ClientMachine {
    Invite(Box<InviteClient>),
    Other(Box<OtherClient>),
}

#[derive(Debug)]
enum CancelState {
    None,
    Held(Vec<Header>),
    Sent,
}

#[derive(Debug)]
struct Server {
    machine: ServerMachine,
    /// Where responses go.
    path: Path,
    match_key: MatchKey,
    merge_key: Option<MatchKey>,
}

#[derive(Debug)]
enum ServerMachine {
    Invite(Box<InviteServer>),
    Other(Box<OtherServer>),
}

impl Transactions {
    /// An empty table.
    pub fn new(config: TransactionConfig) -> Self {
        Self {
            config,
            clients: HashMap::new(),
            servers: HashMap::new(),
            client_by_match: HashMap::new(),
            server_by_match: HashMap::new(),
            merged: HashMap::new(),
            by_flow: BTreeSet::new(),
            deadlines: Deadlines::default(),
            next_id: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: TransactionCounters::default(),
        }
    }

    /// Sends a request along `path`. Its topmost Via is this host's, with a branch of its own.
    pub fn send_request(&mut self, now: Instant, request: Request, path: Path) -> Result<ClientKey, SendError> {
        if self.clients.len() >= self.config.max_transactions {
            self.counters.shed_clients += 1;
            return Err(SendError::TableFull);
        }
        self.begin_client(now, request, path, false)
    }

    /// Cancels an INVITE (RFC 3261 §9.1). `headers` are added to the CANCEL: a Reason, say. Its final response still
    /// comes as an event, 487 as a rule, and a 2xx if that was under way; or a timeout after 64*T1.
    pub fn cancel(&mut self, now: Instant, key: ClientKey, headers: &[Header]) -> CancelOutcome {
        let Some(client) = self.clients.get_mut(&key) else { return CancelOutcome::TooLate };
        let ClientMachine::Invite(machine) = &client.machine else { return CancelOutcome::TooLate };
        match client.cancel {
            CancelState::None if machine.is_calling() => {
                client.cancel = CancelState::Held(headers.to_vec());
                CancelOutcome::HeldBack
            }
            CancelState::None if machine.is_proceeding() => {
                self.send_cancel(now, key, headers);
                CancelOutcome::Sent
            }
            CancelState::Held(_) => CancelOutcome::HeldBack,
            CancelState::None | CancelState::Sent => CancelOutcome::TooLate,
        }
    }

    /// A request came whose topmost Via has been [stamped](via::stamp).
    pub fn handle_request(&mut self, now: Instant, request: &Request, path: Path) -> RequestMatch {
        match self.route_request(now, request, path) {
            Ok(found) => found,
            Err(error) => {
                self.counters.malformed_requests += 1;
                RequestMatch::Malformed(error)
            }
        }
    }

    /// Responds to a request; whether its transaction still allows it. A 2xx to INVITE is sent once here, and then by
    /// [`Retransmit2xx`](super::Retransmit2xx).
    pub fn respond(&mut self, now: Instant, key: ServerKey, response: &Response) -> bool {
        let Some(server) = self.servers.get_mut(&key) else { return false };
        let taken = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.respond(now, response),
            ServerMachine::Other(machine) => machine.respond(now, response),
        };
        self.drain_server(key);
        taken
    }

    /// Whether a request belongs to a server transaction that runs: it came before, or is the ACK or CANCEL of an INVITE
    /// that did. Such a request has been admitted with its first copy.
    pub fn is_known(&self, request: &Request) -> bool {
        let method =
            if matches!(request.method, Method::Ack | Method::Cancel) { &Method::Invite } else { &request.method };
        RequestIdentity::read(request)
            .and_then(|identity| identity.server_key(request, method))
            .is_ok_and(|key| self.server_by_match.contains_key(&key))
    }

    /// Where the responses to a request go.
    pub fn response_path(&self, key: ServerKey) -> Option<Path> {
        self.servers.get(&key).map(|server| server.path)
    }

    /// Whether a received request still waits for its final response.
    pub fn is_proceeding(&self, key: ServerKey) -> bool {
        self.servers.get(&key).is_some_and(|server| match &server.machine {
            ServerMachine::Invite(machine) => machine.is_proceeding(),
            ServerMachine::Other(machine) => machine.is_proceeding(),
        })
    }

    /// A response came.
    pub fn handle_response(&mut self, now: Instant, response: Response, path: Path) {
        // A second Via means that it was meant for a proxy (RFC 3261 §8.1.3.3).
        let Ok(match_key) =
            key::response_key(&response).and_then(|found| match response.headers.list::<Via>().nth(1) {
                None => Ok(found),
                Some(_) => Err(HeaderError::Repeated(HeaderName::Via)),
            })
        else {
            self.counters.malformed_responses += 1;
            return;
        };
        let Some(&key) = self.client_by_match.get(&match_key) else {
            self.counters.stray_responses += 1;
            self.events.push_back(TransactionEvent::Stray { response, path });
            return;
        };
        let Some(client) = self.clients.get_mut(&key) else { return };
        match &mut client.machine {
            ClientMachine::Invite(machine) => machine.handle_response(now, response),
            ClientMachine::Other(machine) => machine.handle_response(now, response),
        }
        self.drain_client(key, path);
        self.release_held_cancel(now, key);
    }

    /// A flow is gone: requests sent on it end, unless their final response has come; requests received by it keep what
    /// time they have, since the answer may still find another way.
    pub fn handle_flow_failed(&mut self, flow: FlowId) {
        self.fail(flow, None);
    }

    /// The network says that `remote` cannot be reached on a flow, as ICMP does for UDP.
    pub fn handle_unreachable(&mut self, flow: FlowId, remote: SocketAddr) {
        self.fail(flow, Some(remote));
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.deadlines.expire(now) {
            match id {
                Id::Client(key) => self.client_timeout(now, key),
                Id::Server(key) => {
                    let Some(server) = self.servers.get_mut(&key) else { continue };
                    match &mut server.machine {
                        ServerMachine::Invite(machine) => machine.handle_timeout(now),
                        ServerMachine::Other(machine) => machine.handle_timeout(now),
                    }
                    self.counters.retransmits_sent += self.drain_server(key);
                }
            }
        }
    }

    /// What is to be sent; call until `None`.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened; call until `None`.
    pub fn poll_event(&mut self) -> Option<TransactionEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// How many transactions there are, on both sides.
    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty()
    }

    /// What has been counted.
    pub fn counters(&self) -> TransactionCounters {
        self.counters
    }

    /// The timers and bounds.
    pub fn config(&self) -> &TransactionConfig {
        &self.config
    }

    fn begin_client(
        &mut self,
        now: Instant,
        request: Request,
        path: Path,
        internal: bool,
    ) -> Result<ClientKey, SendError> {
        if request.method == Method::Ack {
            return Err(SendError::Ack);
        }
        let RequestIdentity { via, cseq } = RequestIdentity::read(&request).map_err(SendError::Incomplete)?;
        let branch = via.branch().ok_or(SendError::Incomplete(HeaderError::Malformed(HeaderName::Via)))?;
        let match_key = key::client_key(branch.as_bytes(), &cseq.method);
        if self.client_by_match.contains_key(&match_key) {
            return Err(SendError::BranchInUse);
        }
        let key = ClientKey(self.allocate());
        let reliable = path.transport.is_reliable();
        let machine = if request.method == Method::Invite {
            ClientMachine::Invite(Box::new(InviteClient::new(now, request, reliable, self.config)))
        } else {
            ClientMachine::Other(Box::new(OtherClient::new(now, &request, reliable, self.config)))
        };
        self.client_by_match.insert(match_key.clone(), key);
        self.by_flow.insert((path.flow, Id::Client(key)));
        self.clients.insert(key, Client { machine, path, match_key, internal, cancel: CancelState::None });
        self.counters.clients += 1;
        self.drain_client(key, path);
        Ok(key)
    }

    /// Sends the CANCEL of an INVITE in Proceeding. It is outside the bound: there is at most one for each INVITE.
    fn send_cancel(&mut self, now: Instant, key: ClientKey, headers: &[Header]) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let ClientMachine::Invite(machine) = &mut client.machine else { return };
        let mut cancel = machine.cancel();
        for header in headers {
            cancel.headers.push(header.name.clone(), header.value.clone());
        }
        machine.cancelled(now);
        client.cancel = CancelState::Sent;
        let path = client.path;
        self.deadlines.set(Id::Client(key), machine.poll_timeout());
        // It can only fail when a user sent a CANCEL under this branch itself, which serves as well.
        let _ = self.begin_client(now, cancel, path, true);
    }

    /// Sends a CANCEL that waited for a provisional response.
    fn release_held_cancel(&mut self, now: Instant, key: ClientKey) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let ClientMachine::Invite(machine) = &client.machine else { return };
        let proceeding = machine.is_proceeding();
        let CancelState::Held(headers) = &mut client.cancel else { return };
        let headers = std::mem::take(headers);
        // A final response leaves nothing to cancel.
        client.cancel = CancelState::Sent;
        if proceeding {
            self.send_cancel(now, key, &headers);
        }
    }

    fn client_timeout(&mut self, now: Instant, key: ClientKey) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let path = client.path;
        match &mut client.machine {
            // The limit of a ringing INVITE: it is cancelled first, and ends 64*T1 later if even that gets no answer.
            ClientMachine::Invite(machine)
                if machine.is_proceeding() && !matches!(client.cancel, CancelState::Sent) =>
            {
                self.send_cancel(now, key, &[]);
                return;
            }
            ClientMachine::Invite(machine) => machine.handle_timeout(now),
            ClientMachine::Other(machine) => machine.handle_timeout(now),
        }
        self.counters.retransmits_sent += self.drain_client(key, path);
    }

    fn route_request(&mut self, now: Instant, request: &Request, path: Path) -> Result<RequestMatch, HeaderError> {
        let identity = RequestIdentity::read(request)?;
        request.headers.call_id()?;
        if request.method == Method::Ack {
            let invite = identity.server_key(request, &Method::Invite)?;
            return Ok(self.handle_ack(now, &invite));
        }
        if request.method == Method::Cancel {
            let invite = identity.server_key(request, &Method::Invite)?;
            let invite = self.server_by_match.get(&invite).copied();
            let found = |cancel| RequestMatch::Cancel { invite, cancel };
            return self.handle_other(now, request, &identity, path, found);
        }
        self.handle_other(now, request, &identity, path, RequestMatch::New)
    }

    fn handle_ack(&mut self, now: Instant, invite: &MatchKey) -> RequestMatch {
        let Some(&key) = self.server_by_match.get(invite) else { return RequestMatch::AckFor2xx };
        let Some(Server { machine: ServerMachine::Invite(machine), .. }) = self.servers.get_mut(&key) else {
            return RequestMatch::AckFor2xx;
        };
        if machine.handle_ack(now) {
            return RequestMatch::AckFor2xx;
        }
        self.counters.acks += 1;
        self.drain_server(key);
        RequestMatch::Ack(key)
    }

    fn handle_other(
        &mut self,
        now: Instant,
        request: &Request,
        identity: &RequestIdentity,
        path: Path,
        found: impl FnOnce(ServerKey) -> RequestMatch,
    ) -> Result<RequestMatch, HeaderError> {
        let match_key = identity.server_key(request, &request.method)?;
        if let Some(&key) = self.server_by_match.get(&match_key) {
            self.counters.retransmits_received += 1;
            if let Some(server) = self.servers.get_mut(&key) {
                match &mut server.machine {
                    ServerMachine::Invite(machine) => machine.handle_retransmission(),
                    ServerMachine::Other(machine) => machine.handle_retransmission(),
                }
                self.drain_server(key);
            }
            return Ok(RequestMatch::Retransmission(key));
        }
        let is_cancel = request.method == Method::Cancel;
        // A CANCEL of an INVITE that is here gets in even when the table is full: it makes room.
        let room = self.servers.len() < self.config.max_transactions
            || is_cancel && self.server_by_match.contains_key(&identity.server_key(request, &Method::Invite)?);
        if !room {
            self.counters.shed_servers += 1;
            return Ok(RequestMatch::Shed);
        }
        let merge_key = if is_cancel { None } else { identity.merge_key(request) };
        let is_merged = merge_key.as_ref().is_some_and(|key| self.merged.contains_key(key));
        let key = ServerKey(self.allocate());
        let response_path = via::response_path(&identity.via, path);
        let reliable = path.transport.is_reliable();
        let machine = if request.method == Method::Invite {
            ServerMachine::Invite(Box::new(InviteServer::new(now, reliable, self.config)))
        } else {
            ServerMachine::Other(Box::new(OtherServer::new(now, reliable, self.config)))
        };
        let merge_key = merge_key.filter(|_| !is_merged);
        if let Some(merge_key) = &merge_key {
            self.merged.insert(merge_key.clone(), key);
        }
        self.server_by_match.insert(match_key.clone(), key);
        self.by_flow.insert((path.flow, Id::Server(key)));
        self.servers.insert(key, Server { machine, path: response_path, match_key, merge_key });
        self.counters.servers += 1;
        self.drain_server(key);
        if is_merged {
            self.counters.merged += 1;
            return Ok(RequestMatch::Merged(key));
        }
        Ok(found(key))
    }

    fn fail(&mut self, flow: FlowId, remote: Option<SocketAddr>) {
        let first = (flow, Id::Server(ServerKey(0)));
        let last = (flow, Id::Client(ClientKey(u64::MAX)));
        let affected: Vec<Id> = self.by_flow.range(first..=last).map(|(_, id)| *id).collect();
        for id in affected {
            match id {
                Id::Client(key) => {
                    let Some(client) = self.clients.get_mut(&key) else { continue };
                    let path = client.path;
                    if remote.is_some_and(|remote| remote != path.remote) {
                        continue;
                    }
                    match &mut client.machine {
                        ClientMachine::Invite(machine) => machine.handle_transport_error(),
                        ClientMachine::Other(machine) => machine.handle_transport_error(),
                    }
                    self.drain_client(key, path);
                }
                Id::Server(key) => {
                    let concerned =
                        self.response_path(key).is_some_and(|path| remote.is_none_or(|remote| remote == path.remote));
                    if concerned && self.is_proceeding(key) {
                        self.events.push_back(TransactionEvent::ServerTransportError { key });
                    }
                }
            }
        }
    }

    /// Takes what a client machine has to say; how many messages that were. `path` is where its last response came from.
    fn drain_client(&mut self, key: ClientKey, path: Path) -> u64 {
        let Some(client) = self.clients.get_mut(&key) else { return 0 };
        let (transmit, event, deadline, over) = match &mut client.machine {
            ClientMachine::Invite(m) => (m.poll_transmit(), m.poll_event(), m.poll_timeout(), m.is_terminated()),
            ClientMachine::Other(m) => (m.poll_transmit(), m.poll_event(), m.poll_timeout(), m.is_terminated()),
        };
        let sent = u64::from(transmit.is_some());
        self.transmits.extend(transmit.map(|payload: Bytes| client.path.transmit(payload)));
        let internal = client.internal;
        if let Some(event) = event {
            self.counters.timeouts += u64::from(event == ClientEvent::Timeout);
            if !internal {
                self.events.push_back(match event {
                    ClientEvent::Response(response) => TransactionEvent::Response { key, response, path },
                    ClientEvent::Timeout => TransactionEvent::ClientTimeout { key },
                    ClientEvent::TransportError => TransactionEvent::ClientTransportError { key },
                });
            }
        }
        self.deadlines.set(Id::Client(key), deadline);
        if over && let Some(client) = self.clients.remove(&key) {
            self.client_by_match.remove(&client.match_key);
            self.by_flow.remove(&(client.path.flow, Id::Client(key)));
            if !internal {
                self.events.push_back(TransactionEvent::ClientTerminated { key });
            }
        }
        sent
    }

    /// Takes what a server machine has to say; how many messages that were.
    fn drain_server(&mut self, key: ServerKey) -> u64 {
        let Some(server) = self.servers.get_mut(&key) else { return 0 };
        let (transmit, event, deadline, over) = match &mut server.machine {
            ServerMachine::Invite(m) => (m.poll_transmit(), m.poll_event(), m.poll_timeout(), m.is_terminated()),
            ServerMachine::Other(m) => (m.poll_transmit(), m.poll_event(), m.poll_timeout(), m.is_terminated()),
        };
        let sent = u64::from(transmit.is_some());
        self.transmits.extend(transmit.map(|payload: Bytes| server.path.transmit(payload)));
        if let Some(ServerEvent::Timeout(timeout)) = event {
            self.counters.timeouts += 1;
            self.events.push_back(TransactionEvent::ServerTimeout { key, timeout });
        }
        self.deadlines.set(Id::Server(key), deadline);
        if over && let Some(server) = self.servers.remove(&key) {
            self.server_by_match.remove(&server.match_key);
            if let Some(merge_key) = &server.merge_key {
                self.merged.remove(merge_key);
            }
            self.by_flow.remove(&(server.path.flow, Id::Server(key)));
            self.events.push_back(TransactionEvent::ServerTerminated { key });
        }
        sent
    }

    fn allocate(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// The 100 Trying of a request: it has no To tag, and Timestamp is copied (RFC 3261 §8.2.6.1).
pub fn trying(request: &Request) -> Response {
    let mut response = request.response(100, None);
    if let Some(value) = request.headers.value(&HeaderName::Timestamp) {
        response.headers.push(HeaderName::Timestamp, value.clone());
    }
    response
}

#[cfg(test)]
mod tests;
