//! What the media layer tells the layers above.

use crate::session::LegReport;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use voip_core::leg::Side;

/// Names the media of one call for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(pub u64);

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "media-{}", self.0)
    }
}

/// Something happened to the media of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// The first packet of a leg's peer was accepted.
    Started {
        /// Which call.
        id: MediaId,
        /// Which leg.
        side: Side,
    },
    /// A leg listens to this source from now on.
    Latched {
        /// Which call.
        id: MediaId,
        /// Which leg.
        side: Side,
        /// Where its media comes from.
        source: SocketAddr,
    },
    /// A leg's peer has been silent for longer than its policy allows. Once, until it is heard again.
    TimedOut {
        /// Which call.
        id: MediaId,
        /// Which leg.
        side: Side,
        /// For how long.
        silent_for: Duration,
    },
    /// A leg's peer pressed a key.
    Dtmf {
        /// Which call.
        id: MediaId,
        /// Which leg.
        side: Side,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// How long it was held, ms.
        duration_ms: u32,
    },
    /// The answer to a request for a snapshot.
    Snapshot {
        /// Which call.
        id: MediaId,
        /// Both legs, by [`Side::index`].
        reports: Box<[LegReport; 2]>,
    },
    /// The media of a call has ended; nothing more is told of it.
    Closed {
        /// Which call.
        id: MediaId,
        /// Both legs, by [`Side::index`].
        reports: Box<[LegReport; 2]>,
    },
}
