//! What a call is told of its peer.

use std::fmt;

/// Names a peer by its place in the endpoint's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u32);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer-{}", self.0)
    }
}

/// The session timer (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimerConfig {
    /// The least interval accepted, seconds; 90 is the least the RFC allows (§5).
    pub min_se: u32,
    /// The interval asked for, seconds; 1800 is what the RFC recommends (§4).
    pub expires: u32,
}

impl Default for SessionTimerConfig {
    fn default() -> Self {
        Self { min_se: 90, expires: 1800 }
    }
}
