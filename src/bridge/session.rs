//! What the two legs of a bridge agree with their far sides: offers, answers, early media, changes (RFC 3264).
//!
//! Each leg is negotiated alone; the codec of the other leg is a preference, so that packets pass through unchanged.

use super::{Bridge, BridgeEvent, Closing, MediaPlane, Surroundings};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Instant;
use voip_core::leg::{HangupCause, LegEnd, LegEvent, Side};
use voip_media::io::MediaError;
use voip_sip::sdp::SdpError;

impl Bridge {
    /// The way to the callee is known, so both legs' addresses are: ports are opened and the callee gets its offer.
    pub(super) fn open_media<M: MediaPlane>(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_, M>,
        remote: SocketAddr,
    ) {
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

    pub(super) fn handle_progress<M: MediaPlane>(
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

    pub(super) fn handle_answer<M: MediaPlane>(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_, M>,
        sdp: Option<Bytes>,
    ) {
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
    pub(super) fn handle_confirmation<M: MediaPlane>(
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
    pub(super) fn handle_offer<M: MediaPlane>(
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

    pub(super) fn set_plan<M: MediaPlane>(&self, around: &mut Surroundings<'_, M>, side: Side) {
        if self.closing != Closing::No {
            return;
        }
        let leg = self.leg(side);
        if let (Some(media), Some(plan)) = (self.media(), leg.plan()) {
            let policy = leg.policy(self.times.answered.is_some());
            around.media.set_plan(media, side, plan.clone(), policy);
        }
    }

    pub(super) fn early_answer<M: MediaPlane>(&mut self, around: &mut Surroundings<'_, M>) -> Option<Bytes> {
        let far = self.leg(Side::Callee).codec();
        let offer = self.offer.clone()?;
        let answer = self.leg_mut(Side::Caller).early_answer(&offer, far).ok()?;
        self.set_plan(around, Side::Caller);
        Some(answer)
    }

    pub(super) fn answer_caller<M: MediaPlane>(&mut self, now: Instant, around: &mut Surroundings<'_, M>) {
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
