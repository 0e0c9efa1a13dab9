//! Nodes, links and the event queue in virtual time.

use super::trace::{Trace, TraceEntry};
use crate::net::Transport;
use crate::rng::Rng;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Names a node by its place in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// Names one simulated stream connection; both its ends know it by the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// A datagram in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimDatagram {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Contents.
    pub payload: Bytes,
}

/// What a node is told about its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// A peer connected to this node.
    Accepted {
        /// Tcp or Tls.
        transport: Transport,
        /// This node's address.
        local: SocketAddr,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// The connection that this node asked for, under `tag`, is up.
    Connected {
        /// What the node gave in [`NodeOutput::Connect`].
        tag: u64,
        /// This node's address.
        local: SocketAddr,
    },
    /// The connection asked for under `tag` was refused.
    Refused {
        /// What the node gave in [`NodeOutput::Connect`].
        tag: u64,
    },
    /// Bytes came.
    Data(Bytes),
    /// The connection is gone.
    Closed,
}

/// What a node wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeOutput {
    /// Send a datagram.
    Datagram(SimDatagram),
    /// Open a stream.
    Connect {
        /// Named again in the reply.
        tag: u64,
        /// Tcp or Tls.
        transport: Transport,
        /// Address of this node.
        source: IpAddr,
        /// Address to connect to.
        destination: SocketAddr,
    },
    /// Send bytes on a stream.
    Data(StreamId, Bytes),
    /// Close a stream.
    Close(StreamId),
}

/// A participant: any machine, or several joined, behind the simulator's interface.
pub trait Node {
    /// The IP addresses this node answers on.
    fn addresses(&self) -> Vec<IpAddr>;
    /// Whether a stream to `destination` is accepted.
    fn listens(&self, transport: Transport, destination: SocketAddr) -> bool;
    /// A datagram came.
    fn handle_datagram(&mut self, now: Instant, datagram: SimDatagram);
    /// Something happened to a stream.
    fn handle_stream(&mut self, now: Instant, stream: StreamId, event: StreamEvent);
    /// The deadline that [`poll_timeout`](Self::poll_timeout) gave has come.
    fn handle_timeout(&mut self, now: Instant);
    /// What it wants done; called until `None`.
    fn poll_output(&mut self, now: Instant) -> Option<NodeOutput>;
    /// When it wants to be woken.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// How a link treats what crosses it. Applied to each direction on its own.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Least delay.
    pub latency: Duration,
    /// Added delay, uniform from zero; datagrams may overtake each other by it.
    pub jitter: Duration,
    /// Probability that a datagram is lost when none was just lost.
    pub loss: f64,
    /// Probability that a datagram is lost after one was lost: above `loss` makes bursts.
    pub burst_loss: f64,
    /// Probability that a datagram arrives twice.
    pub duplication: f64,
    /// Nothing crosses: a cut cable. Streams stall, then their peers time out by their own timers.
    pub down: bool,
}

impl Default for LinkConfig {
    /// A clean local network: 1 ms, nothing lost.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            burst_loss: 0.0,
            duplication: 0.0,
            down: false,
        }
    }
}

/// Nodes joined by links, in virtual time.
pub struct Network<N> {
    nodes: Vec<N>,
    by_address: HashMap<IpAddr, NodeId>,
    now: Instant,
    start: Instant,
    rng: Rng,
    default_link: LinkConfig,
    links: HashMap<(NodeId, NodeId), LinkConfig>,
    last_lost: HashMap<(NodeId, NodeId), bool>,
    in_flight: BTreeMap<(Instant, u64), Flight>,
    streams: BTreeMap<StreamId, Stream>,
    next_sequence: u64,
    next_stream: u64,
    next_port: u16,
    trace: Trace,
}

struct Stream {
    ends: [(NodeId, SocketAddr); 2],
    /// When the last bytes sent by each end arrive: later ones never overtake them.
    last_arrival: [Instant; 2],
}

enum Flight {
    Datagram { from: NodeId, to: NodeId, datagram: SimDatagram },
    Stream { from: NodeId, to: NodeId, stream: StreamId, event: StreamEvent },
}

