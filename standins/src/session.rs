//! An answered call of a stand-in, until it ends: what both sides say in the dialog (RFC 3261 §12.2, §14, §15), the
//! audio, and the timetable of its plan.

use crate::dialog::Dialog;
use crate::party::Party;
use crate::plan::{Action, HangUp, Talk};
use crate::report::{AudioReport, CallReport, EndedBy};
use crate::rtp::{AudioPort, Sending};
use crate::sdp::Description;
use crate::speech;
use crate::trace::What;
use crate::wire::{Link, Received, until};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use voip_core::codec::AudioCodec;
use voip_core::media::Direction;
use voip_core::net::Transport;
use voip_sip::message::header::CSeq;
use voip_sip::message::{HeaderName, Message, Method, Request, Response};

/// A call that has been answered.
pub(crate) struct Session {
    pub(crate) party: Arc<Party>,
    pub(crate) link: Link,
    pub(crate) messages: mpsc::Receiver<Received>,
    pub(crate) dialog: Dialog,
    pub(crate) audio: AudioPort,
    /// What this side described last.
    pub(crate) local: Description,
    /// What the other side described last; `None` until an offer without one is answered in the ACK.
    pub(crate) remote: Option<Description>,
    pub(crate) report: CallReport,
    /// The 200 that has no ACK yet.
    pub(crate) answer: Option<Answer>,
    /// As caller: the ACK of each answer, by CSeq; and how many of them are to be lost.
    pub(crate) acks: Vec<(u32, Bytes)>,
    pub(crate) lost_acks: u32,
    pub(crate) pending: Option<Pending>,
    /// Whether this side wants to send; what the descriptions allow comes on top.
    pub(crate) sending: bool,
}

/// A 200 to an INVITE, sent again until its ACK comes (RFC 3261 §13.3.1.4).
pub(crate) struct Answer {
    pub(crate) cseq: u32,
    pub(crate) bytes: Bytes,
    pub(crate) next: Instant,
    pub(crate) interval: Duration,
}

/// A request of ours that has no final response yet.
pub(crate) struct Pending {
    cseq: u32,
    method: Method,
    request: Request,
    bytes: Bytes,
    /// When to send it again, where the transport may lose it.
    next: Option<Instant>,
    interval: Duration,
    since: Instant,
}

/// How often the timetable is looked at.
const TICK: Duration = Duration::from_millis(10);
/// How often the level is told.
const LEVEL: Duration = Duration::from_millis(250);
/// RFC 3261 §17.1.1.1: T1, and 64 of them.
const T1: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(32);

impl Session {
    /// Runs the call to its end.
    pub(crate) async fn run(mut self, talk: &Talk) -> CallReport {
        let answered = Instant::now();
        let mut actions: VecDeque<&(Duration, Action)> = talk.actions.iter().collect();
        let (mut muted, mut sending_since, mut spoken_at) = (!talk.sends_audio, None, None);
        let (mut queued, mut told_level) = (talk.speech.is_none(), answered);
        let (mut told_sent, mut told_heard) = (false, false);
        self.party_sends(false);
        loop {
            tokio::select! {
                received = self.messages.recv() => {
                    match received {
                        Some(received) => if self.handle(received).await.is_break() {
                            break;
                        },
                        None => break,
                    }
                }
                () = tokio::time::sleep_until(until(Instant::now() + TICK)) => {}
            }
            let now = Instant::now();
            self.repeat(now).await;

            let may_begin = !self.party.profile.listens_first
                || self.audio.last_heard().is_some()
                || now - answered >= Duration::from_secs(1);
            if sending_since.is_none() && !muted && may_begin && self.remote.is_some() {
                sending_since = Some(now);
                self.party_sends(true);
            }
            if !queued && sending_since.is_some_and(|since| now - since >= talk.speak_after) {
                queued = true;
                let codes = talk.speech.as_deref().unwrap_or_default();
                self.audio.speak(&speech::in_law(codes, self.codec()));
            }
            if spoken_at.is_none() && self.audio.has_spoken() {
                spoken_at = Some(now);
            }
            while let Some((_, action)) = actions.pop_front_if(|(at, _)| now - answered >= *at) {
                match action {
                    Action::Mute => (muted, sending_since) = (true, None),
                    Action::Unmute => muted = false,
                    Action::Hold
                    | Action::Resume
                    | Action::MoveAudio
                    | Action::Reorder(_)
                    | Action::Press(..)
                    | Action::Request(_) => {}
                }
                self.act(action).await;
            }
            if !told_sent && self.audio.has_sent() {
                told_sent = true;
                self.tell(What::FirstAudio { sent: true, call_id: self.dialog.call_id.clone() });
            }
            if !told_heard && self.audio.last_heard().is_some() {
                told_heard = true;
                self.tell(What::FirstAudio { sent: false, call_id: self.dialog.call_id.clone() });
            }
            if now - told_level >= LEVEL {
                told_level = now;
                let heard = self.audio.level(now - LEVEL, self.codec());
                self.tell(What::Level { call_id: self.dialog.call_id.clone(), heard });
            }
            if let Some((initial, later)) = self.party.profile.patience {
                let silent = match self.audio.last_heard() {
                    None => now - answered >= initial,
                    Some(last) => now.saturating_duration_since(last) >= later,
                };
                if silent {
                    self.hang_up(EndedBy::Silence).await;
                    break;
                }
            }
            let over = now - answered >= HangUp::LIMIT
                || match talk.hang_up {
                    HangUp::AfterSpeech(rest) => spoken_at.is_some_and(|at| now - at >= rest),
                    HangUp::After(time) => now - answered >= time,
                    HangUp::Never => false,
                };
            // A call is not hung up before its answer is acknowledged, nor within a transaction of ours.
            if over && self.answer.is_none() && self.pending.is_none() {
                self.hang_up(EndedBy::Us).await;
                break;
            }
        }
        self.finish()
    }

