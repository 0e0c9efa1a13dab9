//! What an endpoint is told once: about itself, and about each peer.

use crate::call::SessionTimerConfig;
use crate::message::MessageLimits;
use crate::transaction::TransactionConfig;
use crate::transport::{FlowsConfig, ServerAddress, TlsProfile};
use ipnet::IpNet;
use std::time::Duration;
use voip_core::net::AddressPolicy;
use voip_core::redact::Secret;
use voip_core::time::ClockPair;

/// What becomes of a request from a source that no peer is identified by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnknownSources {
    /// Dropped and counted: a scanner learns nothing, not even that somebody is here.
    #[default]
    Ignore,
    /// Answered 403.
    Reject,
}

/// An endpoint.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Written into User-Agent and Server.
    pub user_agent: String,
    /// Which address is shown to whom.
    pub addresses: AddressPolicy,
    /// What becomes of strangers.
    pub unknown_sources: UnknownSources,
    /// How large messages may be.
    pub message_limits: MessageLimits,
    /// Calls at once; an INVITE beyond it is answered 503 with Retry-After.
    pub max_calls: usize,
    /// Relation of the monotonic clock to wall time.
    pub clock: ClockPair,
    /// Timers and bounds of transactions.
    pub transactions: TransactionConfig,
    /// Bounds of connections.
    pub flows: FlowsConfig,
    /// Tell every message as an event.
    pub trace: bool,
}

/// A peer: a carrier trunk or an agent's SIP service.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// For logs.
    pub name: String,
    /// Tried in order. Never empty.
    pub servers: Vec<ServerAddress>,
    /// What to answer its challenges with, and what it must know when `challenge` is set.
    pub credentials: Option<(String, Secret)>,
    /// Source networks that identify it.
    pub identify: Vec<IpNet>,
    /// It is identified by digest: requests from sources that identify nobody are challenged, over the transports of
    /// its servers only.
    pub challenge: bool,
    /// Which TLS settings connections to it use.
    pub tls: TlsProfile,
    /// Session timer.
    pub session_timer: SessionTimerConfig,
    /// The user part of our Contact towards it.
    pub contact_user: Option<String>,
    /// How often to ask it with OPTIONS whether it is there. `None`: never.
    pub qualify_interval: Option<Duration>,
}
