//! The tables of a gateway, and what comes in by its endpoint and its media.

use super::event::GatewayEvent;
use crate::bridge::{Bridge, BridgeEvent, MediaPlane, Surroundings};
use crate::config;
use crate::observe::log::sip_message;
use crate::observe::record::CallRecord;
use crate::route::Routes;
use crate::trunk::{CallLimit, Qualified, Trunk, peer};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;
use voip_core::leg::{HangupCause, LegEnd, Side};
use voip_core::redact;
use voip_core::rng::Rng;
use voip_core::time::{ClockPair, Deadlines};
use voip_media::{MediaEvent, MediaId};
use voip_sip::call::{CallEvent, CallKey};
use voip_sip::endpoint::{Endpoint, EndpointConfig, Event, Output, PeerId, TlsProfile};
use voip_sip::registration::RegistrationState;

/// Names a bridge within the core, in the order in which calls came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BridgeKey(pub(super) u64);

/// What a core is built from.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// The endpoint.
    pub endpoint: EndpointConfig,
    /// The trunks; each has the TLS profile of its place in this list.
    pub trunks: Vec<config::Trunk>,
    /// The routes.
    pub routes: Vec<config::Route>,
    /// Bridged calls at the same time.
    pub max_calls: u32,
    /// Decides everything random.
    pub seed: [u8; 32],
}

/// A gateway without sockets.
#[derive(Debug)]
pub struct Core<M> {
    pub(super) endpoint: Endpoint,
    pub(super) media: M,
    pub(super) trunks: Vec<Trunk>,
    pub(super) routes: Routes,
    /// All trunks together.
    pub(super) calls: CallLimit,
    pub(super) bridges: BTreeMap<BridgeKey, Bridge>,
    pub(super) by_call: HashMap<CallKey, (BridgeKey, Side)>,
    pub(super) by_media: HashMap<MediaId, BridgeKey>,
    deadlines: Deadlines<BridgeKey>,
    next_bridge: u64,
    pub(super) rng: Rng,
    pub(super) clock: ClockPair,
    pub(super) started: Instant,
    pub(super) stopping: bool,
    pub(super) counters: Counters,
    outputs: VecDeque<Output>,
    events: VecDeque<GatewayEvent>,
}

/// What a core counts besides what its parts count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) refused: u64,
    pub(super) answered: u64,
    pub(super) events_lost: u64,
}

