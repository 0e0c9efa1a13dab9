//! One INVITE session (RFC 3261 §13-15): placed or received, answered, changed by re-INVITE and UPDATE, kept alive by
//! its session timer, ended.
//!
//! A `Call` is told what its user wants and what the network brought, and puts out requests, responses and
//! [`CallEvent`]s. It knows neither addresses nor transactions: the endpoint that owns it gives its messages Via and
//! Contact, and runs the transactions. Reliable provisional responses, REFER and forking to several early media streams
//! are not here yet.

mod config;
mod established;
mod event;
mod incoming;
mod info;
mod outgoing;
mod session_timer;

pub use config::{PeerId, SessionTimerConfig};
pub use event::{CallEvent, CallKey, EndedBy, IncomingCall};
pub(crate) use session_timer::OPTION_TAG as SESSION_TIMER_TAG;

use crate::dialog::{Dialog, DialogId};
use crate::message::header::Reason;
use crate::message::{HeaderName, Headers, Method, Request, Response};
use crate::transaction::{Retransmit2xx, ServerKey};
use bytes::Bytes;
use session_timer::{SessionTimer, SessionTimerEvent};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use voip_core::leg::{HangupCause, LegEnd};
use voip_core::net::Transmit;
use voip_core::rng::Rng;

/// See the module.
#[derive(Debug)]
pub(crate) struct Call {
    peer: PeerId,
    phase: Phase,
    /// The INVITE that began it, ours or theirs; ours as it was last sent.
    invite: Request,
    local_tag: String,
    dialog: Option<Dialog>,
    timer: SessionTimer,
    /// The request of the far side that waits for its final response: its INVITE, a re-INVITE or an UPDATE.
    asked: Option<Asked>,
    /// Our re-INVITE or UPDATE under way.
    asking: Option<Asking>,
    /// An offer of our user that waits until it may be sent.
    waiting_offer: Option<WaitingOffer>,
    /// The 2xx of ours that waits for its ACK.
    accepted: Option<Accepted>,
    /// The ACK to the far side's 2xx, sent again when the 2xx comes again.
    ack: Option<Request>,
    /// A BYE that waits for the ACK to our 2xx (RFC 3261 §15).
    held_bye: Option<Request>,
    local_sdp: Option<LocalSdp>,
    remote_sdp: Option<Bytes>,
    /// The far side refuses UPDATE, or never said that it allows it.
    update_allowed: bool,
    /// The end has been told.
    told_end: bool,
    rng: Rng,
    outputs: VecDeque<CallOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Ours: its target or its offer is awaited.
    Routing,
    /// Ours: the INVITE is out.
    Calling,
    /// Theirs: it has no final response.
    Incoming,
    /// A 2xx was sent or received.
    Established,
    /// CANCEL or BYE is out, or held back; nothing is told any more.
    Ending,
    /// Nothing is left to do.
    Ended,
}

#[derive(Debug)]
struct Asked {
    transaction: ServerKey,
    request: Request,
}

#[derive(Debug)]
struct Asking {
    kind: RequestKind,
    /// Our user asked for it, and is told what came of it.
    by_user: bool,
}

#[derive(Debug)]
struct WaitingOffer {
    sdp: Bytes,
    by_user: bool,
    /// Not before this instant: the back-off after a 491.
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Accepted {
    retransmit: Option<Retransmit2xx>,
    /// The 2xx carried our offer, so the ACK carries the answer.
    offered: bool,
    /// It answers the INVITE that began the call.
    initial: bool,
}

#[derive(Debug)]
struct LocalSdp {
    sdp: Bytes,
    /// It was an answer: then it answers an unchanged offer again.
    is_answer: bool,
}

/// What a request of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Invite,
    Reinvite,
    Update,
    Bye,
    /// The BYE to a second dialog that a forked INVITE made.
    ForkBye,
}

/// What a call wants done.
#[derive(Debug)]
pub(crate) enum CallOutput {
    /// Send a request in a transaction of its own.
    Request(RequestKind, Request),
    /// Send an ACK.
    Ack(Request),
    /// Cancel the INVITE, with these headers on the CANCEL.
    Cancel(Headers),
    /// Answer a request.
    Respond(ServerKey, Response),
    /// Send again, as it is.
    Transmit(Transmit),
    /// Tell the user.
    Event(CallEvent),
}

