//! A call that was answered: changes of the session, refreshes, its end (RFC 3261 §14, §15; RFC 3311; RFC 4028).

use super::{
    Accepted, Asked, Asking, Call, CallEvent, CallOutput, EndedBy, LocalSdp, Phase, RequestKind, WaitingOffer,
    copy_credentials, info, reason_of, sdp_of,
};
use crate::dialog::DialogError;
use crate::message::header::{CSeq, MinSe, RetryAfter};
use crate::message::{HeaderName, Headers, Method, Request, Response};
use crate::transaction::{RequestFailure, Retransmit2xx, ServerKey};
use bytes::Bytes;
use std::time::{Duration, Instant};
use voip_core::leg::{HangupCause, LegEnd};

impl Call {
    /// A request of the far side within the dialog, neither ACK nor CANCEL.
    pub(crate) fn handle_request(&mut self, now: Instant, request: Request, transaction: ServerKey) {
        let checked = match &mut self.dialog {
            Some(dialog) => dialog.receive(&request),
            None => Ok(()),
        };
        if let Err(error) = checked {
            let status = if error == DialogError::SequenceOutOfOrder { 500 } else { 400 };
            let mut response = self.response_to(&request, status);
            response.reason = error.to_string().into();
            self.respond(transaction, response);
            return;
        }
        match request.method {
            Method::Bye => self.handle_bye(&request, transaction),
            _ if self.phase == Phase::Ending || self.phase == Phase::Ended => {
                self.respond(transaction, self.response_to(&request, 481));
            }
            Method::Invite | Method::Update => self.handle_offer(now, request, transaction),
            Method::Info => self.handle_info(&request, transaction),
            Method::Options => self.respond(transaction, self.response_to(&request, 200)),
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Refer
            | Method::Message
            | Method::Other(_) => self.respond(transaction, self.response_to(&request, 405)),
        }
    }

    fn handle_bye(&mut self, request: &Request, transaction: ServerKey) {
        self.respond(transaction, self.response_to(request, 200));
        if let Some(asked) = self.asked.take() {
            // What still waits for an answer gets its end (RFC 3261 §15.1.2).
            let response = self.response_to(&asked.request, 487);
            self.respond(asked.transaction, response);
        }
        if self.phase != Phase::Ended {
            // A BYE of ours that crossed this one keeps its own transaction.
            self.phase = Phase::Ended;
            self.accepted = None;
            self.held_bye = None;
            let (cause, words) = reason_of(&request.headers);
            self.tell_end(LegEnd::new(cause.unwrap_or(HangupCause::Normal)), EndedBy::Remote, words);
        }
    }

    fn handle_info(&mut self, request: &Request, transaction: ServerKey) {
        let content_type = request.headers.content_type();
        let key = content_type.as_deref().and_then(|media_type| info::parse_dtmf(media_type, &request.body));
        let status = if key.is_some() || request.body.is_empty() { 200 } else { 415 };
        let mut response = self.response_to(request, status);
        if status == 415 {
            response.headers.push(HeaderName::Accept, "application/dtmf-relay, application/dtmf");
        }
        self.respond(transaction, response);
        if let Some((digit, duration_ms)) = key {
            self.tell(CallEvent::Dtmf { digit, duration_ms });
        }
    }