impl<M: MediaPlane> Core<M> {
    /// A gateway that has not begun to register. `clock` relates the monotonic clock to the wall's.
    pub fn new(now: Instant, config: CoreConfig, media: M) -> Self {
        let mut rng = Rng::from_seed(config.seed);
        let clock = config.endpoint.clock;
        let mut endpoint = Endpoint::new(config.endpoint, rng.bytes());
        let trunks = config
            .trunks
            .into_iter()
            .zip(0..)
            .map(|(trunk, n)| {
                let peer = endpoint.add_peer(peer::peer_config(&trunk, TlsProfile(n)));
                Trunk::new(trunk, peer)
            })
            .collect();
        Self {
            endpoint,
            media,
            trunks,
            routes: Routes::new(config.routes),
            calls: CallLimit::new(Some(config.max_calls)),
            bridges: BTreeMap::new(),
            by_call: HashMap::new(),
            by_media: HashMap::new(),
            deadlines: Deadlines::default(),
            next_bridge: 1,
            rng,
            clock,
            started: now,
            stopping: false,
            counters: Counters::default(),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Registers and asks trunks whether they are there. The sockets must be bound by now.
    pub fn start(&mut self, now: Instant) {
        for trunk in &self.trunks {
            if let Some(registration) = peer::registration_config(&trunk.config) {
                self.endpoint.register(now, trunk.peer, registration);
            }
        }
        self.endpoint.start_qualifying(now);
        self.run(now);
    }

    /// Something happened to the media of a call.
    pub fn handle_media_event(&mut self, now: Instant, event: MediaEvent) {
        let id = match &event {
            MediaEvent::Started { id, .. }
            | MediaEvent::Latched { id, .. }
            | MediaEvent::TimedOut { id, .. }
            | MediaEvent::Dtmf { id, .. }
            | MediaEvent::Snapshot { id, .. }
            | MediaEvent::Closed { id, .. } => *id,
        };
        if let Some(&key) = self.by_media.get(&id) {
            self.with_bridge(now, key, |bridge, around| bridge.handle_media_event(now, around, event));
        }
        self.run(now);
    }

    /// Takes no new calls, ends those that are up, removes registrations. [`is_finished`](Self::is_finished) tells when
    /// it is done.
    pub fn shut_down(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.endpoint.stop_accepting();
            let keys: Vec<BridgeKey> = self.bridges.keys().copied().collect();
            for key in keys {
                let end = LegEnd::new(HangupCause::Shutdown);
                self.with_bridge(now, key, |bridge, around| bridge.hang_up(now, around, end));
            }
            self.endpoint.unregister_all(now);
        }
        self.run(now);
    }

    /// Whether a shutdown is done: no call is left, and every BYE and REGISTER was answered or given up.
    pub fn is_finished(&self) -> bool {
        self.stopping && self.bridges.is_empty() && self.endpoint.is_idle()
    }

    /// Gives up what a shutdown could not end in time: the records of calls that are left are told.
    pub fn abandon(&mut self, now: Instant) {
        while let Some((key, bridge)) = self.bridges.pop_first() {
            self.deadlines.set(key, None);
            self.tell_ended(bridge.record(now, &self.clock));
        }
        self.by_call.clear();
        self.by_media.clear();
    }

    /// The next thing it tells its observer.
    pub fn poll_event(&mut self) -> Option<GatewayEvent> {
        self.events.pop_front()
    }

    /// Whether it has something to tell.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Its endpoint, to look at.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its media, to look at.
    pub const fn media(&self) -> &M {
        &self.media
    }

    /// Its media, for whoever runs it.
    pub const fn media_mut(&mut self) -> &mut M {
        &mut self.media
    }

    /// How many calls are up, ringing ones too.
    pub fn bridged_calls(&self) -> usize {
        self.bridges.len()
    }

    /// Asks the media for the state of all calls, for a later [`status`](Self::status).
    pub fn request_snapshots(&mut self) {
        for bridge in self.bridges.values() {
            if let Some(media) = bridge.media() {
                self.media.snapshot(media);
            }
        }
    }

    pub(super) fn input(&mut self, now: Instant, give: impl FnOnce(&mut Endpoint)) {
        give(&mut self.endpoint);
        self.run(now);
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(key) = self.deadlines.expire(now) {
            self.with_bridge(now, key, |bridge, around| bridge.handle_timeout(now, around));
        }
    }

    pub(super) fn take_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            let next = [self.endpoint.next_timeout(), self.deadlines.next()];
            Output::Timeout(next.into_iter().flatten().min())
        })
    }

    /// Takes what the endpoint has to say, while `now` is known; what the driver is to do waits for it.
    pub(super) fn run(&mut self, now: Instant) {
        loop {
            match self.endpoint.poll_output() {
                Output::Event(event) => {
                    // Passed on when it has led to news: a driver hands it to whoever awaits it, who then takes them.
                    let wake = match &event {
                        Event::Call(_, CallEvent::Incoming(_)) | Event::Message(_) => None,
                        Event::Call(..) | Event::Registration(_) | Event::Qualified { .. } | Event::Stranger { .. } => {
                            Some(event.clone())
                        }
                    };
                    self.endpoint_event(now, event);
                    if let Some(wake) = wake.filter(|_| self.has_events()) {
                        self.outputs.push_back(Output::Event(wake));
                    }
                }
                Output::Timeout(_) => return,
                output @ (Output::Transmit(_) | Output::Connect(_) | Output::Close(_) | Output::Resolve(..)) => {
                    self.outputs.push_back(output);
                }
            }
        }
    }

    fn endpoint_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Call(call, CallEvent::Incoming(incoming)) => self.admit(now, call, *incoming),
            Event::Call(call, event) => {
                let ended = matches!(event, CallEvent::Ended { .. });
                if let Some(&(key, side)) = self.by_call.get(&call) {
                    if ended {
                        self.by_call.remove(&call);
                    }
                    self.with_bridge(now, key, |bridge, around| bridge.handle_call_event(now, around, side, event));
                }
            }
            Event::Registration(peer) => self.registration_changed(now, peer),
            Event::Qualified { peer, round_trip } => {
                let Some(trunk) = self.trunks.iter_mut().find(|trunk| trunk.peer == peer) else { return };
                let before = trunk.qualified;
                trunk.qualified = round_trip.map_or(Qualified::Silent, Qualified::Reachable);
                let reachable = round_trip.is_some();
                let was_reachable = matches!(before, Qualified::Reachable(_));
                if reachable == was_reachable && before != Qualified::Unknown {
                    return;
                }
                let name = trunk.name().to_owned();
                if reachable {
                    tracing::info!(trunk = name, "the trunk answers");
                } else {
                    tracing::warn!(trunk = name, "the trunk does not answer OPTIONS");
                }
                self.tell(GatewayEvent::Reachable { trunk: name, reachable });
            }
            Event::Message(message) => {
                let direction = if message.received { "received from" } else { "sent to" };
                sip_message(direction, message.transport, message.remote, &message.payload);
                self.tell(GatewayEvent::Message(message));
            }
            Event::Stranger { remote, transport, method } => {
                let method = String::from_utf8_lossy(&method);
                tracing::debug!(%remote, %transport, %method, "a stranger was turned away");
                self.tell(GatewayEvent::Stranger { remote, transport });
            }
        }
    }

    fn registration_changed(&mut self, now: Instant, peer: PeerId) {
        let Some(trunk) = self.trunks.iter().find(|trunk| trunk.peer == peer) else { return };
        let Some(status) = self.endpoint.peer_status(now, peer).registration else { return };
        let (name, server) = (trunk.name().to_owned(), status.server);
        match (status.state, &status.last_failure) {
            (RegistrationState::Registered, _) => {
                let expires = status.expires_in.map(|left| left.as_secs());
                tracing::info!(trunk = name, server, expires, "registered");
            }
            (RegistrationState::Backoff, failure) => {
                let again = status.next_attempt_in.map(|left| left.as_secs());
                let failure = failure.as_deref().unwrap_or("no answer");
                tracing::warn!(trunk = name, server, failure, again_in_s = again, "not registered");
            }
            (
                state @ (RegistrationState::Unregistered
                | RegistrationState::Registering
                | RegistrationState::Refreshing
                | RegistrationState::Unregistering),
                _,
            ) => tracing::debug!(trunk = name, server, %state, "registration"),
        }
        let failure = status.last_failure;
        self.tell(GatewayEvent::Registration { trunk: name, state: status.state, failure });
    }

    /// Lets a bridge act, then keeps the tables that lead to it.
    pub(super) fn with_bridge(
        &mut self,
        now: Instant,
        key: BridgeKey,
        act: impl FnOnce(&mut Bridge, &mut Surroundings<'_, M>),
    ) {
        let Some(bridge) = self.bridges.get_mut(&key) else { return };
        let mut around = Surroundings { endpoint: &mut self.endpoint, media: &mut self.media };
        act(bridge, &mut around);
        if let Some(media) = bridge.media() {
            self.by_media.entry(media).or_insert(key);
        }
        let mut news = Vec::new();
        while let Some(event) = bridge.poll_event() {
            let id = bridge.id().to_owned();
            news.push(match event {
                BridgeEvent::Ringing => GatewayEvent::CallRinging { id },
                BridgeEvent::Answered => {
                    self.counters.answered += 1;
                    let parties = bridge.parties();
                    tracing::info!(
                        call = id,
                        from = parties.from_trunk,
                        to = parties.to_trunk,
                        caller = %redact::number(&parties.caller.to_string()),
                        dialled = %redact::number(&parties.dialled),
                        "call up"
                    );
                    GatewayEvent::CallAnswered { id }
                }
            });
        }
        let finished = bridge.is_finished();
        self.deadlines.set(key, if finished { None } else { bridge.poll_timeout() });
        news.into_iter().for_each(|event| self.tell(event));
        if finished {
            self.remove_bridge(now, key);
        }
    }

    /// A name for the next bridge.
    pub(super) const fn next_bridge(&mut self) -> BridgeKey {
        let key = BridgeKey(self.next_bridge);
        self.next_bridge += 1;
        key
    }

    pub(super) fn insert_bridge(&mut self, now: Instant, key: BridgeKey, bridge: Bridge) {
        for side in Side::BOTH {
            let leg = bridge.leg(side);
            self.by_call.insert(leg.call, (key, side));
            self.trunks[leg.trunk].calls.begin();
        }
        self.calls.begin();
        self.bridges.insert(key, bridge);
        self.with_bridge(now, key, |_, _| {});
    }

    fn remove_bridge(&mut self, now: Instant, key: BridgeKey) {
        let Some(bridge) = self.bridges.remove(&key) else { return };
        self.calls.end();
        for side in Side::BOTH {
            let leg = bridge.leg(side);
            self.by_call.remove(&leg.call);
            let calls = &mut self.trunks[leg.trunk].calls;
            calls.end();
            let given_up = bridge.outcome().is_some_and(|outcome| outcome.end.cause == HangupCause::Cancelled);
            calls.failed += u64::from(bridge.answered().is_none() && !given_up);
        }
        if let Some(media) = bridge.media() {
            self.by_media.remove(&media);
        }
        self.tell_ended(bridge.record(now, &self.clock));
    }

    pub(super) fn tell_ended(&mut self, record: CallRecord) {
        tracing::info!(
            call = record.id,
            from = record.from_trunk,
            to = record.to_trunk,
            caller = %redact::number(&record.caller),
            talk_s = record.talk_ms / 1000,
            by = ?record.ended_by,
            reason = record.reason,
            "call over"
        );
        self.tell(GatewayEvent::CallEnded(Box::new(record)));
    }

    pub(super) fn tell(&mut self, event: GatewayEvent) {
        // An observer that never looks costs no memory; a record is never dropped for something less.
        if self.events.len() >= EVENTS && !matches!(event, GatewayEvent::CallEnded(_)) {
            self.counters.events_lost += 1;
            return;
        }
        if self.events.len() >= EVENTS * 2 {
            self.counters.events_lost += 1;
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// Events that may wait to be taken: the ends of all calls of a large gateway at its shutdown.
const EVENTS: usize = 8192;
