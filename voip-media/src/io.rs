//! The media worker: sockets, clocks and threads. The only part of this crate that does I/O.
//!
//! [`MediaWorkers`] opens ports and hands each call to one of a few threads, which owns its sockets from then on: calls
//! share no lock, and a packet wakes no task. A worker gathers for a fraction of a millisecond, then receives, rewrites
//! and sends all that is ready. Orders travel to the workers through a bounded channel; what happens travels back
//! through the callback given at the start.
#![expect(clippy::disallowed_methods, reason = "this is the module that reads the clock and waits")]

mod sockets;
mod worker;

use crate::event::{MediaEvent, MediaId};
use crate::ports::{PortPair, PortPool, PortUsage, PortsExhausted};
use crate::session::{LegPolicy, SessionConfig};
use sockets::CallSockets;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use voip_core::leg::Side;
use voip_core::media::MediaPlan;
use voip_core::rng::Rng;
use voip_core::time::{ClockPair, WallTime};
use worker::{Order, Worker};

/// How the workers are set up.
#[derive(Clone, Debug)]
pub struct MediaWorkersConfig {
    /// The ports to use, in pairs of an even and the next odd one.
    pub rtp_ports: RangeInclusive<u16>,
    /// Threads; a call stays on its thread.
    pub threads: usize,
    /// How long a worker lets packets gather after each round. Longer costs delay, shorter costs CPU: waking for every
    /// packet costs more than twice as much as gathering for 0.5 to 1 ms.
    pub gather: Duration,
    /// Seed of SSRCs, sequence numbers, report times and the choice of ports: from the operating system's entropy, that
    /// they cannot be guessed (RFC 3550 §9.1).
    pub seed: u64,
    /// The canonical name in RTCP (RFC 7022 §4.2 wants it random, so that it tells nothing of the host).
    pub cname: String,
}

impl Default for MediaWorkersConfig {
    /// One thread, which carries hundreds of calls; 0.75 ms of gathering; ports as the gateway's configuration has them.
    fn default() -> Self {
        Self {
            rtp_ports: 10_000..=20_000,
            threads: 1,
            gather: Duration::from_micros(750),
            seed: 0,
            cname: "voip".to_owned(),
        }
    }
}

/// Why the ports of a call could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// All ports are taken.
    #[error(transparent)]
    PortsExhausted(#[from] PortsExhausted),
    /// The operating system refuses a socket.
    #[error("cannot open {address} for RTP: {source}")]
    Bind {
        /// The address that was to be bound.
        address: SocketAddr,
        /// What it said.
        source: io::Error,
    },
    /// A worker thread cannot be given more work, because it has ended.
    #[error("the media worker has stopped")]
    Stopped,
}

/// The ports of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedCall {
    /// Names the call's media.
    pub id: MediaId,
    /// RTP addresses, by [`Side::index`].
    pub rtp: [SocketAddr; 2],
    /// RTCP addresses.
    pub rtcp: [SocketAddr; 2],
}

/// The media of all calls. Dropping it ends them, and waits for its threads.
#[derive(Debug)]
pub struct MediaWorkers {
    pool: PortPool,
    rng: Rng,
    next_id: u64,
    calls: HashMap<MediaId, Held>,
    workers: Vec<Handle>,
}

#[derive(Debug)]
struct Held {
    worker: usize,
    ports: [PortPair; 2],
}

#[derive(Debug)]
struct Handle {
    orders: SyncSender<Order>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
    calls: usize,
}

impl MediaWorkers {
    /// Pairs of ports that are tried for one leg before its address is given up: other programs rarely hold many.
    const ATTEMPTS: usize = 64;
    /// Orders in flight to one worker; it takes them every round, so that waiting for room takes a millisecond.
    const ORDERS: usize = 1024;

