//! A call that we place: from its INVITE to the final response (RFC 3261 §13.2).

use super::config::{PeerId, SessionTimerConfig};
use super::{
    Call, CallEvent, CallOutput, EndedBy, LocalSdp, Phase, RequestKind, copy_credentials, reason_of, sdp_of, words_of,
};
use crate::dialog::Dialog;
use crate::message::header::{CSeq, To};
use crate::message::{Headers, Method, Request, Response};
use crate::transaction::RequestFailure;
use bytes::Bytes;
use std::time::Instant;
use voip_core::leg::{HangupCause, LegEnd};
use voip_core::rng::Rng;

impl Call {
    /// A call to be placed: `invite` has Request-URI, From, To, Call-ID, CSeq and what else its user put in.
    pub(crate) fn outgoing(
        peer: PeerId,
        invite: Request,
        local_tag: String,
        timer: SessionTimerConfig,
        rng: Rng,
    ) -> Self {
        Self::new(peer, Phase::Routing, invite, local_tag, timer, rng)
    }

    /// Sends the INVITE with its offer.
    pub(crate) fn offer(&mut self, sdp: Bytes) {
        if self.phase != Phase::Routing {
            return;
        }
        self.invite.set_body(super::SDP_TYPE, sdp.clone());
        self.local_sdp = Some(LocalSdp { sdp, is_answer: false });
        self.phase = Phase::Calling;
        self.send_invite();
    }

    fn send_invite(&mut self) {
        let mut invite = self.invite.clone();
        self.timer.write_request(&mut invite.headers);
        self.outputs.push_back(CallOutput::Request(RequestKind::Invite, invite));
    }

    /// The endpoint sent the INVITE again with credentials: its CSeq and headers count from now on.
    pub(crate) fn note_resent(&mut self, kind: RequestKind, request: &Request) {
        if kind == RequestKind::Invite {
            self.invite = request.clone();
        }
        let number = request.headers.typed::<CSeq>().ok().flatten().map_or(0, |cseq| cseq.number);
        if let Some(dialog) = &mut self.dialog {
            dialog.raise_local_sequence(number);
        }
    }

    /// A response to the INVITE.
    pub(super) fn handle_invite_response(&mut self, now: Instant, response: Response) {
        match response.status {
            100 => {}
            101..200 => self.handle_progress(&response),
            200..300 => self.handle_answer(now, response),
            422 if self.phase == Phase::Calling && self.timer.handle_too_small(&response.headers) => {
                self.raise_invite_sequence();
                self.send_invite();
            }
            _ => self.handle_rejection(&response),
        }
    }

    fn raise_invite_sequence(&mut self) {
        let number = self.invite.headers.typed::<CSeq>().ok().flatten().map_or(0, |cseq| cseq.number);
        self.invite.headers.set_typed(&CSeq { number: number + 1, method: Method::Invite });
    }

    fn handle_progress(&mut self, response: &Response) {
        if self.phase != Phase::Calling {
            return;
        }
        self.learn_allow(&response.headers);
        let sdp = sdp_of(&response.headers, &response.body);
        if let Some(sdp) = &sdp {
            self.remote_sdp = Some(sdp.clone());
        }
        self.tell(CallEvent::Progress { status: response.status, sdp });
    }

