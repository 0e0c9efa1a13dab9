//! A call that came: limits, number, route, codecs; then the call it causes, and the bridge of both.

use super::core::Core;
use super::event::GatewayEvent;
use crate::bridge::{Bridge, MediaPlane, Parties, codecs, headers_of, record};
use crate::config;
use crate::leg::Leg;
use crate::number::Number;
use crate::observe::record::{CallRecord, LegRecord};
use crate::trunk::incoming::{Caller, called_number, caller};
use crate::trunk::outgoing::dialling;
use std::time::Instant;
use voip_core::leg::{HangupCause, LegEnd};
use voip_core::redact;
use voip_sip::b2bua::CouplingConfig;
use voip_sip::call::{CallKey, IncomingCall};
use voip_sip::message::header::MaxForwards;

/// Why a call is refused.
struct Refusal {
    end: LegEnd,
    words: String,
}

impl Refusal {
    fn new(cause: HangupCause, words: impl Into<String>) -> Self {
        Self { end: LegEnd::new(cause), words: words.into() }
    }

    fn with_status(mut self, status: u16) -> Self {
        self.end.status = Some(status);
        self
    }
}

/// What was found out about a call before anything was done for it.
struct Plan {
    to: usize,
    route: config::Route,
    number: Number,
    caller_leg: Leg,
    callee_codecs: Vec<voip_core::codec::AudioCodec>,
    max_forwards: u32,
}

impl<M: MediaPlane> Core<M> {
    /// A call came, from a trunk that was identified.
    pub(super) fn admit(&mut self, now: Instant, call: CallKey, incoming: IncomingCall) {
        let Some(from) = self.trunks.iter().position(|trunk| trunk.peer == incoming.peer) else { return };
        self.trunks[from].calls.incoming += 1;
        let id = self.rng.token(16);
        let who = caller(&incoming.request);
        let called = called_number(&incoming.request, &self.trunks[from].config);
        match self.plan(call, from, &incoming, called.as_ref()) {
            Ok(plan) => self.bridge(now, id, call, from, incoming, who, called, plan),
            Err(refusal) => self.refuse(now, id, call, from, &incoming, &who, called.as_ref(), refusal),
        }
    }

    fn plan(
        &self,
        call: CallKey,
        from: usize,
        incoming: &IncomingCall,
        called: Option<&Number>,
    ) -> Result<Plan, Refusal> {
        if self.stopping {
            return Err(Refusal::new(HangupCause::Shutdown, "shutting down"));
        }
        let source = incoming.remote.ip().to_canonical();
        if let config::Identify::Credentials(networks) = &self.trunks[from].config.identify
            && !networks.is_empty()
            && !networks.iter().any(|network| network.contains(&source))
        {
            return Err(Refusal::new(
                HangupCause::Forbidden,
                "right credentials from a network that is not the trunk's",
            ));
        }
        // RFC 3261 §16.3 item 3; a header that cannot be read counts as the usual 70 (§16.6 item 3).
        let hops = incoming.request.headers.typed::<MaxForwards>().ok().flatten().map_or(70, |hops| hops.0);
        if hops == 0 {
            return Err(Refusal::new(HangupCause::Unreachable, "Max-Forwards is 0").with_status(483));
        }
        let limit = |error| Refusal::new(HangupCause::Limit, format!("{error}"));
        self.calls.check(1).map_err(limit)?;
        self.trunks[from].calls.check(1).map_err(limit)?;
        let Some((route, number)) = self.routes.find(self.trunks[from].name(), called) else {
            return Err(Refusal::new(HangupCause::NoRoute, "no route"));
        };
        let Some(to) = self.trunks.iter().position(|trunk| trunk.name() == route.to) else {
            return Err(Refusal::new(HangupCause::Internal, format!("no trunk {}", route.to)));
        };
        // A call that leaves by the trunk it came from takes two of its lines.
        self.trunks[to].calls.check(if to == from { 2 } else { 1 }).map_err(limit)?;

        let mut caller_leg = Leg::new(call, from, &self.trunks[from].config);
        caller_leg.remote = Some((incoming.transport, incoming.remote));
        caller_leg.addresses = Some((incoming.local, incoming.advertised));
        caller_leg.call_id =
            incoming.request.headers.call_id().map(|id| id.to_str_lossy().into_owned()).unwrap_or_default();
        let has = match &incoming.offer {
            Some(offer) => match caller_leg.examine(offer) {
                Ok(offer) => offer.codecs,
                Err(error) => {
                    let unreadable = error.status() == 400;
                    let cause = if unreadable { HangupCause::ProtocolError } else { HangupCause::NoCodec };
                    return Err(Refusal::new(cause, error.to_string()).with_status(error.status()));
                }
            },
            None => caller_leg.codecs().to_vec(),
        };
        let callee_codecs = codecs::to_offer(&self.trunks[to].config.codecs, &has);
        if callee_codecs.is_empty() {
            return Err(Refusal::new(HangupCause::NoCodec, "the trunks have no codec in common"));
        }
        Ok(Plan { to, route: route.clone(), number, caller_leg, callee_codecs, max_forwards: hops - 1 })
    }

