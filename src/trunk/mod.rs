//! A trunk at work: a carrier, a PBX or an agent's SIP service.
//!
//! Built from its section of the configuration: which number an INVITE from it means and who calls ([`incoming`]),
//! how a call to it is written ([`outgoing`]), what the endpoint and the session description must know of it
//! ([`peer`]), and how many calls it has ([`calls`]). Registration and qualification are the endpoint's.

pub mod calls;
pub mod incoming;
pub mod outgoing;
pub mod peer;

pub use calls::{CallLimit, LimitReached};

use crate::config;
use std::time::Duration;
use voip_sip::endpoint::PeerId;

/// One trunk of a running gateway.
#[derive(Debug)]
pub struct Trunk {
    /// Its section of the configuration.
    pub config: config::Trunk,
    /// The endpoint's name for it.
    pub peer: PeerId,
    /// Its calls.
    pub calls: CallLimit,
    /// What the last OPTIONS found.
    pub qualified: Qualified,
}

/// What asking a trunk with OPTIONS found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Qualified {
    /// It is not asked, or has not been asked yet.
    #[default]
    Unknown,
    /// It answered, after this round trip.
    Reachable(Duration),
    /// It does not answer.
    Silent,
}

impl Trunk {
    /// A trunk without calls.
    pub fn new(config: config::Trunk, peer: PeerId) -> Self {
        let calls = CallLimit::new(config.max_calls);
        Self { config, peer, calls, qualified: Qualified::Unknown }
    }

    /// Its name in the configuration, in logs and in records.
    pub fn name(&self) -> &str {
        &self.config.name
    }
}
