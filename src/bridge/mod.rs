//! One bridged call: two legs, the coupling of their signalling, and the media between them.
//!
//! Media is anchored here, so that each leg negotiates with this gateway alone: a re-INVITE or UPDATE of one side (hold,
//! resume, another address, other codecs) is answered at once and never reaches the other (RFC 3261 §14, RFC 3264 §8).
//! The coupling rules are `voip_sip::b2bua`'s, the packets `voip_media::relay`'s. A bridge is pure: what it wants done
//! it does to the endpoint and the [`MediaPlane`] that it is given with each input.

pub mod codecs;
mod media_plane;
pub(crate) mod record;
mod session;

pub use media_plane::MediaPlane;

use crate::leg::Leg;
use crate::number::Number;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use voip_core::leg::{HangupCause, LegCommand, LegEnd, LegEvent, Side};
use voip_media::io::OpenedCall;
use voip_media::{LegReport, MediaEvent, MediaId};
use voip_sip::b2bua::{Coupling, CouplingConfig, CouplingState, Outcome};
use voip_sip::call::CallEvent;
use voip_sip::endpoint::Endpoint;
use voip_sip::message::{HeaderName, Headers};

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
