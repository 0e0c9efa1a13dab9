//! The facade: one machine that receives whatever the network brings and does what its user asks.
//!
//! Rule of use: one input, then [`Output`]s until [`Output::Timeout`].

mod config;
mod output;

pub use config::{EndpointConfig, PeerConfig, PeerId, ServerAddress, SessionTimerConfig, UnknownSources};
pub use output::{Answer, Connect, Event, Output, Query, ResolveId, TlsProfile};
