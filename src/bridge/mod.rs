//! One bridged call: two legs, the coupling of their signalling, and the media between them.
//!
//! Media is anchored here, so that each leg negotiates with this gateway alone: a re-INVITE or UPDATE of one side (hold,
//! resume, another address, other codecs) is answered at once and never reaches the other (RFC 3261 §14, RFC 3264 §8).
//! The coupling rules are `voip_sip::b2bua`'s, the packets `voip_media::relay`'s. A bridge is pure: what it wants done
//! it does to the endpoint and the [`MediaPlane`] that it is given with each input.

pub mod codecs;
mod media_plane;
pub(crate) mod record;

pub use media_plane::MediaPlane;

use crate::leg::Leg;
use crate::number::Number;
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::leg::{HangupCause, LegCommand, LegEnd, LegEvent, Side};
use voip_media::io::{MediaError, OpenedCall};
use voip_media::{LegReport, MediaEvent, MediaId};
use voip_sip::b2bua::{Coupling, CouplingConfig, CouplingState, Outcome};
use voip_sip::call::CallEvent;
use voip_sip::endpoint::Endpoint;
use voip_sip::message::{HeaderName, Headers};
use voip_sip::sdp::SdpError;

/// What a bridge acts upon.
#[derive(Debug)]
pub struct Surroundings<'a, M> {
    /// Its legs' signalling.
    pub endpoint: &'a mut Endpoint,
    /// Its media.
    pub media: &'a mut M,
}

/// Who calls whom, by which trunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    /// The caller's number.
    pub caller: Number,
    /// The number that was called, if the INVITE told it.
    pub called: Option<Number>,
    /// What is dialled, as it is written to the callee's trunk.
    pub dialled: String,
    /// The name of the trunk that the call comes from.
    pub from_trunk: String,
    /// The name of the trunk that it goes to.
    pub to_trunk: String,
}

/// What a bridge tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeEvent {
    /// The callee rings or makes progress.
    Ringing,
    /// The callee answered.
    Answered,
}

/// When what happened.
#[derive(Clone, Copy, Debug)]
struct Times {
    started: Instant,
    ringing: Option<Instant>,
    answered: Option<Instant>,
    ended: Option<Instant>,
}

/// One bridged call.
#[derive(Debug)]
pub struct Bridge {
    id: String,
    session_id: u64,
    parties: Parties,
    coupling: Coupling,
    legs: [Leg; 2],
    /// The caller's offer. `None`: its INVITE left the offer to us.
    offer: Option<Bytes>,
    media: Option<OpenedCall>,
    reports: Option<Box<[LegReport; 2]>>,
    closing: Closing,
    times: Times,
    /// What the leg that ended the call said about it.
    words: Option<String>,
    events: VecDeque<BridgeEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// Media flows, or may.
    No,
    /// Media is told to close; its last report is awaited until then.
    Until(Instant),
    /// Media is closed, or was never open.
    Done,
}

impl Bridge {
    /// A caller that waits and a callee that is called from `now` on. `session_id`: random, for the legs' session
    /// descriptions.
    pub fn new(
        now: Instant,
        id: String,
        session_id: u64,
        parties: Parties,
        legs: [Leg; 2],
        offer: Option<Bytes>,
        config: CouplingConfig,
    ) -> Self {
        Self {
            id,
            session_id,
            parties,
            coupling: Coupling::new(now, config),
            legs,
            offer,
            media: None,
            reports: None,
            closing: Closing::No,
            times: Times { started: now, ringing: None, answered: None, ended: None },
            words: None,
            events: VecDeque::new(),
        }
    }

    /// The gateway's name for the call.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who calls whom.
    pub const fn parties(&self) -> &Parties {
        &self.parties
    }

    /// A leg.
    pub const fn leg(&self, side: Side) -> &Leg {
        &self.legs[side.index()]
    }

    /// Where the call stands.
    pub const fn state(&self) -> CouplingState {
        self.coupling.state()
    }