    #[expect(clippy::too_many_arguments, reason = "what is known of a call is handed over once, in one place")]
    fn bridge(
        &mut self,
        now: Instant,
        id: String,
        call: CallKey,
        from: usize,
        incoming: IncomingCall,
        who: Caller,
        called: Option<Number>,
        plan: Plan,
    ) {
        self.endpoint.trying(now, call);
        let target = &mut self.trunks[plan.to];
        target.calls.outgoing += 1;
        let outgoing = dialling(&target.config, &plan.number, &who, &id, plan.max_forwards);
        let parties = Parties {
            caller: who.number,
            called,
            dialled: outgoing.user.clone(),
            from_trunk: plan.route.from.clone(),
            to_trunk: plan.route.to.clone(),
        };
        tracing::debug!(
            call = id,
            from = parties.from_trunk,
            to = parties.to_trunk,
            caller = %redact::number(&parties.caller.to_string()),
            dialled = %redact::number(&parties.dialled),
            "call came"
        );
        self.tell(GatewayEvent::CallStarted {
            id: id.clone(),
            from_trunk: parties.from_trunk.clone(),
            to_trunk: parties.to_trunk.clone(),
            caller: parties.caller.to_string(),
            called: parties.called.as_ref().map(ToString::to_string).unwrap_or_default(),
        });
        let target = &self.trunks[plan.to];
        let callee = self.endpoint.call(now, target.peer, outgoing);
        let mut callee_leg = Leg::new(callee, plan.to, &target.config);
        callee_leg.limit_codecs(plan.callee_codecs);
        let timing = CouplingConfig { ring_timeout: plan.route.ring_timeout, max_duration: plan.route.max_duration };
        let session_id = self.rng.u64();
        let legs = [plan.caller_leg, callee_leg];
        let bridge = Bridge::new(now, id, session_id, parties, legs, incoming.offer, timing);
        let key = self.next_bridge();
        debug_assert_eq!(bridge.leg(voip_core::leg::Side::Caller).trunk, from);
        self.insert_bridge(now, key, bridge);
    }

    #[expect(clippy::too_many_arguments, reason = "what is known of a call is handed over once, in one place")]
    fn refuse(
        &mut self,
        now: Instant,
        id: String,
        call: CallKey,
        from: usize,
        incoming: &IncomingCall,
        who: &Caller,
        called: Option<&Number>,
        refusal: Refusal,
    ) {
        self.counters.refused += 1;
        self.trunks[from].calls.failed += 1;
        let end = refusal.end;
        self.endpoint.hang_up(now, call, &end, headers_of(&end));
        let wall = self.clock.wall_at(now).rfc3339();
        let mut record = CallRecord {
            id,
            started: wall.clone(),
            ended: wall,
            caller: who.number.to_string(),
            called: called.map(ToString::to_string).unwrap_or_default(),
            from_trunk: self.trunks[from].name().to_owned(),
            caller_leg: LegRecord {
                call_id: incoming
                    .request
                    .headers
                    .call_id()
                    .map(|id| id.to_str_lossy().into_owned())
                    .unwrap_or_default(),
                peer: format!("{} {}", incoming.transport, incoming.remote),
                ..LegRecord::default()
            },
            ..CallRecord::default()
        };
        record::enter_end(&mut record, &end, None, Some(&refusal.words));
        record.status = Some(end.rejection());
        self.tell_ended(record);
    }
}
