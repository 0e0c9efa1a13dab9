//! The loop between a machine and the network.
//!
//! Socket tasks put what happens into one bounded queue; [`Driver::next_event`] takes it out, one input at a time, and
//! carries out what the machine then wants. Everything that it does itself is done without waiting: the only points at
//! which it may be cancelled are those where it waits for an input or a deadline, so nothing is ever lost.

use super::admission::Admission;
use super::clock;
use super::config::{ClientTls, DriverConfig, DriverError, Listener};
use super::counters::{Counters, count, drop_one};
use super::input::{Accepted, Input, Shared, Stream};
use super::listener::{self, Bound};
use super::machine::Machine;
use super::resolver::{self, Resolver};
use super::stream::{self, Writes};
use super::{tls, udp};
use crate::endpoint::{Answer, Connect, Event, Output, Query, ResolveId, TlsProfile};
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsConnector;
use voip_core::net::{FlowId, Transmit, Transport};

/// Owns the sockets of a machine and moves bytes between them and it.
///
/// Dropping it closes everything at once; [`shutdown`](Self::shutdown) sends what is queued first.
pub struct Driver {
    shared: Arc<Shared>,
    inputs: mpsc::Receiver<Input>,
    /// What the driver itself has to tell, before anything that waits in `inputs`.
    notices: VecDeque<Input>,
    /// Sockets that no machine knows of yet.
    bound: Vec<Bind>,
    attached: bool,
    listening: Vec<(Transport, SocketAddr)>,
    sockets: HashMap<FlowId, Arc<UdpSocket>>,
    connections: HashMap<FlowId, Connection>,
    outgoing: usize,
    connectors: Vec<TlsConnector>,
    resolver: Arc<Resolver>,
    deadline: Option<Instant>,
    services: JoinSet<()>,
    streams: JoinSet<()>,
    lookups: JoinSet<()>,
}

/// A bound socket.
enum Bind {
    Udp(SocketAddr, Arc<UdpSocket>),
    Stream(Bound),
}

/// A connection as the driver knows it.
struct Connection {
    writes: Writes,
    task: AbortHandle,
    /// We opened it.
    outgoing: bool,
    /// The machine knows that it is open.
    connected: bool,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("listening", &self.listening)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// Binds all listeners and reads all certificates. Must be called within a tokio runtime that has I/O and time.
    ///
    /// `tls_profiles` are what [`TlsProfile`] counts from 0.
    ///
    /// # Errors
    /// The first setting that cannot be: a busy port, an unreadable key. Nothing stays bound then.
    pub fn bind(
        listeners: Vec<Listener>,
        tls_profiles: Vec<ClientTls>,
        config: DriverConfig,
    ) -> Result<Self, DriverError> {
        let connectors = tls_profiles.iter().map(tls::connector).collect::<Result<_, _>>()?;
        let bound = listeners.iter().map(|listener| bind(listener, &config)).collect::<Result<Vec<_>, _>>()?;
        let listening = bound.iter().map(Bind::name).collect();
        let (sender, inputs) = mpsc::channel(config.input_queue.max(1));
        let shared =
            Shared { config, counters: Default::default(), inputs: sender, datagram_bytes: Default::default() };
        Ok(Self {
            shared: Arc::new(shared),
            inputs,
            notices: VecDeque::new(),
            bound,
            attached: false,
            listening,
            sockets: HashMap::new(),
            connections: HashMap::new(),
            outgoing: 0,
            connectors,
            resolver: Arc::default(),
            deadline: None,
            services: JoinSet::new(),
            streams: JoinSet::new(),
            lookups: JoinSet::new(),
        })
    }

    /// What is listened on, ports that the system chose included, in the order of the listeners given.
    pub fn listening(&self) -> &[(Transport, SocketAddr)] {
        &self.listening
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.shared.counters.snapshot()
    }

    /// Makes the sockets known to `machine` and starts to read them. [`next_event`](Self::next_event) does it when
    /// it was not done: call it before, when the machine is to place calls at once.
    pub fn attach(&mut self, machine: &mut impl Machine) {
        if std::mem::replace(&mut self.attached, true) {
            return;
        }
        let config = &self.shared.config;
        let admission = Admission::new(config.max_connections, config.max_connections_per_address);
        for bound in std::mem::take(&mut self.bound) {
            match bound {
                Bind::Udp(local, socket) => {
                    let flow = machine.bind_udp(local);
                    self.services.spawn(udp::read(flow, Arc::clone(&socket), Arc::clone(&self.shared)));
                    self.sockets.insert(flow, socket);
                }
                Bind::Stream(bound) => {
                    machine.listen(bound.transport, bound.local);
                    self.services.spawn(listener::accept(bound, admission.clone(), Arc::clone(&self.shared)));
                }
            }
        }
    }

