//! A call that a stand-in places, until it is answered, rejected or given up (RFC 3261 §13.2, §9.1).

use crate::dialog::Dialog;
use crate::digest;
use crate::party::{Party, word};
use crate::plan::{CallPlan, Called};
use crate::report::{CallReport, EndedBy};
use crate::rtp::AudioPort;
use crate::sdp::Description;
use crate::session::{Session, ack_of_rejection, with_payload_types};
use crate::wire::{Link, Received, until};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use voip_core::media::Direction;
use voip_core::net::Transport;
use voip_sip::message::header::{CSeq, To, Via};
use voip_sip::message::{ByteStr, HeaderName, HostPort, Message, Method, NameAddr, Request, Response, Uri};

/// Places a call over `link` to the user agent at `host`, and runs it to its end.
pub(crate) async fn place(party: Arc<Party>, link: Link, host: HostPort, plan: CallPlan) -> io::Result<CallReport> {
    let audio = AudioPort::bind(party.ip)?;
    let local = Description {
        address: audio.local()?,
        codecs: with_payload_types(&plan.codecs),
        telephone_event: Some(101),
        direction: Direction::SendRecv,
        ptime: Some(20),
        version: 1,
    };
    let mut dialog = dialog(&party, &host, &plan)?;
    let messages = party.wire.open_call(&dialog.call_id);
    let mut invite = dialog.request(Method::Invite, &party, &link);
    dress(&mut invite, &party, &host, &plan);
    if !plan.late_offer {
        invite.set_body("application/sdp", local.write(party.profile.name, 1));
    }
    let started = Instant::now();
    let report = CallReport {
        call_id: dialog.call_id.clone(),
        invite: invite.clone(),
        started,
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
    let mut call = Placing { party, link, messages, dialog, invite, report, plan, cancel: None };
    let Some(answer) = call.wait().await else {
        call.report.ended.get_or_insert_with(Instant::now);
        return Ok(call.report);
    };
    let Placing { party, link, messages, mut dialog, report, plan, cancel, .. } = call;
    dialog.learn(&answer.headers);
    let remote = Description::parse(&answer.body);
    let mut session = Session {
        party,
        link,
        messages,
        dialog,
        audio,
        local,
        remote,
        report,
        answer: None,
        acks: Vec::new(),
        lost_acks: plan.lost_acks,
        pending: None,
        sending: false,
    };
    let number = session.dialog.cseq;
    let mut ack = session.dialog.request_numbered(Method::Ack, number, &session.party, &session.link);
    if plan.late_offer
        && let Some(offer) = &session.remote
        && let Some(common) = offer.common(&plan.codecs)
    {
        session.local.codecs = vec![common];
        session.local.telephone_event = offer.telephone_event;
        ack.set_body("application/sdp", session.local.write(session.party.profile.name, 1));
    }
    session.acknowledge(number, Some(ack)).await;
    if cancel.is_some() {
        // The answer crossed the CANCEL: the call is up, and goes down again (RFC 3261 §15).
        session.hang_up(EndedBy::Us).await;
        return Ok(session.report);
    }
    Ok(session.run(&plan.talk).await)
}

/// A call that has no final response yet.
struct Placing {
    party: Arc<Party>,
    link: Link,
    messages: mpsc::Receiver<Received>,
    dialog: Dialog,
    invite: Request,
    report: CallReport,
    plan: CallPlan,
    /// When CANCEL was sent.
    cancel: Option<Instant>,
}

impl Placing {
    /// The 200, if it comes to that.
    async fn wait(&mut self) -> Option<Response> {
        let mut bytes = self.party.wire.send(&self.link, &self.invite).await;
        let mut interval = Duration::from_millis(500);
        let mut again = (self.link.transport == Transport::Udp).then(|| Instant::now() + interval);
        let mut challenged = false;
        loop {
            let received = tokio::select! {
                received = self.messages.recv() => Some(received?),
                () = tokio::time::sleep_until(until(Instant::now() + Duration::from_millis(5))) => None,
            };
            let now = Instant::now();
            if again.is_some_and(|at| at <= now) {
                interval *= 2;
                again = Some(now + interval);
                self.party.wire.send_again(&self.link, &bytes).await;
            }
            let due = self.plan.cancel_after.is_some_and(|after| now - self.report.started >= after);
            if due && self.cancel.is_none() && (!self.plan.cancel_waits || !self.report.provisional.is_empty()) {
                self.cancel = Some(now);
                let cancel = cancel_of(&self.invite);
                self.party.wire.send(&self.link, &cancel).await;
            }
            if now - self.report.started > self.plan.patience {
                return None;
            }
            let Some(Received { message, link }) = received else { continue };
            let response = match message {
                Message::Response(response) => response,
                Message::Request(request) => {
                    // An early BYE or the like: no plan has a use for it.
                    let response = request.response(481, None);
                    self.party.wire.respond(&link, &request, response).await;
                    continue;
                }
            };
            let Ok(Some(cseq)) = response.headers.typed::<CSeq>() else { continue };
            if cseq.method != Method::Invite || cseq.number != self.dialog.cseq {
                continue;
            }
            again = None;
            if response.is_provisional() {
                self.report.provisional.push((response.status, now));
                continue;
            }
            if response.is_success() {
                self.report.response = Some((response.clone(), now));
                return Some(response);
            }
            let ack = ack_of_rejection(&self.invite, &response);
            self.party.wire.send(&self.link, &ack).await;
            if let Some((name, value)) = self.credentials(&response).filter(|_| !challenged) {
                challenged = true;
                let method = Method::Invite;
                self.dialog.cseq += 1;
                self.invite.headers.set_typed(&CSeq { number: self.dialog.cseq, method });
                if let Ok(Some(mut via)) = self.invite.headers.typed::<Via>() {
                    let branch = format!("{}{}", Via::MAGIC_COOKIE, word());
                    via.params = via.params.without("branch").with("branch", Some(&branch));
                    self.invite.headers.set_typed(&via);
                }
                self.invite.headers.set(name, value);
                self.report.invite = self.invite.clone();
                bytes = self.party.wire.send(&self.link, &self.invite).await;
                continue;
            }
            self.report.ended_by = if self.cancel.is_some() { EndedBy::Us } else { EndedBy::Them };
            self.report.response = Some((response, now));
            return None;
        }
    }

    fn credentials(&self, response: &Response) -> Option<(HeaderName, String)> {
        let (challenge, answer) = match response.status {
            401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
            _ => return None,
        };
        let account = self.plan.account.as_ref()?;
        let challenge = response.headers.value(&challenge)?.to_string();
        let uri = self.invite.uri.to_string();
        Some((answer, digest::answer(account, &challenge, "INVITE", &uri, &word())?))
    }
}

fn dialog(party: &Party, host: &HostPort, plan: &CallPlan) -> io::Result<Dialog> {
    let uri = |text: String| Uri::parse(&ByteStr::from(text)).ok_or_else(|| io::Error::other("not a URI in the plan"));
    let at = |user: &str| {
        let mut out = Vec::new();
        host.write(&mut out);
        uri(format!("sip:{user}@{}", String::from_utf8_lossy(&out)))
    };
    let (request_user, to_user) = match &plan.called {
        Called::RequestUri(number) => (number, number),
        Called::To { login, number } => (login, number),
        Called::Diversion { login, .. } => (login, login),
    };
    let mut local = NameAddr::new(uri(format!("sip:{}@{}", plan.caller, party.profile.domain))?);
    local.display = Some(ByteStr::from(plan.caller.as_str()));
    Ok(Dialog {
        call_id: format!("{}@{}", word(), party.ip),
        local: local.with_param("tag", Some(&word())),
        remote: NameAddr::new(uri(format!("sip:{to_user}@{}", party.profile.domain))?),
        cseq: 0,
        remote_cseq: 0,
        target: at(request_user)?,
        routes: Vec::new(),
    })
}

fn dress(invite: &mut Request, party: &Party, host: &HostPort, plan: &CallPlan) {
    party.introduce(&mut invite.headers);
    if let Called::Diversion { number, .. } = &plan.called {
        let mut out = Vec::new();
        host.write(&mut out);
        let diversion = format!("<sip:{number}@{}>;reason=unconditional", String::from_utf8_lossy(&out));
        invite.headers.push(HeaderName::Diversion, diversion);
    }
    for (name, value) in &plan.headers {
        invite.headers.push(HeaderName::from_text(name), value.clone());
    }
}

/// RFC 3261 §9.1: everything as in the INVITE but the method.
fn cancel_of(invite: &Request) -> Request {
    let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
    for name in [HeaderName::Via, HeaderName::Route, HeaderName::MaxForwards, HeaderName::From, HeaderName::CallId] {
        for value in invite.headers.values(&name) {
            cancel.headers.push(name.clone(), value.clone());
        }
    }
    if let Ok(Some(to)) = invite.headers.typed::<To>() {
        cancel.headers.push_typed(&to);
    }
    if let Ok(Some(cseq)) = invite.headers.typed::<CSeq>() {
        cancel.headers.push_typed(&CSeq { number: cseq.number, method: Method::Cancel });
    }
    cancel
}