impl<N: Node> Network<N> {
    /// An empty network. `start` is the origin of virtual time; `seed` decides every loss and delay.
    pub fn new(start: Instant, seed: u64, default_link: LinkConfig) -> Self {
        Self {
            nodes: Vec::new(),
            by_address: HashMap::new(),
            now: start,
            start,
            rng: Rng::from_number(seed),
            default_link,
            links: HashMap::new(),
            last_lost: HashMap::new(),
            in_flight: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_sequence: 0,
            next_stream: 0,
            next_port: 40_000,
            trace: Trace::new(start, seed),
        }
    }

    /// Adds a node under a name that the ladder shows.
    pub fn add(&mut self, name: &str, node: N) -> NodeId {
        let id = NodeId(self.nodes.len());
        for address in node.addresses() {
            self.by_address.insert(address, id);
        }
        self.nodes.push(node);
        self.trace.name(id, name);
        id
    }

    /// Virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now.duration_since(self.start)
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &N {
        &self.nodes[id.0]
    }

    /// A node, to be told something by its local user. Its outputs are taken at the next step.
    pub fn node_mut(&mut self, id: NodeId) -> &mut N {
        &mut self.nodes[id.0]
    }

    /// Sets both directions of the link between two nodes.
    pub fn set_link(&mut self, a: NodeId, b: NodeId, config: LinkConfig) {
        self.links.insert((a, b), config.clone());
        self.links.insert((b, a), config);
    }

    /// Sets one direction.
    pub fn set_link_one_way(&mut self, from: NodeId, to: NodeId, config: LinkConfig) {
        self.links.insert((from, to), config);
    }

    /// Breaks all streams of a node, as when it restarts: both ends are told at once.
    pub fn cut_streams(&mut self, node: NodeId) {
        let cut: Vec<StreamId> =
            self.streams.iter().filter(|(_, s)| s.ends.iter().any(|end| end.0 == node)).map(|(id, _)| *id).collect();
        for id in cut {
            if let Some(stream) = self.streams.remove(&id) {
                for end in stream.ends {
                    self.nodes[end.0.0].handle_stream(self.now, id, StreamEvent::Closed);
                }
            }
        }
    }

