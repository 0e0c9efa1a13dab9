//! What the gateway is doing, for a person.

use super::core::Core;
use crate::bridge::{Bridge, MediaPlane};
use crate::observe::status::{CallStatus, RegistrationStatus, Status, TrunkStatus, Usage};
use crate::trunk::{Qualified, Trunk};
use std::collections::BTreeMap;
use std::time::Instant;
use voip_core::leg::Side;
use voip_sip::b2bua::CouplingState;

impl<M: MediaPlane> Core<M> {
    /// The state of everything, but for what the driver knows: its listeners.
    pub fn status(&self, now: Instant) -> Status {
        let endpoint = self.endpoint.counters();
        let ports = self.media.ports();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.clock.wall_at(self.started).rfc3339(),
            uptime_s: now.saturating_duration_since(self.started).as_secs(),
            stopping: self.stopping,
            usage: Usage {
                calls: self.bridges.len() as u64,
                max_calls: self.calls.limit.unwrap_or(u32::MAX).into(),
                media_ports: 2 * ports.in_use as u64,
                max_media_ports: 2 * ports.total_pairs as u64,
                connections: endpoint.connections as u64,
                transactions: endpoint.transactions as u64,
                dialogs: endpoint.dialogs as u64,
                ..Usage::default()
            },
            registrations: self.trunks.iter().filter_map(|trunk| self.registration(now, trunk)).collect(),
            trunks: self.trunks.iter().map(trunk_status).collect(),
            calls: self.bridges.values().map(|bridge| call_status(now, bridge)).collect(),
            counters: self.counted(),
            ..Status::default()
        }
    }

    fn registration(&self, now: Instant, trunk: &Trunk) -> Option<RegistrationStatus> {
        let status = self.endpoint.peer_status(now, trunk.peer).registration?;
        Some(RegistrationStatus {
            trunk: trunk.name().to_owned(),
            state: status.state.name().to_owned(),
            server: status.server,
            since_s: status.registered_for.map_or(0, |for_| for_.as_secs()),
            expires_in_s: status.expires_in.map(|left| left.as_secs()),
            next_attempt_in_s: status.next_attempt_in.map(|left| left.as_secs()),
            last_error: status.last_failure,
        })
    }

    fn counted(&self) -> BTreeMap<String, u64> {
        let endpoint = self.endpoint.counters();
        let received = &endpoint.received;
        [
            ("calls_answered", self.counters.answered),
            ("calls_refused", self.counters.refused),
            ("events_lost", self.counters.events_lost),
            ("requests", received.requests),
            ("responses", received.responses),
            ("unreadable_messages", received.unreadable),
            ("malformed_messages", received.malformed),
            ("bad_responses", received.bad_responses),
            ("ignored_strangers", received.strangers),
            ("challenged", received.challenged),
            ("wrong_credentials", received.unauthorized),
            ("shed", received.shed),
            ("broken_streams", received.broken_streams),
        ]
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
    }
}

fn trunk_status(trunk: &Trunk) -> TrunkStatus {
    let (reachable, round_trip_ms) = match trunk.qualified {
        Qualified::Unknown => (None, None),
        Qualified::Reachable(round_trip) => (Some(true), Some(round_trip.as_secs_f64() * 1000.0)),
        Qualified::Silent => (Some(false), None),
    };
    TrunkStatus {
        name: trunk.name().to_owned(),
        server: trunk.config.server().to_string(),
        calls: trunk.calls.current.into(),
        max_calls: trunk.calls.limit.map(u64::from),
        reachable,
        round_trip_ms,
        calls_in: trunk.calls.incoming,
        calls_out: trunk.calls.outgoing,
        failed: trunk.calls.failed,
    }
}

fn call_status(now: Instant, bridge: &Bridge) -> CallStatus {
    let held = Side::BOTH.iter().any(|side| bridge.leg(*side).is_held());
    let state = match bridge.state() {
        CouplingState::Calling => "calling",
        CouplingState::Alerting => "ringing",
        CouplingState::Answering | CouplingState::Established if held => "held",
        CouplingState::Answering | CouplingState::Established => "up",
        CouplingState::Ending | CouplingState::Ended => "ending",
    };
    let codec = |side: Side| bridge.leg(side).codec().map(|codec| codec.encoding_name().to_owned());
    let loss = |side: Side| bridge.reports().map(|reports| f64::from(reports[side.index()].loss_fraction) * 100.0);
    let parties = bridge.parties();
    CallStatus {
        id: bridge.id().to_owned(),
        from_trunk: parties.from_trunk.clone(),
        to_trunk: parties.to_trunk.clone(),
        caller: parties.caller.to_string(),
        called: parties.called.as_ref().map(ToString::to_string).unwrap_or_default(),
        state: state.to_owned(),
        age_s: now.saturating_duration_since(bridge.started()).as_secs(),
        talk_s: bridge.answered().map(|at| now.saturating_duration_since(at).as_secs()),
        caller_codec: codec(Side::Caller),
        callee_codec: codec(Side::Callee),
        caller_loss_percent: loss(Side::Caller),
        callee_loss_percent: loss(Side::Callee),
    }
}
