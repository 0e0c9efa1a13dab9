//! Media that only remembers what it was told.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use voip::bridge::MediaPlane;
use voip_core::leg::Side;
use voip_core::media::MediaPlan;
use voip_media::io::{MediaError, OpenedCall};
use voip_media::ports::{PortUsage, PortsExhausted};
use voip_media::{LegPolicy, LegReport, MediaEvent, MediaId};

#[derive(Debug, Default)]
pub struct SimMedia {
    next: u64,
    open: HashMap<MediaId, HashMap<Side, (MediaPlan, LegPolicy)>>,
    pub events: VecDeque<MediaEvent>,
    /// No port is free.
    pub exhausted: bool,
    /// Plans as they were set, in order.
    pub plans: Vec<(MediaId, Side, MediaPlan, LegPolicy)>,
}

impl SimMedia {
    pub fn open_calls(&self) -> usize {
        self.open.len()
    }

    /// The plan in force of the only call.
    pub fn plan(&self, side: Side) -> (MediaPlan, LegPolicy) {
        assert_eq!(self.open.len(), 1, "one call is up");
        self.open.values().next().and_then(|legs| legs.get(&side)).cloned().expect("the leg has a plan")
    }

    pub fn only_call(&self) -> MediaId {
        assert_eq!(self.open.len(), 1, "one call is up");
        *self.open.keys().next().expect("one call is up")
    }
}

impl MediaPlane for SimMedia {
    fn open(&mut self, _now: Instant, bind: [IpAddr; 2]) -> Result<OpenedCall, MediaError> {
        if self.exhausted {
            let usage = self.ports();
            return Err(PortsExhausted { range: 10_000..=10_003, usage }.into());
        }
        let id = MediaId(self.next);
        let port = 10_000 + (self.next % 5000) as u16 * 4;
        self.next += 1;
        self.open.insert(id, HashMap::new());
        let at = |n: usize, port: u16| SocketAddr::new(bind[n], port + 2 * n as u16);
        Ok(OpenedCall { id, rtp: [at(0, port), at(1, port)], rtcp: [at(0, port + 1), at(1, port + 1)] })
    }

    fn set_plan(&mut self, call: MediaId, side: Side, plan: MediaPlan, policy: LegPolicy) {
        self.plans.push((call, side, plan.clone(), policy.clone()));
        self.open.get_mut(&call).expect("the call is open").insert(side, (plan, policy));
    }

    fn close(&mut self, call: MediaId) {
        if self.open.remove(&call).is_some() {
            let report = LegReport { packets_received: 100, packets_sent: 100, ..LegReport::default() };
            self.events.push_back(MediaEvent::Closed { id: call, reports: Box::new([report.clone(), report]) });
        }
    }

    fn snapshot(&mut self, _call: MediaId) {}

    fn ports(&self) -> PortUsage {
        PortUsage { total_pairs: 2, in_use: 2 * self.open.len(), quarantined: 0 }
    }
}