    /// What crossed the network so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Runs everything that is due, then jumps to the next instant at which something happens. `false`: nothing ever
    /// will again.
    pub fn step(&mut self) -> bool {
        self.drain_nodes();
        let timers = self.nodes.iter().filter_map(Node::poll_timeout).min();
        let arrivals = self.in_flight.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = [timers, arrivals].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Flight::Datagram { from, to, datagram } => {
                    self.trace.push(TraceEntry::datagram(self.now, from, to, &datagram));
                    self.nodes[to.0].handle_datagram(self.now, datagram);
                }
                Flight::Stream { from, to, stream, event } => {
                    if let StreamEvent::Data(data) = &event {
                        self.trace.push(TraceEntry::data(self.now, from, to, data));
                    }
                    self.nodes[to.0].handle_stream(self.now, stream, event);
                }
            }
            self.drain_nodes();
        }
        for index in 0..self.nodes.len() {
            if self.nodes[index].poll_timeout().is_some_and(|at| at <= self.now) {
                self.nodes[index].handle_timeout(self.now);
            }
        }
        self.drain_nodes();
        true
    }

    /// Steps until `condition` holds; `false` when `limit` of virtual time has passed, or nothing moves any more,
    /// without it.
    pub fn run_until(&mut self, limit: Duration, mut condition: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.drain_nodes();
            if condition(self) {
                return true;
            }
            if self.now > end || !self.step() {
                return false;
            }
        }
    }

    /// Lets `duration` of virtual time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.drain_nodes();
            let timers = self.nodes.iter().filter_map(Node::poll_timeout).min();
            let arrivals = self.in_flight.first_key_value().map(|((at, _), _)| *at);
            match [timers, arrivals].into_iter().flatten().min() {
                Some(next) if next <= end => {
                    self.step();
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn drain_nodes(&mut self) {
        for index in 0..self.nodes.len() {
            while let Some(output) = self.nodes[index].poll_output(self.now) {
                self.dispatch(NodeId(index), output);
            }
        }
    }

    fn dispatch(&mut self, from: NodeId, output: NodeOutput) {
        match output {
            NodeOutput::Datagram(datagram) => self.send_datagram(from, datagram),
            NodeOutput::Connect { tag, transport, source, destination } => {
                self.connect(from, tag, transport, source, destination);
            }
            NodeOutput::Data(stream, data) => self.send_stream(from, stream, StreamEvent::Data(data)),
            NodeOutput::Close(stream) => {
                self.send_stream(from, stream, StreamEvent::Closed);
                self.streams.remove(&stream);
            }
        }
    }

    fn send_datagram(&mut self, from: NodeId, datagram: SimDatagram) {
        let Some(&to) = self.by_address.get(&datagram.destination.ip()) else {
            self.trace.push(TraceEntry::lost(self.now, from, None, &datagram));
            return;
        };
        let link = self.link(from, to);
        let loss = match self.last_lost.get(&(from, to)) {
            Some(true) => link.burst_loss.max(link.loss),
            _ => link.loss,
        };
        let lost = link.down || self.rng.chance(loss);
        self.last_lost.insert((from, to), lost);
        if lost {
            self.trace.push(TraceEntry::lost(self.now, from, Some(to), &datagram));
            return;
        }
        let copies = 1 + usize::from(self.rng.chance(link.duplication));
        for _ in 0..copies {
            let at = self.now + link.latency + self.rng.duration(Duration::ZERO, link.jitter);
            self.launch(at, Flight::Datagram { from, to, datagram: datagram.clone() });
        }
    }

    fn connect(&mut self, from: NodeId, tag: u64, transport: Transport, source: IpAddr, destination: SocketAddr) {
        let to = self.by_address.get(&destination.ip()).copied();
        let reachable = to.filter(|to| self.nodes[to.0].listens(transport, destination));
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        let Some(to) = reachable else {
            let at = self.now + to.map_or(self.default_link.latency, |to| self.link(from, to).latency * 2);
            self.launch(at, Flight::Stream { from, to: from, stream: id, event: StreamEvent::Refused { tag } });
            return;
        };
        let link = self.link(from, to);
        if link.down {
            return;
        }
        let local = SocketAddr::new(source, self.next_port);
        self.next_port = self.next_port.checked_add(1).unwrap_or(40_000);
        let accepted = self.now + link.latency;
        let connected = accepted + link.latency;
        self.streams
            .insert(id, Stream { ends: [(from, local), (to, destination)], last_arrival: [accepted, connected] });
        let event = StreamEvent::Accepted { transport, local: destination, remote: local };
        self.launch(accepted, Flight::Stream { from, to, stream: id, event });
        let event = StreamEvent::Connected { tag, local };
        self.launch(connected, Flight::Stream { from: to, to: from, stream: id, event });
    }

    fn send_stream(&mut self, from: NodeId, id: StreamId, event: StreamEvent) {
        let Some(stream) = self.streams.get(&id) else { return };
        let end = usize::from(stream.ends[0].0 != from);
        let to = stream.ends[1 - end].0;
        let link = self.link(from, to);
        if link.down {
            return;
        }
        let delay = link.latency + self.rng.duration(Duration::ZERO, link.jitter);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let at = stream.last_arrival[end].max(self.now + delay);
        stream.last_arrival[end] = at;
        self.launch(at, Flight::Stream { from, to, stream: id, event });
    }

    fn launch(&mut self, at: Instant, flight: Flight) {
        self.in_flight.insert((at, self.next_sequence), flight);
        self.next_sequence += 1;
    }

    fn link(&self, from: NodeId, to: NodeId) -> LinkConfig {
        self.links.get(&(from, to)).unwrap_or(&self.default_link).clone()
    }
}

#[cfg(test)]
mod tests;