impl Call {
    fn new(
        peer: PeerId,
        phase: Phase,
        invite: Request,
        local_tag: String,
        timer: SessionTimerConfig,
        rng: Rng,
    ) -> Self {
        Self {
            peer,
            phase,
            invite,
            local_tag,
            dialog: None,
            timer: SessionTimer::new(timer),
            asked: None,
            asking: None,
            waiting_offer: None,
            accepted: None,
            ack: None,
            held_bye: None,
            local_sdp: None,
            remote_sdp: None,
            update_allowed: false,
            told_end: false,
            rng,
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.peer
    }

    /// Nothing is left to do: the endpoint forgets it.
    pub(crate) fn is_ended(&self) -> bool {
        self.phase == Phase::Ended && self.outputs.is_empty()
    }

    /// Its user has been told that it is over, though a BYE or CANCEL may still be under way.
    pub(crate) fn is_over(&self) -> bool {
        self.told_end
    }

    pub(crate) fn dialog_id(&self) -> Option<&DialogId> {
        self.dialog.as_ref().map(Dialog::id)
    }

    pub(crate) fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    /// The INVITE that began it.
    pub(crate) fn invite(&self) -> &Request {
        &self.invite
    }

    /// The transaction of the INVITE that waits for its final response.
    pub(crate) fn asked_transaction(&self) -> Option<ServerKey> {
        self.asked.as_ref().filter(|_| self.phase == Phase::Incoming).map(|asked| asked.transaction)
    }

    /// The far side refuses UPDATE, whatever its Allow says.
    pub(crate) fn forbid_update(&mut self) {
        self.update_allowed = false;
    }

    /// Whether the session interval of the INVITE is long enough; the least one when not, seconds (RFC 4028 §9).
    pub(crate) fn check_session_interval(&self) -> Result<(), u32> {
        self.timer.check_request(&self.invite.headers).map_err(|too_small| too_small.0)
    }

    pub(crate) fn poll_output(&mut self) -> Option<CallOutput> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let accepted = self.accepted.as_ref().and_then(|a| a.retransmit.as_ref()).and_then(Retransmit2xx::poll_timeout);
        let timer = if self.phase == Phase::Established { self.timer.poll_timeout() } else { None };
        let offer = self.waiting_offer.as_ref().and_then(|offer| offer.not_before);
        [accepted, timer, offer].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.run_accepted(now);
        if self.phase == Phase::Established {
            match self.timer.handle_timeout(now) {
                Some(SessionTimerEvent::Refresh) => self.refresh(now),
                Some(SessionTimerEvent::Expired) => self.fail(now, LegEnd::new(HangupCause::SessionExpired)),
                None => {}
            }
        }
        self.send_waiting_offer(now);
    }

    /// Ends the call in the way its phase asks for: rejection, CANCEL or BYE.
    pub(crate) fn hang_up(&mut self, now: Instant, end: &LegEnd, headers: Headers) {
        if self.told_end {
            return;
        }
        self.close(now, end, headers);
        self.tell_end(end.clone(), EndedBy::Local, None);
    }

    /// Ends the call because something failed.
    fn fail(&mut self, now: Instant, end: LegEnd) {
        self.close(now, &end, Headers::new());
        self.tell_end(end, EndedBy::Failure, None);
    }

    fn close(&mut self, now: Instant, end: &LegEnd, mut headers: Headers) {
        push_reason(&mut headers, end);
        match self.phase {
            Phase::Routing => {
                self.phase = Phase::Ended;
                // Nothing was sent; what waits to be is dropped.
                self.outputs.push_back(CallOutput::Cancel(headers));
            }
            Phase::Calling => {
                self.phase = Phase::Ending;
                self.outputs.push_back(CallOutput::Cancel(headers));
            }
            Phase::Incoming => self.reject(end.rejection(), headers),
            Phase::Established => self.send_bye(now, headers),
            Phase::Ending | Phase::Ended => {}
        }
    }

    fn tell(&mut self, event: CallEvent) {
        if !self.told_end {
            self.outputs.push_back(CallOutput::Event(event));
        }
    }