    fn finish(mut self) -> CallReport {
        self.report.ended.get_or_insert_with(Instant::now);
        let (codec, telephone_event) = (self.codec(), self.local.telephone_event);
        let payload_type = self.local.codecs.iter().find(|(c, _)| *c == codec).map_or(8, |(_, pt)| *pt);
        let recording = self.audio.recording();
        self.report.audio = Some(AudioReport { codec, payload_type, telephone_event, recording });
        self.report
    }

    /// Ends the call with BYE and waits for its response.
    pub(crate) async fn hang_up(&mut self, by: EndedBy) {
        // From here on nothing is said: what a far side still sends is heard until the BYE is answered.
        self.party_sends(false);
        self.report.ended = Some(Instant::now());
        self.report.ended_by = by;
        self.begin(Method::Bye, None).await;
        let deadline = Instant::now() + Duration::from_secs(4);
        while self.pending.is_some() && Instant::now() < deadline {
            tokio::select! {
                Some(received) = self.messages.recv() => if self.handle(received).await.is_break() {
                    break;
                },
                () = tokio::time::sleep_until(until(Instant::now() + TICK)) => {}
            }
            self.repeat(Instant::now()).await;
        }
        if self.pending.is_some() {
            self.report.ended_by = EndedBy::Nobody;
        }
    }

    async fn handle(&mut self, received: Received) -> std::ops::ControlFlow<()> {
        let Received { message, link } = received;
        match message {
            Message::Request(request) => self.handle_request(request, link).await,
            Message::Response(response) => {
                self.handle_response(response).await;
                std::ops::ControlFlow::Continue(())
            }
        }
    }

    async fn handle_request(&mut self, request: Request, link: Link) -> std::ops::ControlFlow<()> {
        use std::ops::ControlFlow::{Break, Continue};
        let number = request.headers.typed::<CSeq>().ok().flatten().map_or(0, |c| c.number);
        // Whatever connection the peer uses now is where it can be reached (RFC 5923 §5 in spirit).
        self.link = link.clone();
        if request.method == Method::Ack {
            if self.answer.as_ref().is_some_and(|a| a.cseq == number) {
                self.answer = None;
                self.report.acknowledged.get_or_insert_with(Instant::now);
                if let Some(description) = Description::parse(&request.body) {
                    self.remote = Some(description);
                    self.retarget();
                }
            }
            return Continue(());
        }
        self.report.requests.push((Instant::now(), request.clone()));
        let stale = number <= self.dialog.remote_cseq && request.method != Method::Cancel;
        self.dialog.remote_cseq = self.dialog.remote_cseq.max(number);
        let refused = self.party.profile.refused.contains(&request.method);
        let mut response = request.response(200, None);
        self.party.sign(&mut response);
        let mut flow = Continue(());
        match &request.method {
            _ if stale => response = request.response(500, None),
            _ if refused => {
                response = request.response(405, None);
                response.headers.push(HeaderName::Allow, self.party.profile.allow);
            }
            Method::Bye => {
                self.report.ended.get_or_insert_with(Instant::now);
                if self.report.ended_by == EndedBy::Nobody {
                    self.report.ended_by = EndedBy::Them;
                }
                flow = Break(());
            }
            Method::Invite | Method::Update => {
                if self.pending.as_ref().is_some_and(|p| p.method == Method::Invite) {
                    // RFC 3261 §14.2.
                    response = request.response(491, None);
                } else {
                    let offer = Description::parse(&request.body);
                    if request.method == Method::Invite || offer.is_some() {
                        match self.answer_to(offer) {
                            Some(body) => response.set_body("application/sdp", body),
                            None => response = request.response(self.party.profile.no_codec, None),
                        }
                    }
                    response.headers.push(HeaderName::Contact, self.party.profile.contact.clone());
                    response.headers.push(HeaderName::Allow, self.party.profile.allow);
                }
            }
            Method::Options => response.headers.push(HeaderName::Allow, self.party.profile.allow),
            Method::Info | Method::Message | Method::Notify | Method::Cancel => {}
            Method::Refer => response = request.response(603, None),
            Method::Prack => response = request.response(481, None),
            Method::Subscribe => response = request.response(489, None),
            Method::Ack | Method::Register | Method::Publish | Method::Other(_) => {
                response = request.response(501, None);
            }
        }
        let success = response.is_success();
        let bytes = self.party.wire.respond(&link, &request, response).await;
        if request.method == Method::Invite && success {
            let interval = self.party.profile.repeat_answer.0;
            self.answer = Some(Answer { cseq: number, bytes, next: Instant::now() + interval, interval });
        }
        flow
    }

