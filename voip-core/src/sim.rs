//! Virtual time and hostile networks, so that any scenario runs again from its seed.
//!
//! A [`Network`] joins any number of [`Node`]s by links with latency, jitter, loss, duplication and reordering for
//! datagrams, and latency for streams, which stay ordered and whole until they are cut. [`Network::step`] jumps to the
//! next instant at which anything happens. Everything that crosses the network is written to a [`Trace`], which a
//! failing test prints as a ladder with virtual times.

mod network;
mod trace;

pub use network::{LinkConfig, Network, NodeId, StreamEvent, StreamId};
pub use network::{Node, NodeOutput, SimDatagram};
pub use trace::{Trace, TraceEntry};