    /// Runs `machine` until it has something to tell. Cancel-safe: for `tokio::select!`.
    ///
    /// Nothing moves while nobody awaits this. After any other call of the machine's methods, await it again.
    pub async fn next_event(&mut self, machine: &mut impl Machine) -> Event {
        self.attach(machine);
        loop {
            if let Some(event) = self.drain(machine) {
                return event;
            }
            // A machine that is never done must not keep the runtime from its other tasks.
            tokio::task::consume_budget().await;
            let now = clock::now();
            if self.deadline.take_if(|deadline| *deadline <= now).is_some() {
                machine.handle_timeout(now);
                continue;
            }
            if let Some(notice) = self.notices.pop_front() {
                self.tell(machine, notice);
                continue;
            }
            let deadline = self.deadline;
            tokio::select! {
                biased;
                input = self.inputs.recv() => {
                    // `shared` holds a sender, so the queue is never closed.
                    if let Some(input) = input {
                        self.take(machine, input);
                    }
                }
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// Carries out what `machine` wants until it wants nothing more, without running it further: what it has said last
    /// goes out before a [`shutdown`](Self::shutdown). Returns what it tells meanwhile.
    pub fn flush(&mut self, machine: &mut impl Machine) -> Vec<Event> {
        std::iter::from_fn(|| self.drain(machine)).collect()
    }

    /// Closes everything: listeners and sockets at once, connections when what was queued on them is out or `limit` has
    /// passed.
    pub async fn shutdown(mut self, limit: Duration) {
        self.inputs.close();
        self.services.abort_all();
        self.lookups.abort_all();
        // Tasks that wait for room in the queue see it closed and go on to write.
        self.connections.clear();
        let all_written = async { while self.streams.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all_written).await.is_err() {
            tracing::debug!("connections were closed before everything was written");
        }
    }

    /// Takes outputs until there are no more, or one is for the user.
    fn drain(&mut self, machine: &mut impl Machine) -> Option<Event> {
        loop {
            match machine.poll_output() {
                Output::Transmit(transmit) => self.transmit(transmit),
                Output::Connect(connect) => self.connect(connect),
                Output::Close(flow) => self.close(flow),
                Output::Resolve(id, query) => self.resolve(id, query),
                Output::Event(event) => return Some(event),
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return None;
                }
            }
        }
    }

    /// Takes an input from the queue. What a connection that is gone still had to say is dropped.
    fn take(&mut self, machine: &mut impl Machine, input: Input) {
        match &input {
            Input::Datagram { payload, .. } => {
                self.shared.datagram_bytes.fetch_sub(payload.len(), Ordering::Relaxed);
            }
            Input::Stream { flow, .. } => {
                if !self.connections.contains_key(flow) {
                    return;
                }
            }
            Input::Connected { flow, .. } => match self.connections.get_mut(flow) {
                Some(connection) => connection.connected = true,
                None => return,
            },
            Input::Closed { flow, .. } => {
                if self.forget(*flow).is_none() {
                    return;
                }
            }
            Input::Accepted(_) | Input::Resolved(..) => {}
        }
        self.tell(machine, input);
    }

    /// Gives an input to the machine.
    fn tell(&mut self, machine: &mut impl Machine, input: Input) {
        let now = clock::now();
        match input {
            Input::Datagram { flow, remote, payload } => machine.handle_datagram(now, flow, remote, payload),
            Input::Stream { flow, bytes } => machine.handle_stream(now, flow, bytes),
            Input::Connected { flow, local } => machine.handle_connected(now, flow, local),
            Input::Closed { flow, words } => {
                tracing::debug!(%flow, %words, "a connection is closed");
                machine.handle_closed(now, flow, &words);
            }
            Input::Resolved(id, answer) => machine.handle_resolved(now, id, answer),
            Input::Accepted(accepted) => self.accept(now, machine, *accepted),
        }
    }

    fn accept(&mut self, now: Instant, machine: &mut impl Machine, accepted: Accepted) {
        let Accepted { transport, local, remote, stream, admitted } = accepted;
        let Some(flow) = machine.handle_accepted(now, transport, local, remote) else {
            count(&self.shared.counters.connections_unwanted);
            drop_one(&self.shared.counters.connections_open);
            tracing::debug!(%transport, %remote, "a connection is not wanted");
            if let Stream::Plain(stream) = &stream {
                listener::refuse(stream);
            }
            return;
        };
        count(&self.shared.counters.connections_accepted);
        tracing::debug!(%flow, %transport, %remote, "a connection is accepted");
        let (writes, queued) = stream::write_queue(&self.shared.config);
        let shared = Arc::clone(&self.shared);
        let task = self.spawn(async move {
            let _admitted = admitted;
            stream::run_accepted(flow, stream, queued, shared).await;
        });
        self.connections.insert(flow, Connection { writes, task, outgoing: false, connected: true });
    }

    fn transmit(&mut self, transmit: Transmit) {
        let Transmit { flow, remote, payload } = transmit;
        if let Some(socket) = self.sockets.get(&flow) {
            return udp::send(socket, remote, &payload, &self.shared);
        }
        let Some(connection) = self.connections.get(&flow) else {
            return count(&self.shared.counters.transmits_without_flow);
        };
        if connection.writes.push(payload) {
            return;
        }
        count(&self.shared.counters.connections_slow);
        tracing::warn!(%flow, %remote, "a connection is closed: the far side does not read what is sent to it");
        if let Some(connection) = self.forget(flow) {
            connection.task.abort();
        }
        self.report_closed(flow, "the far side does not read what is sent to it: the write queue is full");
    }

    fn connect(&mut self, connect: Connect) {
        let flow = connect.flow;
        if self.outgoing >= self.shared.config.max_outgoing {
            count(&self.shared.counters.connections_failed);
            return self.report_closed(flow, "too many connections were opened already");
        }
        let tls = match connect.transport {
            Transport::Tcp => None,
            Transport::Tls => match self.connector(connect.tls) {
                Some(tls) => Some(tls),
                None => return self.report_closed(flow, "the driver was given no such TLS profile"),
            },
            Transport::Udp | Transport::Ws | Transport::Wss => {
                return self.report_closed(flow, "the driver opens connections for tcp and tls only");
            }
        };
        let source = self.source(connect.remote);
        let (writes, queued) = stream::write_queue(&self.shared.config);
        let shared = Arc::clone(&self.shared);
        let task = self.spawn(stream::connect_and_run(connect, source, tls, queued, shared));
        self.outgoing += 1;
        self.connections.insert(flow, Connection { writes, task, outgoing: true, connected: false });
    }

    fn connector(&self, profile: TlsProfile) -> Option<TlsConnector> {
        self.connectors.get(usize::try_from(profile.0).ok()?).cloned()
    }

    /// The address to connect from: that of a listener which is bound to one, so that a host with several is known to
    /// its peers by the one that it was told to use.
    fn source(&self, remote: SocketAddr) -> Option<std::net::IpAddr> {
        self.listening.iter().map(|(_, local)| local.ip()).find(|ip| {
            !ip.is_unspecified() && ip.is_ipv4() == remote.is_ipv4() && ip.is_loopback() == remote.ip().is_loopback()
        })
    }

    /// Closes a connection: its task sees its write queue end, writes what is in it, and says farewell.
    fn close(&mut self, flow: FlowId) {
        if let Some(connection) = self.forget(flow)
            && !connection.connected
        {
            connection.task.abort();
        }
    }

    fn forget(&mut self, flow: FlowId) -> Option<Connection> {
        let connection = self.connections.remove(&flow)?;
        self.outgoing -= usize::from(connection.outgoing);
        Some(connection)
    }

    /// Tells the machine at the next turn that a flow is gone.
    fn report_closed(&mut self, flow: FlowId, words: &'static str) {
        self.notices.push_back(Input::Closed { flow, words: Cow::Borrowed(words) });
    }

    fn resolve(&mut self, id: ResolveId, query: Query) {
        if let Some(answer) = resolver::known(&query) {
            return self.notices.push_back(Input::Resolved(id, answer));
        }
        while self.lookups.try_join_next().is_some() {}
        if self.lookups.len() >= self.shared.config.max_lookups {
            count(&self.shared.counters.lookups_refused);
            return self.notices.push_back(Input::Resolved(id, resolver::nothing(&query)));
        }
        count(&self.shared.counters.lookups);
        let (resolver, shared) = (Arc::clone(&self.resolver), Arc::clone(&self.shared));
        self.lookups.spawn(async move {
            let answer = look_up(&resolver, &query, &shared).await;
            shared.tell(Input::Resolved(id, answer)).await;
        });
    }

    /// Spawns the task of a connection, and reaps those that have ended.
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        while self.streams.try_join_next().is_some() {}
        self.streams.spawn(task)
    }
}

impl Bind {
    const fn name(&self) -> (Transport, SocketAddr) {
        match self {
            Self::Udp(local, _) => (Transport::Udp, *local),
            Self::Stream(bound) => (bound.transport, bound.local),
        }
    }
}

fn bind(listener: &Listener, config: &DriverConfig) -> Result<Bind, DriverError> {
    let (transport, address) = (listener.transport, listener.bind);
    let failed = |source| DriverError::Bind { transport, bind: address, source };
    let tls = match transport {
        Transport::Udp => {
            let socket = udp::bind(address, config)?;
            return Ok(Bind::Udp(socket.local_addr().map_err(failed)?, Arc::new(socket)));
        }
        Transport::Tcp => None,
        Transport::Tls => {
            let files = listener.tls.as_ref().ok_or(DriverError::MissingCertificate { bind: address })?;
            Some(tls::ServerCertificate::load(files)?)
        }
        Transport::Ws | Transport::Wss => return Err(DriverError::UnsupportedTransport { transport, bind: address }),
    };
    let listener = listener::bind(transport, address)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok(Bind::Stream(Bound { transport, local, listener, tls }))
}

async fn look_up(resolver: &Resolver, query: &Query, shared: &Shared) -> Answer {
    let limit = shared.config.lookup_timeout;
    let words = match tokio::time::timeout(limit, resolver.ask(query)).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(words)) => words,
        Err(_) => format!("no answer within {limit:?}"),
    };
    count(&shared.counters.lookups_failed);
    tracing::warn!(?query, error = words, "a name could not be looked up");
    resolver::nothing(query)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