    /// A re-INVITE or UPDATE.
    fn handle_offer(&mut self, now: Instant, request: Request, transaction: ServerKey) {
        let sdp = sdp_of(&request.headers, &request.body);
        let changes_session = sdp.is_some() || request.method == Method::Invite;
        if self.asked.is_some() && changes_session {
            // One at a time (RFC 3261 §14.2, RFC 3311 §5.2).
            let mut response = self.response_to(&request, 500);
            response.headers.push_typed(&RetryAfter(self.rng.below(10)));
            self.respond(transaction, response);
            return;
        }
        let offer_unanswered = self.accepted.as_ref().is_some_and(|accepted| accepted.offered);
        if (self.asking.as_ref().is_some_and(|a| a.kind == RequestKind::Reinvite) || offer_unanswered)
            && changes_session
        {
            self.respond(transaction, self.response_to(&request, 491));
            return;
        }
        if let Err(too_small) = self.timer.check_request(&request.headers) {
            let mut response = self.response_to(&request, 422);
            response.headers.push_typed(&MinSe(too_small.0));
            self.respond(transaction, response);
            return;
        }
        if let Some(dialog) = &mut self.dialog
            && dialog.refresh_target(&request.headers).is_err()
        {
            self.respond(transaction, self.response_to(&request, 400));
            return;
        }
        self.learn_allow(&request.headers);
        if self.phase == Phase::Established {
            if !changes_session {
                let mut response = self.response_to(&request, 200);
                self.timer.answer(now, &request.headers, &mut response.headers);
                self.respond(transaction, response);
                return;
            }
            let unchanged = sdp.is_some() && sdp == self.remote_sdp;
            let repeat = self.local_sdp.as_ref().filter(|local| unchanged && local.is_answer).map(|l| l.sdp.clone());
            self.asked = Some(Asked { transaction, request });
            match repeat {
                // A refresh: the same offer has the same answer.
                Some(answer) => self.accept_offer(now, answer),
                None => self.tell(CallEvent::Offer { sdp }),
            }
        } else if request.method == Method::Update && !changes_session {
            self.respond(transaction, self.response_to(&request, 200));
        } else {
            // Offers before the call is answered need reliable provisional responses.
            let mut response = self.response_to(&request, 500);
            response.headers.push_typed(&RetryAfter(self.rng.below(10)));
            self.respond(transaction, response);
        }
    }

    /// Accepts the far side's re-INVITE or UPDATE with a session description.
    pub(crate) fn accept_offer(&mut self, now: Instant, sdp: Bytes) {
        if self.phase != Phase::Established {
            return;
        }
        let Some(Asked { transaction, request }) = self.asked.take() else { return };
        let offer = sdp_of(&request.headers, &request.body);
        let offered = offer.is_none();
        let mut response = self.response_to(&request, 200);
        self.timer.answer(now, &request.headers, &mut response.headers);
        response.set_body(super::SDP_TYPE, sdp.clone());
        self.local_sdp = Some(LocalSdp { sdp, is_answer: !offered });
        if offer.is_some() {
            self.remote_sdp = offer;
        }
        if request.method == Method::Invite {
            self.accepted = Some(Accepted { retransmit: None, offered, initial: false });
        }
        self.respond(transaction, response);
    }

    /// Refuses the far side's re-INVITE or UPDATE; the session goes on as it was.
    pub(crate) fn refuse_offer(&mut self, status: u16) {
        if self.phase != Phase::Established {
            return;
        }
        if let Some(Asked { transaction, request }) = self.asked.take() {
            let response = self.response_to(&request, status);
            self.respond(transaction, response);
        }
    }

    /// Offers the far side a changed session, as soon as it may be offered.
    pub(crate) fn reinvite(&mut self, now: Instant, sdp: Bytes) {
        if self.phase == Phase::Established {
            self.waiting_offer = Some(WaitingOffer { sdp, by_user: true, not_before: None });
            self.send_waiting_offer(now);
        }
    }

    /// Sends the waiting offer unless something is under way (RFC 3261 §14.1).
    pub(super) fn send_waiting_offer(&mut self, now: Instant) {
        let busy = self.phase != Phase::Established
            || self.asked.is_some()
            || self.asking.is_some()
            || self.accepted.is_some();
        let due = self.waiting_offer.as_ref().is_some_and(|offer| offer.not_before.is_none_or(|at| at <= now));
        if busy || !due {
            if busy
                && due
                && let Some(offer) = &mut self.waiting_offer
            {
                // What it waits for now is not time.
                offer.not_before = None;
            }
            return;
        }
        let Some(WaitingOffer { sdp, by_user, .. }) = self.waiting_offer.take() else { return };
        let Some(dialog) = &mut self.dialog else { return };
        let mut request = dialog.request(Method::Invite);
        self.timer.write_request(&mut request.headers);
        request.set_body(super::SDP_TYPE, sdp.clone());
        self.local_sdp = Some(LocalSdp { sdp, is_answer: false });
        self.asking = Some(Asking { kind: RequestKind::Reinvite, by_user });
        self.outputs.push_back(CallOutput::Request(RequestKind::Reinvite, request));
    }