    /// Starts the threads. `on_event` is called on them and must not block: it holds up the audio of other calls.
    ///
    /// # Errors
    /// When the operating system gives no thread or no poll.
    pub fn start(
        config: MediaWorkersConfig,
        on_event: impl Fn(MediaEvent) + Send + Clone + 'static,
    ) -> io::Result<Self> {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let clock = ClockPair { instant: Instant::now(), wall: WallTime::from_unix(since_epoch) };
        let session = SessionConfig { clock, cname: config.cname.into() };
        let mut rng = Rng::from_number(config.seed);
        let pool = PortPool::new(config.rtp_ports, &mut rng);
        let workers = (0..config.threads.max(1))
            .map(|n| {
                let (sender, receiver) = sync_channel(Self::ORDERS);
                let (worker, waker) = Worker::new(receiver, config.gather, session.clone(), on_event.clone())?;
                let thread = std::thread::Builder::new().name(format!("media-{n}")).spawn(move || worker.run())?;
                Ok(Handle { orders: sender, waker, thread: Some(thread), calls: 0 })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { pool, rng, next_id: 1, calls: HashMap::new(), workers })
    }

    /// Opens RTP and RTCP ports for both legs of a call, each on its local address, by [`Side::index`].
    ///
    /// # Errors
    /// When no ports are free, or the system refuses them.
    pub fn open(&mut self, bind: [IpAddr; 2]) -> Result<OpenedCall, MediaError> {
        let caller = self.open_leg(bind[0])?;
        let callee = match self.open_leg(bind[1]) {
            Ok(callee) => callee,
            Err(error) => {
                self.pool.give_back(Instant::now(), caller.1);
                return Err(error);
            }
        };
        let id = MediaId(self.next_id);
        self.next_id += 1;
        let least = self.workers.iter().enumerate().min_by_key(|(_, w)| w.calls).map_or(0, |(n, _)| n);
        let ports = [caller.1, callee.1];
        let sockets = Box::new(CallSockets::new(caller.0, callee.0));
        let opened = OpenedCall {
            id,
            rtp: [0, 1].map(|n| SocketAddr::new(bind[n], ports[n].rtp())),
            rtcp: [0, 1].map(|n| SocketAddr::new(bind[n], ports[n].rtcp())),
        };
        let rng = Box::new(self.rng.fork());
        if !self.workers[least].send(Order::Open { id, sockets, rng }) {
            ports.into_iter().for_each(|pair| self.pool.give_back(Instant::now(), pair));
            return Err(MediaError::Stopped);
        }
        self.workers[least].calls += 1;
        self.calls.insert(id, Held { worker: least, ports });
        Ok(opened)
    }

    fn open_leg(&mut self, address: IpAddr) -> Result<(sockets::Pair, PortPair), MediaError> {
        let mut attempts = 0;
        loop {
            let now = Instant::now();
            let pair = self.pool.take(now)?;
            attempts += 1;
            match sockets::bind_pair(address, pair) {
                Ok(bound) => return Ok((bound, pair)),
                Err((_, source)) if source.kind() == io::ErrorKind::AddrInUse && attempts < Self::ATTEMPTS => {
                    tracing::debug!(port = pair.rtp(), "port pair is in use by another program");
                    self.pool.busy(now, pair);
                }
                Err((address, source)) => {
                    self.pool.give_back(now, pair);
                    return Err(MediaError::Bind { address, source });
                }
            }
        }
    }

    /// A leg's plan takes effect: at the start, and after each re-negotiation. Nothing happens when the call is closed.
    pub fn set_plan(&mut self, call: MediaId, side: Side, plan: MediaPlan, policy: LegPolicy) {
        self.order(call, |id| Order::SetPlan { id, side, plan: Box::new(plan), policy });
    }

    /// Ends the media of a call: goodbyes go out, [`MediaEvent::Closed`] tells how it was, its ports rest.
    pub fn close(&mut self, call: MediaId) {
        self.order(call, |id| Order::Close { id });
        if let Some(held) = self.calls.remove(&call) {
            self.workers[held.worker].calls -= 1;
            let now = Instant::now();
            held.ports.into_iter().for_each(|pair| self.pool.give_back(now, pair));
        }
    }

    /// Asks for the state of a call, which [`MediaEvent::Snapshot`] brings.
    pub fn snapshot(&mut self, call: MediaId) {
        self.order(call, |id| Order::Snapshot { id });
    }

    /// How much of the port range is taken.
    pub fn ports(&self) -> PortUsage {
        self.pool.usage(Instant::now())
    }

    fn order(&self, call: MediaId, order: impl FnOnce(MediaId) -> Order) {
        if let Some(held) = self.calls.get(&call) {
            self.workers[held.worker].send(order(call));
        }
    }
}

impl Handle {
    fn send(&self, order: Order) -> bool {
        let sent = self.orders.send(order).is_ok() && self.waker.wake().is_ok();
        if !sent {
            tracing::error!("a media worker has stopped: its calls have no audio");
        }
        sent
    }
}

impl Drop for MediaWorkers {
    fn drop(&mut self) {
        for handle in &self.workers {
            handle.send(Order::Stop);
        }
        for handle in &mut self.workers {
            if let Some(thread) = handle.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("a media worker has panicked");
            }
        }
    }
}