    /// The description that answers an offer within the call, or makes one where there is none.
    fn answer_to(&mut self, offer: Option<Description>) -> Option<String> {
        if let Some(offer) = offer {
            if !self.party.profile.fixed_description {
                let (codec, payload_type) = offer.common(&self.party.profile.codecs)?;
                self.local.codecs = vec![(codec, payload_type)];
                self.local.telephone_event = offer.telephone_event;
                self.local.direction = offer.direction.reversed();
                self.local.version += 1;
            }
            self.remote = Some(offer);
            self.retarget();
        } else if !self.party.profile.fixed_description {
            self.local.version += 1;
        }
        Some(self.local.write(self.party.profile.name, 1))
    }

    async fn handle_response(&mut self, response: Response) {
        let Ok(Some(cseq)) = response.headers.typed::<CSeq>() else { return };
        let ours = self.pending.as_ref().is_some_and(|p| p.cseq == cseq.number && p.method == cseq.method);
        if !ours {
            // The answer again: its ACK was lost (RFC 3261 §13.2.2.4).
            if cseq.method == Method::Invite && response.is_success() {
                self.report.repeated_answers += 1;
                self.acknowledge(cseq.number, None).await;
            }
            return;
        }
        if response.is_provisional() {
            if let Some(pending) = &mut self.pending {
                pending.next = None;
            }
            return;
        }
        let Some(pending) = self.pending.take() else { return };
        if pending.method == Method::Invite {
            if response.is_success() {
                let ack = self.dialog.request_numbered(Method::Ack, cseq.number, &self.party, &self.link);
                self.acknowledge(cseq.number, Some(ack)).await;
                if let Some(description) = Description::parse(&response.body) {
                    self.remote = Some(description);
                    self.retarget();
                }
            } else {
                let ack = ack_of_rejection(&pending.request, &response);
                self.party.wire.send(&self.link, &ack).await;
            }
        }
        self.report.responses.push((pending.method.to_string(), response));
    }

    /// Sends the ACK of an answer, or sends it again; unless it is to be lost.
    pub(crate) async fn acknowledge(&mut self, cseq: u32, ack: Option<Request>) {
        if self.lost_acks > 0 {
            self.lost_acks -= 1;
            if let Some(ack) = ack {
                self.acks.push((cseq, ack.to_bytes()));
            }
            return;
        }
        match ack {
            Some(ack) => {
                let bytes = self.party.wire.send(&self.link, &ack).await;
                self.acks.push((cseq, bytes));
            }
            None => {
                if let Some((_, bytes)) = self.acks.iter().find(|(number, _)| *number == cseq) {
                    self.party.wire.send_again(&self.link, bytes).await;
                }
            }
        }
        self.report.acknowledged.get_or_insert_with(Instant::now);
    }

    async fn begin(&mut self, method: Method, body: Option<String>) {
        let mut request = self.dialog.request(method.clone(), &self.party, &self.link);
        self.party.introduce(&mut request.headers);
        if let Some(body) = body {
            request.set_body("application/sdp", body);
        }
        let bytes = self.party.wire.send(&self.link, &request).await;
        let since = Instant::now();
        let next = (self.link.transport == Transport::Udp).then(|| since + T1);
        self.pending = Some(Pending { cseq: self.dialog.cseq, method, request, bytes, next, interval: T1, since });
    }

