//! A call that a stand-in is called with: ringing, the answer or the rejection (RFC 3261 §13.3, §9.2).

use crate::dialog::Dialog;
use crate::party::{Party, word};
use crate::plan::AnswerPlan;
use crate::report::{CallReport, EndedBy};
use crate::rtp::AudioPort;
use crate::sdp::Description;
use crate::session::{Answer, Session, with_payload_types};
use crate::wire::{Link, Received, until};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use voip_core::media::Direction;
use voip_sip::message::{HeaderName, Message, Method, Request, Response};

/// Answers an INVITE as planned and runs the call to its end. `messages` are those of its Call-ID.
pub(crate) async fn take(
    party: Arc<Party>,
    link: Link,
    invite: Request,
    messages: mpsc::Receiver<Received>,
    plan: AnswerPlan,
) -> io::Result<CallReport> {
    let tag = word();
    let now = Instant::now();
    let report = CallReport {
        call_id: invite.headers.call_id().map(|id| id.to_string()).unwrap_or_default(),
        invite: invite.clone(),
        started: now,
        provisional: Vec::new(),
        response: None,
        acknowledged: None,
        ended: None,
        ended_by: EndedBy::Nobody,
        requests: Vec::new(),
        responses: Vec::new(),
        repeated_answers: 0,
        audio: None,
    };
    let mut call = Taking { party, link, invite, messages, report, tag };
    let Some(dialog) = Dialog::of_invite(&call.invite, &call.tag) else {
        call.reject(400).await;
        return Ok(call.report);
    };
    call.provisional(100).await;
    let offer = Description::parse(&call.invite.body);
    let codecs = match &offer {
        // An offer in the 200 when there is none in the INVITE.
        None if call.invite.body.is_empty() => with_payload_types(&call.party.profile.codecs),
        None => Vec::new(),
        Some(offer) => offer.common(&call.party.profile.codecs).into_iter().collect(),
    };
    if codecs.is_empty() {
        call.reject(call.party.profile.no_codec).await;
        return Ok(call.report);
    }
    if !call.ring(&plan).await {
        return Ok(call.report);
    }
    if let Some(status) = plan.reject {
        call.reject(status).await;
        return Ok(call.report);
    }
    let audio = AudioPort::bind(call.party.ip)?;
    let local = Description {
        address: audio.local()?,
        codecs,
        telephone_event: offer.as_ref().map_or(Some(101), |o| o.telephone_event),
        direction: offer.as_ref().map_or(Direction::SendRecv, |o| o.direction.reversed()),
        ptime: Some(20),
        version: 1,
    };
    let (bytes, next) = call.answer(&local).await;
    let interval = call.party.profile.repeat_answer.0;
    let answer = Answer { cseq: dialog.remote_cseq, bytes, next, interval };
    let Taking { party, link, messages, report, .. } = call;
    let session = Session {
        party,
        link,
        messages,
        dialog,
        audio,
        local,
        remote: offer,
        report,
        answer: Some(answer),
        acks: Vec::new(),
        lost_acks: 0,
        pending: None,
        sending: false,
    };
    Ok(session.run(&plan.talk).await)
}

/// A call without a final response.
struct Taking {
    party: Arc<Party>,
    link: Link,
    invite: Request,
    messages: mpsc::Receiver<Received>,
    report: CallReport,
    tag: String,
}

impl Taking {
    /// Rings as long as planned; `false` when the caller gave up.
    async fn ring(&mut self, plan: &AnswerPlan) -> bool {
        let began = Instant::now();
        let mut next = (!plan.silent_ringing).then_some(began);
        loop {
            let now = Instant::now();
            if next.is_some_and(|at| at <= now) {
                self.provisional(180).await;
                next = self.party.profile.repeat_ringing.map(|every| now + every);
            }
            if now - began >= plan.ring {
                return true;
            }
            let wake = next.unwrap_or(now + Duration::from_secs(1)).min(began + plan.ring);
            tokio::select! {
                received = self.messages.recv() => {
                    let Some(received) = received else { return false };
                    if let Message::Request(request) = received.message
                        && self.handle(request, &received.link).await
                    {
                        return false;
                    }
                }
                () = tokio::time::sleep_until(until(wake)) => {}
            }
        }
    }

    /// Whether the request ended the call.
    async fn handle(&mut self, request: Request, link: &Link) -> bool {
        self.report.requests.push((Instant::now(), request.clone()));
        let cancelled = matches!(request.method, Method::Cancel);
        let ended = cancelled || matches!(request.method, Method::Bye);
        let refused = self.party.profile.refused.contains(&request.method);
        let response = request.response(if refused { 405 } else { 200 }, Some(&self.tag));
        if request.method != Method::Ack {
            self.party.wire.respond(link, &request, response).await;
        }
        if ended {
            self.reject(487).await;
            self.report.ended_by = EndedBy::Them;
        }
        ended
    }

    async fn provisional(&mut self, status: u16) {
        // A 100 has no tag (RFC 3261 §8.2.6.2).
        let mut response = self.invite.response(status, (status > 100).then_some(&self.tag));
        if status > 100 {
            self.dress(&mut response);
        }
        self.party.wire.respond(&self.link, &self.invite, response).await;
        self.report.provisional.push((status, Instant::now()));
    }

    async fn reject(&mut self, status: u16) {
        let mut response = self.invite.response(status, Some(&self.tag));
        self.party.sign(&mut response);
        self.party.wire.respond(&self.link, &self.invite, response.clone()).await;
        let now = Instant::now();
        self.report.response = Some((response, now));
        self.report.ended = Some(now);
        self.report.ended_by = EndedBy::Us;
        // The ACK is due soon; over UDP the answer that was kept serves a repeated INVITE.
        let _ = tokio::time::timeout(Duration::from_millis(500), self.messages.recv()).await;
    }

    async fn answer(&mut self, local: &Description) -> (bytes::Bytes, Instant) {
        let mut response = self.invite.response(200, Some(&self.tag));
        self.dress(&mut response);
        response.headers.push(HeaderName::Allow, self.party.profile.allow);
        response.set_body("application/sdp", local.write(self.party.profile.name, 1));
        let bytes = self.party.wire.respond(&self.link, &self.invite, response.clone()).await;
        let now = Instant::now();
        self.report.response = Some((response, now));
        (bytes, now + self.party.profile.repeat_answer.0)
    }

    /// What every response that makes a dialog carries (RFC 3261 §12.1.1).
    fn dress(&self, response: &mut Response) {
        for route in self.invite.headers.values(&HeaderName::RecordRoute) {
            response.headers.push(HeaderName::RecordRoute, route.clone());
        }
        response.headers.push(HeaderName::Contact, self.party.profile.contact.clone());
        self.party.sign(response);
    }
}
