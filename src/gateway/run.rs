//! A gateway with everything around its core: sockets, media threads, the status socket, call records, signals.
//!
//! [`Gateway::start`] puts it on the current tokio runtime and returns a handle: for an application that embeds it, a
//! test, a demonstration. [`run`] is the whole life of a gateway program: until a signal, and out within five seconds.
#![expect(clippy::disallowed_methods, reason = "this is where the gateway meets the clock")]

use super::core::Core;
use super::descriptors;
use super::event::GatewayEvent;
use super::setup;
use crate::config::Config;
use crate::observe::log::SIP_TARGET;
use crate::observe::record::RecordWriter;
use crate::observe::status::{ListenerStatus, Status};
use crate::observe::status_socket::{self, StatusRequest, StatusServer};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use voip_core::net::{AddressPolicy, Transport};
use voip_core::rng::Rng;
use voip_media::MediaEvent;
use voip_media::io::MediaWorkers;
use voip_sip::io::{Driver, DriverError, clock_pair, interfaces, seed};

/// How a gateway is run, besides its configuration.
pub struct Options {
    /// Where call records go that the configuration sends to standard output.
    pub records: Box<dyn Write + Send>,
    /// Tell every SIP message as an event. It is done anyway when the log shows them.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { records: Box::new(io::stdout()), trace: false }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("trace", &self.trace).finish_non_exhaustive()
    }
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A listener or a certificate.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The status socket.
    #[error(transparent)]
    StatusSocket(#[from] status_socket::BindError),
    /// The file of call records.
    #[error("call records cannot be written: {0}; name a file that can be made, or call_records = \"off\"")]
    Records(io::Error),
    /// The media threads.
    #[error("the media threads cannot be started: {0}")]
    Media(io::Error),
    /// The operating system tells nothing of its network, or gives no randomness, or no signals.
    #[error("the operating system refuses: {0}")]
    System(io::Error),
}

/// Why a gateway stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It was asked to, and everything was ended in order.
    Finished,
    /// It was asked to, and something was not answered in time.
    TimedOut,
    /// It was asked twice: it left at once.
    Forced,
}

/// A running gateway. Dropping it leaves it running; [`shut_down`](Self::shut_down) ends it.
#[derive(Debug)]
pub struct Gateway {
    listening: Vec<(Transport, SocketAddr)>,
    requests: mpsc::Sender<StatusRequest>,
    stop: watch::Sender<Stop>,
    events: broadcast::Sender<GatewayEvent>,
    task: JoinHandle<ExitReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    Orderly,
    AtOnce,
}

impl Gateway {
    /// Binds everything that `config` names, then serves calls on a task of the current tokio runtime.
    ///
    /// # Errors
    /// The first thing that cannot be had; nothing is left bound then.
    pub fn start(config: &Config, options: Options) -> Result<Self, StartError> {
        descriptors::raise_limit(config);
        let driver = Driver::bind(setup::listeners(config), setup::tls_profiles(config), setup::driver_config(config))?;
        let status_server = match &config.gateway.status_socket {
            Some(path) => Some(StatusServer::bind(path)?),
            None => None,
        };
        let records =
            RecordWriter::start(&config.gateway.call_records, options.records).map_err(StartError::Records)?;
        let (media_events, media_receiver) = mpsc::channel(MEDIA_EVENTS);
        let seed = seed().map_err(StartError::System)?;
        let mut rng = Rng::from_seed(seed);
        let media = MediaWorkers::start(setup::media_config(config, rng.u64()), move |event| {
            // The queue holds every event of thousands of calls; what overflows costs a log line or a figure.
            let _ = media_events.try_send(event);
        })
        .map_err(StartError::Media)?;
        let mut addresses = AddressPolicy::default();
        interfaces().map_err(StartError::System)?.fill(&mut addresses);
        let trace = options.trace || tracing::enabled!(target: SIP_TARGET, tracing::Level::TRACE);
        let core = setup::core_config(config, addresses, clock_pair(), rng.bytes(), trace);
        let core = Core::new(Instant::now(), core, media);

        let listening = driver.listening().to_vec();
        for (transport, address) in &listening {
            tracing::info!(%transport, %address, "listening");
        }
        let (requests, request_receiver) = mpsc::channel(STATUS_REQUESTS);
        if let Some(server) = status_server {
            tokio::spawn(server.serve(requests.clone()));
        }
        let (stop, stop_receiver) = watch::channel(Stop::No);
        let (events, _) = broadcast::channel(EVENTS);
        let service = Service {
            core,
            driver,
            media: media_receiver,
            requests: request_receiver,
            stop: stop_receiver,
            events: events.clone(),
            records,
            limit: config.gateway.shutdown_timeout,
            max_connections: config.limits.max_connections as u64,
        };
        let task = tokio::spawn(service.serve());
        Ok(Self { listening, requests, stop, events, task })
    }

    /// What it listens on, ports that the system chose included, in the order of the configuration.
    pub fn listening(&self) -> &[(Transport, SocketAddr)] {
        &self.listening
    }

    /// Its state; `None` when it has stopped.
    pub async fn status(&self) -> Option<Status> {
        let (sender, receiver) = oneshot::channel();
        self.requests.send(sender).await.ok()?;
        receiver.await.ok()
    }

    /// What happens from now on. An observer that is more than [`EVENTS`] behind misses some.
    pub fn events(&self) -> broadcast::Receiver<GatewayEvent> {
        self.events.subscribe()
    }