    async fn act(&mut self, action: &Action) {
        match action {
            Action::Press(key, duration) => self.audio.press(*key, *duration),
            Action::Mute => self.party_sends(false),
            Action::Unmute => {}
            Action::Request(method) => self.begin(method.clone(), None).await,
            Action::Hold | Action::Resume | Action::MoveAudio | Action::Reorder(_) => {
                self.local.version += 1;
                match action {
                    Action::Hold => self.local.direction = Direction::SendOnly,
                    Action::Resume => self.local.direction = Direction::SendRecv,
                    Action::MoveAudio => {
                        if let Ok(address) = self.audio.move_away() {
                            self.local.address = address;
                        }
                    }
                    Action::Reorder(codecs) => self.local.codecs = with_payload_types(codecs),
                    Action::Press(..) | Action::Request(_) | Action::Mute | Action::Unmute => {}
                }
                let body = self.local.write(self.party.profile.name, 1);
                self.begin(Method::Invite, Some(body)).await;
            }
        }
    }

    /// Sends again what has no reply yet, and gives up what had long enough.
    async fn repeat(&mut self, now: Instant) {
        let longest = self.party.profile.repeat_answer.1;
        if let Some(answer) = self.answer.as_mut().filter(|a| a.next <= now) {
            answer.interval = (answer.interval * 2).min(longest);
            answer.next = now + answer.interval;
            self.report.repeated_answers += 1;
            self.party.wire.send_again(&self.link, &answer.bytes).await;
        }
        if let Some(pending) = &mut self.pending {
            if pending.next.is_some_and(|next| next <= now) {
                pending.interval = (pending.interval * 2).min(Duration::from_secs(4));
                pending.next = Some(now + pending.interval);
                self.party.wire.send_again(&self.link, &pending.bytes).await;
            }
            if now - pending.since > PATIENCE {
                self.pending = None;
            }
        }
    }

    /// The codec in use.
    fn codec(&self) -> AudioCodec {
        let mine: Vec<AudioCodec> = self.local.codecs.iter().map(|(c, _)| *c).collect();
        self.remote.as_ref().and_then(|r| r.common(&mine)).map_or(AudioCodec::Pcma, |(codec, _)| codec)
    }

    /// Takes over the other side's address and direction, sending or not as before.
    fn retarget(&mut self) {
        self.party_sends(self.sending);
    }

    fn party_sends(&mut self, on: bool) {
        self.sending = on;
        let Some(remote) = &self.remote else { return };
        let mine: Vec<AudioCodec> = self.local.codecs.iter().map(|(c, _)| *c).collect();
        let Some((codec, payload_type)) = remote.common(&mine) else { return };
        let fixed = self.party.profile.fixed_description;
        // A held side is not to be sent to; a peer with a fixed description does not know what hold is.
        let allowed = on && (fixed || (remote.direction.receives() && self.local.direction.sends()));
        let telephone_event = remote.telephone_event.filter(|_| self.local.telephone_event.is_some());
        self.audio.send(Sending { remote: remote.address, codec, payload_type, telephone_event, allowed });
    }

    fn tell(&self, what: What) {
        self.party.wire.trace.add(self.party.profile.name, what);
    }
}

/// Codecs with their static payload types.
pub(crate) fn with_payload_types(codecs: &[AudioCodec]) -> Vec<(AudioCodec, u8)> {
    codecs.iter().filter_map(|codec| Some((*codec, codec.static_payload_type()?))).collect()
}

/// The ACK of a final response that is not a 2xx: in the INVITE's transaction (RFC 3261 §17.1.1.3).
pub(crate) fn ack_of_rejection(invite: &Request, response: &Response) -> Request {
    let mut ack = Request::new(Method::Ack, invite.uri.clone());
    for name in [HeaderName::Via, HeaderName::Route, HeaderName::MaxForwards, HeaderName::From, HeaderName::CallId] {
        for value in invite.headers.values(&name) {
            ack.headers.push(name.clone(), value.clone());
        }
    }
    if let Some(to) = response.headers.value(&HeaderName::To) {
        ack.headers.push(HeaderName::To, to.clone());
    }
    if let Ok(Some(cseq)) = invite.headers.typed::<CSeq>() {
        ack.headers.push_typed(&CSeq { number: cseq.number, method: Method::Ack });
    }
    ack
}