    fn handle_answer(&mut self, now: Instant, response: Response) {
        let sequence = response.headers.typed::<CSeq>().ok().flatten().map_or(0, |cseq| cseq.number);
        if let Some(dialog) = &self.dialog {
            let same = response.headers.typed::<To>().ok().flatten().and_then(|to| to.tag())
                == Some(dialog.id().remote_tag.clone());
            if same {
                // The 2xx again: its ACK was lost (RFC 3261 §13.2.2.4).
                self.outputs.extend(self.ack.clone().map(CallOutput::Ack));
            } else {
                self.end_fork(&response, sequence);
            }
            return;
        }
        let Ok(mut dialog) = Dialog::from_response(&self.invite, &response) else {
            // No dialog can be made of it, so neither ACK nor BYE can be sent: the far side gives up by itself.
            self.phase = Phase::Ended;
            let end = LegEnd { cause: HangupCause::ProtocolError, status: None };
            self.tell_end(end, EndedBy::Failure, Some("the 2xx cannot be read".into()));
            return;
        };
        dialog.raise_local_sequence(sequence);
        let mut ack = dialog.ack(sequence);
        copy_credentials(&self.invite, &mut ack);
        self.ack = Some(ack.clone());
        self.outputs.push_back(CallOutput::Ack(ack));
        self.dialog = Some(dialog);
        if self.phase == Phase::Ending {
            // It crossed our CANCEL: answered all the same, and so ended by BYE (RFC 3261 §9.1).
            let mut headers = Headers::new();
            super::push_reason(&mut headers, &LegEnd::new(HangupCause::Cancelled));
            self.phase = Phase::Established;
            self.send_bye(now, headers);
            return;
        }
        self.phase = Phase::Established;
        self.learn_allow(&response.headers);
        self.timer.handle_success(now, &response.headers);
        let sdp = sdp_of(&response.headers, &response.body);
        if let Some(sdp) = &sdp {
            self.remote_sdp = Some(sdp.clone());
        }
        self.tell(CallEvent::Answered { sdp, response: Box::new(response) });
    }

    /// A second callee of a forked INVITE answered: its dialog is acknowledged and ended.
    fn end_fork(&mut self, response: &Response, sequence: u32) {
        let Ok(mut fork) = Dialog::from_response(&self.invite, response) else { return };
        fork.raise_local_sequence(sequence);
        let mut ack = fork.ack(sequence);
        copy_credentials(&self.invite, &mut ack);
        self.outputs.push_back(CallOutput::Ack(ack));
        let mut bye = fork.request(Method::Bye);
        super::push_reason(&mut bye.headers, &LegEnd::new(HangupCause::AnsweredElsewhere));
        self.outputs.push_back(CallOutput::Request(RequestKind::ForkBye, bye));
    }

    fn handle_rejection(&mut self, response: &Response) {
        if !matches!(self.phase, Phase::Calling | Phase::Ending) || self.dialog.is_some() {
            return;
        }
        self.phase = Phase::Ended;
        let by_status = HangupCause::from_status(response.status);
        let (by_reason, _) = reason_of(&response.headers);
        // A general status with a telling Q.850 cause means that cause: gateways to the telephone network send 480 or
        // 503 for much.
        let cause = match (response.status, by_reason) {
            (480 | 500 | 503, Some(cause)) if cause != HangupCause::Normal => cause,
            _ => by_status,
        };
        let end = LegEnd { cause, status: self.status_to_pass(response.status) };
        self.tell_end(end, EndedBy::Remote, words_of(response));
    }

    /// The status as the other leg may be told it: what concerns only our own relation with the far side stays here.
    fn status_to_pass(&self, status: u16) -> Option<u16> {
        (!matches!(status, 300..=399 | 400..=402 | 405 | 407 | 413..=416 | 420..=439 | 481..=483 | 487 | 491 | 493))
            .then_some(status)
    }

    /// No final response to the INVITE came.
    pub(super) fn handle_invite_failure(&mut self, failure: RequestFailure) {
        if self.phase == Phase::Ended || self.dialog.is_some() {
            return;
        }
        self.phase = Phase::Ended;
        let (cause, status) = match failure {
            RequestFailure::Timeout => (HangupCause::Unreachable, Some(408)),
            RequestFailure::Unreachable => (HangupCause::Unreachable, None),
            RequestFailure::Unresolvable => (HangupCause::Unreachable, None),
            RequestFailure::Unauthorized(_) => (HangupCause::AuthenticationFailed, None),
            RequestFailure::Overload => (HangupCause::Limit, None),
        };
        self.tell_end(LegEnd { cause, status }, EndedBy::Failure, Some(failure.to_string()));
    }
}
