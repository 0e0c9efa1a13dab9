//! The media of calls as a bridge sees it, so that a test can stand in for sockets and threads.

use std::net::IpAddr;
use std::time::Instant;
use voip_core::leg::Side;
use voip_core::media::MediaPlan;
use voip_media::io::{MediaError, MediaWorkers, OpenedCall};
use voip_media::ports::PortUsage;
use voip_media::{LegPolicy, MediaId};

/// Whoever moves the packets. What happens to them comes back as [`MediaEvent`](voip_media::MediaEvent)s.
pub trait MediaPlane {
    /// Opens RTP and RTCP ports for both legs of a call, each on its local address, by [`Side::index`].
    ///
    /// # Errors
    /// When no ports are free, or the system refuses them.
    fn open(&mut self, now: Instant, bind: [IpAddr; 2]) -> Result<OpenedCall, MediaError>;

    /// A leg's plan takes effect.
    fn set_plan(&mut self, call: MediaId, side: Side, plan: MediaPlan, policy: LegPolicy);

    /// Ends the media of a call; `MediaEvent::Closed` tells how it was.
    fn close(&mut self, call: MediaId);

    /// Asks for the state of a call, which `MediaEvent::Snapshot` brings.
    fn snapshot(&mut self, call: MediaId);

    /// How much of the port range is taken.
    fn ports(&self) -> PortUsage;
}

impl MediaPlane for MediaWorkers {
    fn open(&mut self, _now: Instant, bind: [IpAddr; 2]) -> Result<OpenedCall, MediaError> {
        Self::open(self, bind)
    }

    fn set_plan(&mut self, call: MediaId, side: Side, plan: MediaPlan, policy: LegPolicy) {
        Self::set_plan(self, call, side, plan, policy);
    }

    fn close(&mut self, call: MediaId) {
        Self::close(self, call);
    }

    fn snapshot(&mut self, call: MediaId) {
        Self::snapshot(self, call);
    }

    fn ports(&self) -> PortUsage {
        Self::ports(self)
    }
}