    /// Refreshes the session: by UPDATE where the far side allows it, else by a re-INVITE that changes nothing.
    pub(super) fn refresh(&mut self, now: Instant) {
        if self.asking.is_some() {
            self.timer.retry_refresh(now, Duration::from_secs(2));
            return;
        }
        if self.update_allowed {
            let Some(dialog) = &mut self.dialog else { return };
            let mut request = dialog.request(Method::Update);
            self.timer.write_request(&mut request.headers);
            self.asking = Some(Asking { kind: RequestKind::Update, by_user: false });
            self.outputs.push_back(CallOutput::Request(RequestKind::Update, request));
        } else if self.waiting_offer.is_none()
            && let Some(local) = &self.local_sdp
        {
            self.waiting_offer = Some(WaitingOffer { sdp: local.sdp.clone(), by_user: false, not_before: None });
            self.send_waiting_offer(now);
        }
    }

    /// A response to a request of ours.
    pub(crate) fn handle_response(&mut self, now: Instant, kind: RequestKind, response: Response) {
        match kind {
            RequestKind::Invite => self.handle_invite_response(now, response),
            RequestKind::Bye => {
                if !response.is_provisional() {
                    self.phase = Phase::Ended;
                }
            }
            RequestKind::ForkBye => {}
            RequestKind::Reinvite | RequestKind::Update => self.handle_change_response(now, kind, response),
        }
    }

    fn handle_change_response(&mut self, now: Instant, kind: RequestKind, response: Response) {
        if response.is_provisional() {
            return;
        }
        if response.is_success() && kind == RequestKind::Reinvite {
            self.acknowledge(&response);
        }
        let Some(asking) = self.asking.take_if(|asking| asking.kind == kind) else { return };
        if self.phase != Phase::Established {
            return;
        }
        match response.status {
            200..300 => {
                self.timer.handle_success(now, &response.headers);
                self.learn_allow(&response.headers);
                let sdp = sdp_of(&response.headers, &response.body);
                if let Some(sdp) = sdp.filter(|sdp| asking.by_user || self.remote_sdp.as_ref() != Some(sdp)) {
                    self.remote_sdp = Some(sdp.clone());
                    self.tell(CallEvent::OfferAnswered { sdp });
                }
            }
            405 | 501 if kind == RequestKind::Update => {
                self.update_allowed = false;
                self.refresh(now);
            }
            422 if self.timer.handle_too_small(&response.headers) => self.ask_again(now, asking, None),
            491 => {
                let made_call_id = self.dialog.as_ref().is_some_and(|dialog| {
                    // The caller made the Call-ID, and the caller's tag is the one in the INVITE's From.
                    crate::dialog::tag_of::<crate::message::header::From>(&self.invite.headers)
                        == Some(dialog.id().local_tag.clone())
                });
                let delay = self.glare_delay(made_call_id);
                self.ask_again(now, asking, Some(now + delay));
            }
            // The far side does not know the dialog any more (RFC 3261 §12.2.1.2).
            481 | 408 => self.fail(now, LegEnd::new(HangupCause::DialogLost)),
            status => {
                if asking.by_user {
                    self.tell(CallEvent::OfferRefused { status });
                } else {
                    // Perhaps it passes; the session timer ends the call if it does not.
                    self.timer.retry_refresh(now, Duration::from_secs(10));
                }
            }
        }
        self.send_waiting_offer(now);
    }

    /// Sends a re-INVITE or refresh again, after a 422 or a 491.
    fn ask_again(&mut self, now: Instant, asking: Asking, not_before: Option<Instant>) {
        match (asking.kind, &self.local_sdp) {
            (RequestKind::Reinvite, Some(local)) if self.waiting_offer.is_none() => {
                let sdp = local.sdp.clone();
                self.waiting_offer = Some(WaitingOffer { sdp, by_user: asking.by_user, not_before });
            }
            _ => {
                let delay = not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
                self.timer.retry_refresh(now, delay);
            }
        }
    }