    /// Asks it to stop: no new calls, BYE to those that are up, registrations removed. Asked again, it leaves at once.
    pub fn stop(&self) {
        self.stop.send_modify(|stop| *stop = if *stop == Stop::No { Stop::Orderly } else { Stop::AtOnce });
    }

    /// Waits until it has stopped.
    pub async fn stopped(&mut self) -> ExitReason {
        // A task that panicked has nothing left to end in order.
        (&mut self.task).await.unwrap_or(ExitReason::Forced)
    }

    /// Stops it and waits until it has.
    pub async fn shut_down(mut self) -> ExitReason {
        self.stop();
        self.stopped().await
    }
}

/// Runs a gateway until SIGTERM or Ctrl-C, then ends its calls; a second one leaves at once.
///
/// # Errors
/// When it does not start.
pub async fn run(config: &Config, options: Options) -> Result<ExitReason, StartError> {
    let mut signals = Signals::new().map_err(StartError::System)?;
    let mut gateway = Gateway::start(config, options)?;
    loop {
        tokio::select! {
            reason = gateway.stopped() => return Ok(reason),
            () = signals.next() => {
                tracing::info!("asked to stop: ending all calls; ask again to leave at once");
                gateway.stop();
            }
        }
    }
}

struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The task of a gateway.
struct Service {
    core: Core<MediaWorkers>,
    driver: Driver,
    media: mpsc::Receiver<MediaEvent>,
    requests: mpsc::Receiver<StatusRequest>,
    stop: watch::Receiver<Stop>,
    events: broadcast::Sender<GatewayEvent>,
    records: RecordWriter,
    limit: Duration,
    max_connections: u64,
}

impl Service {
    async fn serve(mut self) -> ExitReason {
        self.driver.attach(&mut self.core);
        self.core.start(Instant::now());
        let mut deadline: Option<Instant> = None;
        let mut waiting: Vec<StatusRequest> = Vec::new();
        let mut answer_at: Option<Instant> = None;
        let mut tick = tokio::time::interval(TICK);
        let reason = loop {
            self.tell();
            let now = Instant::now();
            if self.core.is_finished() {
                break ExitReason::Finished;
            }
            if deadline.is_some_and(|at| at <= now) {
                break ExitReason::TimedOut;
            }
            if answer_at.is_some_and(|at| at <= now) {
                answer_at = None;
                let status = self.status(now);
                for request in waiting.drain(..) {
                    // Whoever asked may have left.
                    let _ = request.send(status.clone());
                }
            }
            tokio::select! {
                _ = self.driver.next_event(&mut self.core) => {}
                Some(event) = self.media.recv() => {
                    self.core.handle_media_event(Instant::now(), event);
                    // One task for many packets: what else has come is taken at once.
                    while let Ok(event) = self.media.try_recv() {
                        self.core.handle_media_event(Instant::now(), event);
                    }
                }
                Some(request) = self.requests.recv() => {
                    self.core.request_snapshots();
                    waiting.push(request);
                    answer_at.get_or_insert_with(|| Instant::now() + SNAPSHOT_TIME);
                }
                Ok(()) = self.stop.changed() => {
                    let stop = *self.stop.borrow_and_update();
                    if stop == Stop::AtOnce {
                        break ExitReason::Forced;
                    }
                    let now = Instant::now();
                    self.core.shut_down(now);
                    deadline.get_or_insert(now + self.limit);
                }
                () = until(answer_at, deadline) => {}
                _ = tick.tick() => {}
            }
        };
        self.leave(reason).await;
        reason
    }

    /// Says what is still to be said, writes what is still to be written.
    async fn leave(mut self, reason: ExitReason) {
        self.core.abandon(Instant::now());
        self.tell();
        let _ = self.driver.flush(&mut self.core);
        if reason != ExitReason::Forced {
            self.driver.shutdown(LAST_WRITES).await;
        }
        if !self.records.flush(LAST_WRITES) {
            tracing::warn!("call records were lost");
        }
        tracing::info!(?reason, "stopped");
    }

    fn tell(&mut self) {
        while let Some(event) = self.core.poll_event() {
            if let GatewayEvent::CallEnded(record) = &event {
                self.records.write(record);
            }
            // Nobody need listen.
            let _ = self.events.send(event);
        }
    }

    fn status(&self, now: Instant) -> Status {
        let mut status = self.core.status(now);
        status.listeners = self
            .driver
            .listening()
            .iter()
            .map(|(transport, address)| ListenerStatus {
                transport: transport.uri_name().to_owned(),
                address: address.to_string(),
            })
            .collect();
        let counters = self.driver.counters();
        status.usage.connections = counters.connections_open;
        status.usage.max_connections = self.max_connections;
        status.counters.extend(counters.named().into_iter().map(|(name, count)| (name.to_owned(), count)));
        status.counters.insert("records_lost".to_owned(), self.records.lost());
        status
    }
}

async fn until(a: Option<Instant>, b: Option<Instant>) {
    match [a, b].into_iter().flatten().min() {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Events that an observer may be behind.
pub const EVENTS: usize = 4096;

/// Media events that may wait: a few for each of thousands of calls.
const MEDIA_EVENTS: usize = 16_384;

const STATUS_REQUESTS: usize = 16;

/// How often the core's news are looked for when nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// How long media threads get to tell their state before a status is given: they answer within a millisecond or two.
const SNAPSHOT_TIME: Duration = Duration::from_millis(30);

/// How long the last words may take to be written.
const LAST_WRITES: Duration = Duration::from_millis(500);