    /// How the call ended, as soon as that is decided.
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.coupling.outcome()
    }

    /// When the INVITE came.
    pub const fn started(&self) -> Instant {
        self.times.started
    }

    /// When the callee answered.
    pub const fn answered(&self) -> Option<Instant> {
        self.times.answered
    }

    /// Its media, once that is open.
    pub fn media(&self) -> Option<MediaId> {
        self.media.as_ref().map(|opened| opened.id)
    }

    /// What is known of the media of both legs, by [`Side::index`].
    pub fn reports(&self) -> Option<&[LegReport; 2]> {
        self.reports.as_deref()
    }

    /// Whether both legs are over and the media has reported, so that nothing more will happen.
    pub fn is_finished(&self) -> bool {
        self.coupling.is_over() && self.closing == Closing::Done
    }

    /// The next thing it tells.
    pub fn poll_event(&mut self) -> Option<BridgeEvent> {
        self.events.pop_front()
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let closing = match self.closing {
            Closing::Until(at) => Some(at),
            Closing::No | Closing::Done => None,
        };
        [self.coupling.poll_timeout(), closing].into_iter().flatten().min()
    }

    /// A deadline has come.
    pub fn handle_timeout<M: MediaPlane>(&mut self, now: Instant, around: &mut Surroundings<'_, M>) {
        if matches!(self.closing, Closing::Until(at) if at <= now) {
            tracing::warn!(call = self.id, "the media of an ended call did not report");
            self.closing = Closing::Done;
        }
        self.coupling.handle_timeout(now);
        self.run(now, around);
    }

    /// The gateway wants the call to end.
    pub fn hang_up<M: MediaPlane>(&mut self, now: Instant, around: &mut Surroundings<'_, M>, end: LegEnd) {
        self.coupling.hang_up(now, end);
        self.run(now, around);
    }

    /// Something happened to the media.
    pub fn handle_media_event<M: MediaPlane>(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_, M>,
        event: MediaEvent,
    ) {
        match event {
            MediaEvent::Started { side, .. } => tracing::debug!(call = self.id, %side, "media started"),
            MediaEvent::Latched { side, source, .. } => {
                tracing::debug!(call = self.id, %side, %source, "media source");
            }
            MediaEvent::TimedOut { side, silent_for, .. } => {
                let end = LegEnd::new(HangupCause::MediaTimeout);
                self.words = Some(format!("the {side} sent nothing for {} s", silent_for.as_secs()));
                self.coupling.hang_up(now, end);
            }
            MediaEvent::Dtmf { side, duration_ms, .. } => {
                tracing::debug!(call = self.id, %side, duration_ms, "a key was pressed");
            }
            MediaEvent::Snapshot { reports, .. } => self.reports = Some(reports),
            MediaEvent::Closed { reports, .. } => {
                self.reports = Some(reports);
                self.closing = Closing::Done;
            }
        }
        self.run(now, around);
    }

    /// Something happened to a leg's call.
    pub fn handle_call_event<M: MediaPlane>(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_, M>,
        side: Side,
        event: CallEvent,
    ) {
        match event {
            // The gateway has taken it in.
            CallEvent::Incoming(_) => {}
            CallEvent::Routed { remote, local, advertised } => {
                self.leg_mut(Side::Callee).route(remote, local, advertised);
                self.open_media(now, around, remote);
            }
            CallEvent::Progress { status, sdp } => self.handle_progress(now, around, status, sdp),
            CallEvent::Answered { sdp, response } => {
                if let Ok(call_id) = response.headers.call_id() {
                    self.leg_mut(side).call_id = call_id.to_str_lossy().into_owned();
                }
                self.handle_answer(now, around, sdp);
            }
            CallEvent::Confirmed { sdp } => self.handle_confirmation(now, around, side, sdp),
            CallEvent::Offer { sdp } => self.handle_offer(now, around, side, sdp),
            CallEvent::OfferAnswered { sdp } => match self.leg_mut(side).handle_answer(&sdp) {
                Ok(()) => self.set_plan(around, side),
                Err(error) => tracing::warn!(call = self.id, %side, %error, "an answer was not understood"),
            },
            CallEvent::OfferRefused { status } => {
                tracing::debug!(call = self.id, %side, status, "a change of the session was refused");
            }
            // The other leg carries keys as telephone events, which only media can send.
            CallEvent::Dtmf { duration_ms, .. } => {
                tracing::debug!(call = self.id, %side, duration_ms, "a key came by INFO");
            }
            CallEvent::Ended { end, words, .. } => {
                if self.coupling.outcome().is_none() {
                    self.words = words;
                }
                self.coupling.handle_event(now, side, LegEvent::Ended(end));
            }
        }
        self.run(now, around);
    }

    const fn leg_mut(&mut self, side: Side) -> &mut Leg {
        &mut self.legs[side.index()]
    }

    /// The way to the callee is known, so both legs' addresses are: ports are opened and the callee gets its offer.
    fn open_media<M: MediaPlane>(&mut self, now: Instant, around: &mut Surroundings<'_, M>, remote: SocketAddr) {
        // A call that is ending needs no ports; a further target of the callee keeps those of the first.
        if self.coupling.outcome().is_some() || self.media.is_some() {
            return;
        }
        let bind = Side::BOTH.map(|side| match self.leg(side).addresses {
            Some((local, _)) => local,
            None => remote.ip(),
        });
        let opened = match around.media.open(now, bind) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(call = self.id, %error, "no ports for the media of a call");
                let cause = if matches!(error, MediaError::PortsExhausted(_)) {
                    HangupCause::Limit
                } else {
                    HangupCause::Internal
                };
                self.words = Some(error.to_string());
                return self.coupling.hang_up(now, LegEnd::new(cause));
            }
        };
        for side in Side::BOTH {
            // Both descriptions are this gateway's: their identifiers differ as their legs do.
            let session_id = self.session_id.wrapping_add(side.index() as u64);
            let (rtp, rtcp) = (opened.rtp[side.index()], opened.rtcp[side.index()]);
            self.leg_mut(side).open(session_id, rtp, rtcp);
        }
        self.media = Some(opened);
        let callee = self.leg_mut(Side::Callee);
        let call = callee.call;
        if let Some(offer) = callee.offer(None) {
            around.endpoint.offer(now, call, offer);
        }
    }

    fn handle_progress<M: MediaPlane>(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_, M>,
        status: u16,
        sdp: Option<Bytes>,
    ) {
        if self.coupling.outcome().is_some() {
            return;
        }
        let early_media = match sdp.map(|sdp| self.leg_mut(Side::Callee).handle_answer(&sdp)) {
            Some(Ok(())) => {
                self.set_plan(around, Side::Callee);
                true
            }
            Some(Err(error)) => {
                // The final answer may be better; until then the call rings without early media.
                tracing::debug!(call = self.id, %error, "early media was not understood");
                false
            }
            None => false,
        };
        if self.times.ringing.is_none() {
            self.times.ringing = Some(now);
            self.events.push_back(BridgeEvent::Ringing);
        }
        self.coupling.handle_event(now, Side::Callee, LegEvent::Progress { status, early_media });
    }

    fn handle_answer<M: MediaPlane>(&mut self, now: Instant, around: &mut Surroundings<'_, M>, sdp: Option<Bytes>) {
        let callee = self.leg_mut(Side::Callee);
        let answered = match sdp {
            Some(sdp) => callee.handle_answer(&sdp),
            // It answered with early media.
            None if callee.plan().is_some() => Ok(()),
            None => Err(SdpError::NoAudio),
        };
        if let Err(error) = answered
            && self.coupling.outcome().is_none()
        {
            return self.fail_negotiation(now, Side::Callee, &error);
        }
        if self.coupling.outcome().is_none() {
            self.times.answered = Some(now);
            self.events.push_back(BridgeEvent::Answered);
            self.set_plan(around, Side::Callee);
        }
        self.coupling.handle_event(now, Side::Callee, LegEvent::Answered);
    }

    /// The caller's ACK came; when the offer was ours, with the answer.
    fn handle_confirmation<M: MediaPlane>(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_, M>,
        side: Side,
        sdp: Option<Bytes>,
    ) {
        if self.offer.is_none() && self.coupling.outcome().is_none() {
            let answered = match sdp {
                Some(sdp) => self.leg_mut(side).handle_answer(&sdp),
                None => Err(SdpError::NoAudio),
            };
            if let Err(error) = answered {
                return self.fail_negotiation(now, side, &error);
            }
            self.set_plan(around, side);
        }
        self.coupling.handle_event(now, side, LegEvent::Answered);
    }

    /// A re-INVITE or UPDATE: answered for this leg alone.
    fn handle_offer<M: MediaPlane>(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_, M>,
        side: Side,
        sdp: Option<Bytes>,
    ) {
        let far = self.leg(side.other()).codec();
        let leg = self.leg_mut(side);
        let call = leg.call;
        match sdp.map(|sdp| leg.answer_offer(&sdp, far)) {
            Some(Ok(answer)) => {
                self.set_plan(around, side);
                around.endpoint.accept_offer(now, call, answer);
                let held = self.leg(side).is_held();
                tracing::debug!(call = self.id, %side, held, "the session was changed");
            }
            Some(Err(error)) => {
                tracing::debug!(call = self.id, %side, %error, "an offer was refused");
                around.endpoint.refuse_offer(now, call, error.status());
            }
            None => match leg.offer(far) {
                Some(offer) => around.endpoint.accept_offer(now, call, offer),
                None => around.endpoint.refuse_offer(now, call, 500),
            },
        }
    }

    fn fail_negotiation(&mut self, now: Instant, side: Side, error: &SdpError) {
        self.words = Some(format!("{side}: {error}"));
        self.coupling.hang_up(now, LegEnd { cause: HangupCause::NoCodec, status: None });
    }

    fn set_plan<M: MediaPlane>(&self, around: &mut Surroundings<'_, M>, side: Side) {
        if self.closing != Closing::No {
            return;
        }
        let leg = self.leg(side);
        if let (Some(media), Some(plan)) = (self.media(), leg.plan()) {
            let policy = leg.policy(self.times.answered.is_some());
            around.media.set_plan(media, side, plan.clone(), policy);
        }
    }

    /// Does what the coupling wants done.
    fn run<M: MediaPlane>(&mut self, now: Instant, around: &mut Surroundings<'_, M>) {
        while let Some((side, command)) = self.coupling.poll_command() {
            match command {
                LegCommand::Progress { status, early_media } => {
                    let sdp = if early_media { self.early_answer(around) } else { None };
                    let call = self.leg(side).call;
                    around.endpoint.progress(now, call, status.max(LEAST_PASSED_STATUS), sdp);
                }
                LegCommand::Answer => self.answer_caller(now, around),
                LegCommand::HangUp(end) => {
                    let headers = headers_of(&end);
                    around.endpoint.hang_up(now, self.leg(side).call, &end, headers);
                }
            }
        }
        if self.coupling.outcome().is_some() && self.closing == Closing::No {
            self.times.ended = Some(now);
            // Both legs are being hung up: nobody is to hear any more.
            self.closing = match self.media() {
                Some(media) => {
                    around.media.close(media);
                    Closing::Until(now + CLOSING_LIMIT)
                }
                None => Closing::Done,
            };
        }
    }

    fn early_answer<M: MediaPlane>(&mut self, around: &mut Surroundings<'_, M>) -> Option<Bytes> {
        let far = self.leg(Side::Callee).codec();
        let offer = self.offer.clone()?;
        let answer = self.leg_mut(Side::Caller).early_answer(&offer, far).ok()?;
        self.set_plan(around, Side::Caller);
        Some(answer)
    }

    fn answer_caller<M: MediaPlane>(&mut self, now: Instant, around: &mut Surroundings<'_, M>) {
        let far = self.leg(Side::Callee).codec();
        let offer = self.offer.clone();
        let caller = self.leg_mut(Side::Caller);
        let call = caller.call;
        let answer = match offer {
            Some(offer) => caller.answer(&offer, far),
            None => caller.offer(far).ok_or(SdpError::NoOffer),
        };
        match answer {
            Ok(sdp) => {
                self.set_plan(around, Side::Caller);
                around.endpoint.answer(now, call, sdp);
            }
            Err(error) => self.fail_negotiation(now, Side::Caller, &error),
        }
    }
}

/// What a hang-up says besides its Reason: why no codec was found (RFC 3261 §20.43, warning 305).
pub(crate) fn headers_of(end: &LegEnd) -> Headers {
    let mut headers = Headers::new();
    if end.cause == HangupCause::NoCodec {
        headers.push(HeaderName::Warning, "305 voip \"No codec in common\"");
    }
    headers
}

/// Statuses below 180 but 100 are not in use (RFC 3261 §21.1); whatever they mean, the caller is being served.
const LEAST_PASSED_STATUS: u16 = 180;

/// How long an ended call waits for the last report of its media: workers answer within milliseconds.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);