    /// ACK for a 2xx to a re-INVITE.
    fn acknowledge(&mut self, response: &Response) {
        let sequence = response.headers.typed::<CSeq>().ok().flatten().map_or(0, |cseq| cseq.number);
        let Some(dialog) = &mut self.dialog else { return };
        // A Contact that cannot be read leaves the target as it was.
        let _ = dialog.refresh_target(&response.headers);
        let mut ack = dialog.ack(sequence);
        copy_credentials(&self.invite, &mut ack);
        self.ack = Some(ack.clone());
        self.outputs.push_back(CallOutput::Ack(ack));
    }

    /// A request of ours got no final response.
    pub(crate) fn handle_failure(&mut self, now: Instant, kind: RequestKind, failure: RequestFailure) {
        match kind {
            RequestKind::Invite => self.handle_invite_failure(failure),
            RequestKind::Bye => self.phase = Phase::Ended,
            RequestKind::ForkBye => {}
            RequestKind::Reinvite | RequestKind::Update => {
                let Some(asking) = self.asking.take_if(|asking| asking.kind == kind) else { return };
                if self.phase != Phase::Established {
                    return;
                }
                match failure {
                    RequestFailure::Timeout => self.fail(now, LegEnd::new(HangupCause::DialogLost)),
                    RequestFailure::Unauthorized(status) if asking.by_user => {
                        self.tell(CallEvent::OfferRefused { status });
                    }
                    RequestFailure::Unreachable
                    | RequestFailure::Unresolvable
                    | RequestFailure::Unauthorized(_)
                    | RequestFailure::Overload => {
                        if asking.by_user {
                            self.tell(CallEvent::OfferRefused { status: 503 });
                        }
                        self.timer.retry_refresh(now, Duration::from_secs(10));
                    }
                }
            }
        }
    }

    /// The endpoint sent our 2xx along a path and repeats it until the ACK comes.
    pub(crate) fn repeat_until_ack(&mut self, retransmit: Retransmit2xx) {
        if let Some(accepted) = &mut self.accepted {
            accepted.retransmit = Some(retransmit);
        }
    }

    pub(super) fn run_accepted(&mut self, now: Instant) {
        let Some(retransmit) = self.accepted.as_mut().and_then(|accepted| accepted.retransmit.as_mut()) else { return };
        retransmit.handle_timeout(now);
        while let Some(transmit) = retransmit.poll_transmit() {
            self.outputs.push_back(CallOutput::Transmit(transmit));
        }
        if retransmit.poll_event().is_some() {
            // No ACK for 64*T1: the session is ended by BYE (RFC 3261 §13.3.1.4).
            self.accepted = None;
            if self.held_bye.is_some() {
                self.send_held_bye();
            } else {
                self.fail(now, LegEnd::new(HangupCause::DialogLost));
            }
        }
    }

    /// Sends BYE, or holds it until the ACK to our 2xx has come: the callee must not send it before (RFC 3261 §15).
    pub(super) fn send_bye(&mut self, _now: Instant, headers: Headers) {
        self.phase = Phase::Ending;
        if let Some(asked) = self.asked.take() {
            let response = self.response_to(&asked.request, 487);
            self.respond(asked.transaction, response);
        }
        let Some(dialog) = &mut self.dialog else {
            self.phase = Phase::Ended;
            return;
        };
        let mut bye = dialog.request(Method::Bye);
        for header in &headers {
            bye.headers.push(header.name.clone(), header.value.clone());
        }
        if self.accepted.as_ref().is_some_and(|accepted| accepted.initial) {
            self.held_bye = Some(bye);
        } else {
            self.outputs.push_back(CallOutput::Request(RequestKind::Bye, bye));
        }
    }

    pub(super) fn send_held_bye(&mut self) {
        if let Some(bye) = self.held_bye.take() {
            self.outputs.push_back(CallOutput::Request(RequestKind::Bye, bye));
        }
    }
}
