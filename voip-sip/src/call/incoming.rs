//! A call that came: from its INVITE to our final response (RFC 3261 §13.3).

use super::config::{PeerId, SessionTimerConfig};
use super::{Accepted, Asked, Call, CallEvent, EndedBy, LocalSdp, Phase, reason_of, sdp_of};
use crate::dialog::Dialog;
use crate::message::header::RetryAfter;
use crate::message::{HeaderError, HeaderName, Headers, Request};
use crate::transaction::ServerKey;
use bytes::Bytes;
use std::time::Instant;
use voip_core::leg::{HangupCause, LegEnd};
use voip_core::rng::Rng;

impl Call {
    /// A call that an INVITE begins. The INVITE has been checked; an error is answered 400.
    pub(crate) fn incoming(
        peer: PeerId,
        transaction: ServerKey,
        request: Request,
        timer: SessionTimerConfig,
        mut rng: Rng,
    ) -> Result<Self, HeaderError> {
        let local_tag = rng.token(16);
        let dialog = Dialog::from_request(&request, &local_tag)?;
        let mut call = Self::new(peer, Phase::Incoming, request.clone(), local_tag, timer, rng);
        call.dialog = Some(dialog);
        call.remote_sdp = sdp_of(&request.headers, &request.body);
        call.learn_allow(&request.headers);
        call.asked = Some(Asked { transaction, request });
        Ok(call)
    }

    /// The offer of the INVITE.
    pub(crate) fn initial_offer(&self) -> Option<Bytes> {
        self.remote_sdp.clone()
    }

    /// Answers with a provisional response.
    pub(crate) fn progress(&mut self, status: u16, sdp: Option<Bytes>) {
        if self.phase != Phase::Incoming {
            return;
        }
        let Some(asked) = &self.asked else { return };
        let mut response = self.response_to(&asked.request, status);
        let transaction = asked.transaction;
        if let Some(sdp) = sdp {
            response.set_body(super::SDP_TYPE, sdp.clone());
            self.local_sdp = Some(LocalSdp { sdp, is_answer: true });
        }
        self.respond(transaction, response);
    }

    /// Answers the call.
    pub(crate) fn answer(&mut self, now: Instant, sdp: Bytes) {
        if self.phase != Phase::Incoming {
            return;
        }
        let Some(Asked { transaction, request }) = self.asked.take() else { return };
        let mut response = self.response_to(&request, 200);
        self.timer.answer(now, &request.headers, &mut response.headers);
        response.set_body(super::SDP_TYPE, sdp.clone());
        let offered = self.remote_sdp.is_none();
        self.local_sdp = Some(LocalSdp { sdp, is_answer: !offered });
        self.accepted = Some(Accepted { retransmit: None, offered, initial: true });
        if let Some(dialog) = &mut self.dialog {
            dialog.confirm(None).expect("confirming without a response reads no header");
        }
        self.phase = Phase::Established;
        self.respond(transaction, response);
    }

    /// Rejects the INVITE.
    pub(super) fn reject(&mut self, status: u16, headers: Headers) {
        self.phase = Phase::Ended;
        let Some(Asked { transaction, request }) = self.asked.take() else { return };
        let mut response = self.response_to(&request, status);
        for header in &headers {
            response.headers.push(header.name.clone(), header.value.clone());
        }
        if status == 503 && response.headers.value(&HeaderName::RetryAfter).is_none() {
            response.headers.push_typed(&RetryAfter(Self::RETRY_AFTER));
        }
        self.respond(transaction, response);
    }

    /// Seconds after which a caller that found no free line may try again: calls end within minutes, and a carrier that
    /// is told longer takes the trunk for dead.
    const RETRY_AFTER: u32 = 10;

    /// The call is dropped without any answer.
    pub(crate) fn ignore(&mut self) {
        self.phase = Phase::Ended;
        self.asked = None;
        self.told_end = true;
    }

    /// The CANCEL of the far side came; its own 200 has been sent. It matters only before our final response
    /// (RFC 3261 §9.2).
    pub(crate) fn handle_cancel(&mut self, cancel: &Headers) {
        if self.phase != Phase::Incoming {
            return;
        }
        self.reject(487, Headers::new());
        let (cause, words) = reason_of(cancel);
        let cause = cause.filter(|cause| *cause == HangupCause::AnsweredElsewhere).unwrap_or(HangupCause::Cancelled);
        self.tell_end(LegEnd::new(cause), EndedBy::Remote, words);
    }

    /// The INVITE's server transaction ended without an ACK to our rejection, or its path is gone.
    pub(crate) fn handle_server_failure(&mut self) {
        if self.phase == Phase::Incoming {
            self.phase = Phase::Ended;
            self.asked = None;
            self.tell_end(LegEnd::new(HangupCause::TransportFailed), EndedBy::Failure, None);
        }
    }

    /// The ACK to our 2xx came.
    pub(crate) fn handle_ack(&mut self, now: Instant, ack: &Request) {
        let Some(accepted) = self.accepted.take() else { return };
        let sdp = sdp_of(&ack.headers, &ack.body).filter(|_| accepted.offered);
        if let Some(sdp) = &sdp {
            self.remote_sdp = Some(sdp.clone());
        }
        if accepted.initial {
            self.tell(CallEvent::Confirmed { sdp });
        } else if let Some(sdp) = sdp {
            self.tell(CallEvent::OfferAnswered { sdp });
        }
        self.send_held_bye();
        self.send_waiting_offer(now);
    }
}
