//! The gateway's core as a node of the network: UDP only, no names.

use super::media::SimMedia;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use voip::config::{Config, FixedEnvironment};
use voip::gateway::{Core, GatewayEvent, core_config};
use voip::observe::record::CallRecord;
use voip_core::net::{AddressPolicy, FlowId};
use voip_core::sim::{NodeOutput, SimDatagram};
use voip_core::time::{ClockPair, WallTime};
use voip_sip::endpoint::Output;
use voip_sip::io::Machine;

pub struct GatewayNode {
    pub core: Core<SimMedia>,
    pub events: Vec<GatewayEvent>,
    address: SocketAddr,
    udp: FlowId,
    outputs: VecDeque<NodeOutput>,
    timeout: Option<Instant>,
}

impl GatewayNode {
    pub fn new(start: Instant, ip: &str, seed: u64, config: &str) -> Self {
        let config = Config::parse(config, "gateway.toml", &FixedEnvironment::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let clock = ClockPair { instant: start, wall: WallTime::from_unix(Duration::from_secs(1_795_000_000)) };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let parts = core_config(&config, AddressPolicy::default(), clock, bytes, false);
        let mut core = Core::new(start, parts, SimMedia::default());
        let address = SocketAddr::new(ip.parse().expect("an address"), 5060);
        let udp = core.bind_udp(address);
        core.start(start);
        Self { core, events: Vec::new(), address, udp, outputs: VecDeque::new(), timeout: None }
    }

    /// Takes the records of calls that are over.
    pub fn records(&mut self) -> Vec<CallRecord> {
        let mut records = Vec::new();
        self.events.retain(|event| match event {
            GatewayEvent::CallEnded(record) => {
                records.push(record.as_ref().clone());
                false
            }
            GatewayEvent::Registration { .. }
            | GatewayEvent::Reachable { .. }
            | GatewayEvent::CallStarted { .. }
            | GatewayEvent::CallRinging { .. }
            | GatewayEvent::CallAnswered { .. }
            | GatewayEvent::Stranger { .. }
            | GatewayEvent::Message(_) => true,
        });
        records
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.core.poll_output() {
                Output::Transmit(transmit) => self.outputs.push_back(NodeOutput::Datagram(SimDatagram {
                    source: self.address,
                    destination: transmit.remote,
                    payload: transmit.payload,
                })),
                Output::Connect(_) | Output::Close(_) | Output::Resolve(..) => {
                    panic!("these tests speak UDP to addresses")
                }
                Output::Event(_) => {}
                Output::Timeout(at) => {
                    self.timeout = at;
                    let Some(event) = self.core.media_mut().events.pop_front() else { break };
                    self.core.handle_media_event(now, event);
                }
            }
        }
        self.events.extend(std::iter::from_fn(|| self.core.poll_event()));
    }

    pub fn addresses(&self) -> Vec<IpAddr> {
        vec![self.address.ip()]
    }

    pub fn handle_datagram(&mut self, now: Instant, datagram: SimDatagram) {
        self.core.handle_datagram(now, self.udp, datagram.source, datagram.payload);
        self.drain(now);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(now);
        self.drain(now);
    }

    pub fn poll_output(&mut self, now: Instant) -> Option<NodeOutput> {
        self.drain(now);
        self.outputs.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }
}