    fn tell_end(&mut self, end: LegEnd, by: EndedBy, words: Option<String>) {
        self.tell(CallEvent::Ended { end, by, words });
        self.told_end = true;
    }

    fn respond(&mut self, transaction: ServerKey, response: Response) {
        self.outputs.push_back(CallOutput::Respond(transaction, response));
    }

    /// A response to a request within this call, our tag in its To.
    fn response_to(&self, request: &Request, status: u16) -> Response {
        request.response(status, Some(&self.local_tag))
    }

    /// Learns from Allow whether UPDATE may be sent (RFC 3311 §4).
    fn learn_allow(&mut self, headers: &Headers) {
        if headers.value(&HeaderName::Allow).is_some() {
            self.update_allowed = headers.has_token(&HeaderName::Allow, "UPDATE");
        }
    }

    /// The back-off after a 491 (RFC 3261 §14.1): the side that made the Call-ID waits longer.
    fn glare_delay(&mut self, made_call_id: bool) -> Duration {
        let tens = if made_call_id { 210 + self.rng.below(190) } else { self.rng.below(200) };
        Duration::from_millis(u64::from(tens) * 10)
    }
}

/// Adds a Reason with the Q.850 cause and, where a SIP status said it, that status (RFC 3326), unless there is one.
fn push_reason(headers: &mut Headers, end: &LegEnd) {
    if headers.value(&HeaderName::Reason).is_some() {
        return;
    }
    headers.push_typed(&Reason::q850(end.cause.q850(), &end.cause.to_string()));
    if let Some(status) = end.status {
        headers.push_typed(&Reason::sip(status, crate::message::reason_phrase(status)));
    }
}

/// The session description of a message, where it has one.
fn sdp_of(headers: &Headers, body: &Bytes) -> Option<Bytes> {
    let is_sdp = headers.content_type().is_none_or(|media_type| media_type == SDP_TYPE);
    (is_sdp && !body.is_empty()).then(|| body.clone())
}

pub(crate) const SDP_TYPE: &str = "application/sdp";

/// The cause and words that the far side gave in Reason headers: a Q.850 cause says most.
fn reason_of(headers: &Headers) -> (Option<HangupCause>, Option<String>) {
    let reasons: Vec<Reason> = headers.list::<Reason>().flatten().collect();
    let cause = reasons.iter().find_map(|reason| {
        let value = reason.cause?;
        if reason.protocol.eq_ignore_case("Q.850") {
            HangupCause::from_q850(u8::try_from(value).ok()?)
        } else if reason.protocol.eq_ignore_case("SIP") && (300..700).contains(&value) {
            Some(HangupCause::from_status(value))
        } else {
            None
        }
    });
    let words = reasons.iter().find_map(|reason| reason.text.as_ref()).map(ToString::to_string);
    (cause, words)
}

/// What a rejection says in words beyond its usual phrase.
fn words_of(response: &Response) -> Option<String> {
    let (_, reason) = reason_of(&response.headers);
    let warning = || response.headers.value(&HeaderName::Warning).map(ToString::to_string);
    let phrase = || {
        let usual = crate::message::reason_phrase(response.status);
        (!response.reason.eq_ignore_case(usual) && !response.reason.is_empty()).then(|| response.reason.to_string())
    };
    reason.or_else(warning).or_else(phrase)
}

/// Copies the credentials of an INVITE into the ACK for its 2xx (RFC 3261 §22.1).
fn copy_credentials(from: &Request, to: &mut Request) {
    for header in &from.headers {
        if [HeaderName::Authorization, HeaderName::ProxyAuthorization].contains(&header.name) {
            to.headers.push(header.name.clone(), header.value.clone());
        }
    }
}

/// Whether a request may change or set up the session: then it carries Contact, and so does its 2xx (RFC 3261 §12.2).
pub(crate) fn is_target_refresh(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
}

/// Whether every required option tag is one that we have: the session timer's.
pub(crate) fn requires_only_known<H: AsRef<[u8]>>(mut required: impl Iterator<Item = H>) -> bool {
    required.all(|tag| tag.as_ref().eq_ignore_ascii_case(SESSION_TIMER_TAG.as_bytes()))
}
