//! A SIP peer over UDP that says what a test tells it to say, and nothing else but what keeps messages from being lost:
//! it repeats requests until they are answered and 2xx until they are acknowledged, and answers repetitions as before.

use bytes::Bytes;
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use voip_core::net::Transport;
use voip_core::sim::{NodeOutput, SimDatagram};
use voip_sip::message::header::{CSeq, Contact, From, MaxForwards, To, Via};
use voip_sip::message::{
    ByteStr, HeaderName, Host, HostPort, Message, MessageLimits, Method, NameAddr, Request, Response, Uri,
};

const AGAIN: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 64;

struct Repeated {
    next: Instant,
    left: u32,
    key: (ByteStr, Method),
    destination: SocketAddr,
    payload: Bytes,
}

pub struct Peer {
    address: SocketAddr,
    name: &'static str,
    count: u64,
    out: VecDeque<NodeOutput>,
    requests: VecDeque<Request>,
    responses: VecDeque<Response>,
    /// Every request that came, repetitions not counted.
    pub heard: Vec<Request>,
    seen: HashSet<(ByteStr, Method)>,
    seen_responses: HashSet<(ByteStr, Method, u16)>,
    replies: HashMap<(ByteStr, Method), Bytes>,
    tags: HashMap<ByteStr, String>,
    acks: HashMap<ByteStr, Bytes>,
    repeated: Vec<Repeated>,
    sent_invites: Vec<Request>,
    /// Requests of these methods are answered 200 by themselves.
    pub answers: Vec<Method>,
}

impl Peer {
    pub fn new(ip: &str, name: &'static str) -> Self {
        Self {
            address: SocketAddr::new(ip.parse().expect("an address"), 5060),
            name,
            count: 0,
            out: VecDeque::new(),
            requests: VecDeque::new(),
            responses: VecDeque::new(),
            heard: Vec::new(),
            seen: HashSet::new(),
            seen_responses: HashSet::new(),
            replies: HashMap::new(),
            tags: HashMap::new(),
            acks: HashMap::new(),
            repeated: Vec::new(),
            sent_invites: Vec::new(),
            answers: vec![Method::Bye, Method::Cancel, Method::Options],
        }
    }

    fn word(&mut self) -> String {
        self.count += 1;
        format!("{}{}", self.name, self.count)
    }

    /// An INVITE with an offer of A-law and µ-law.
    pub fn invite(&mut self, to: &str, called: &str, caller: &str) -> Request {
        let host = |ip: &str| Host::Ip(ip.parse().expect("an address"));
        let target = Uri::sip(Some(called), host(to), None);
        let mut request = Request::new(Method::Invite, target.clone());
        let from = Uri::sip(Some(caller), Host::Ip(self.address.ip()), None);
        let tag = self.word();
        request.headers.push_typed(&From(NameAddr::new(from).with_param("tag", Some(&tag))));
        request.headers.push_typed(&To(NameAddr::new(target)));
        let call_id = self.word();
        request.headers.push(HeaderName::CallId, call_id);
        request.headers.push_typed(&CSeq { number: 1, method: Method::Invite });
        request.headers.push_typed(&MaxForwards(70));
        self.push_contact(&mut request.headers);
        let offer = sdp(&self.address.ip().to_string(), 30_000, "8 0 101", "sendrecv");
        request.set_body("application/sdp", offer);
        request
    }

    fn push_contact(&self, headers: &mut voip_sip::message::Headers) {
        let uri = Uri::sip(None, Host::Ip(self.address.ip()), Some(self.address.port()));
        headers.push_typed(&Contact::Address(Box::new(NameAddr::new(uri))));
    }

    /// Sends a request, again and again until it is answered; an ACK once.
    pub fn send(&mut self, now: Instant, to: &str, mut request: Request) {
        let destination = SocketAddr::new(to.parse().expect("an address"), 5060);
        if request.headers.value(&HeaderName::Via).is_none() {
            let branch = format!("{}{}", Via::MAGIC_COOKIE, self.word());
            let sent_by = HostPort { host: Host::Ip(self.address.ip()), port: Some(5060) };
            let via = Via::new(Transport::Udp, sent_by, &branch);
            request.headers.push_front(HeaderName::Via, voip_sip::message::TypedHeader::to_value(&via));
        }
        let key = key_of(&request.headers, &request.method);
        if request.method == Method::Invite {
            self.sent_invites.push(request.clone());
        }
        let payload = request.to_bytes();
        self.transmit(destination, payload.clone());
        if request.method != Method::Ack {
            self.repeated.push(Repeated { next: now + AGAIN, left: ATTEMPTS, key, destination, payload });
        }
    }

    /// Sends an ACK, again whenever its 2xx comes again.
    pub fn acknowledge(&mut self, now: Instant, to: &str, ack: Request) {
        let call_id = ack.headers.call_id().expect("an ACK has a Call-ID").clone();
        self.send(now, to, ack);
        if let Some(NodeOutput::Datagram(datagram)) = self.out.back() {
            self.acks.insert(call_id, datagram.payload.clone());
        }
    }

    /// The CANCEL of an INVITE as it was sent.
    pub fn cancel(&mut self, now: Instant, to: &str, invite: &Request) {
        let call_id = invite.headers.call_id().expect("a Call-ID");
        let sent = self.sent_invite(call_id);
        let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId] {
            if let Some(value) = sent.headers.value(&name) {
                cancel.headers.push(name, value.clone());
            }
        }
        cancel.headers.push_typed(&CSeq { number: 1, method: Method::Cancel });
        cancel.headers.push_typed(&MaxForwards(70));
        self.send(now, to, cancel);
    }

    fn sent_invite(&self, call_id: &ByteStr) -> Request {
        let sent = self.sent_invites.iter().find(|request| request.headers.call_id().ok() == Some(call_id));
        sent.cloned().expect("the INVITE was sent")
    }

    /// Answers a request; a 2xx to an INVITE is repeated until its ACK.
    pub fn respond(&mut self, now: Instant, request: &Request, status: u16, sdp: Option<&str>) {
        self.respond_with(now, request, status, sdp, |_| {});
    }

    pub fn respond_with(
        &mut self,
        now: Instant,
        request: &Request,
        status: u16,
        sdp: Option<&str>,
        change: impl FnOnce(&mut Response),
    ) {
        let tag = self.tag_of(request);
        let mut response = request.response(status, (status > 100).then_some(tag.as_str()));
        self.push_contact(&mut response.headers);
        if let Some(sdp) = sdp {
            response.set_body("application/sdp", sdp.to_owned());
        }
        change(&mut response);
        let destination = SocketAddr::new(super::GATEWAY.parse().expect("an address"), 5060);
        let payload = response.to_bytes();
        let key = key_of(&request.headers, &request.method);
        self.replies.insert(key, payload.clone());
        self.transmit(destination, payload.clone());
        if response.is_success() && request.method == Method::Invite {
            let call_id = request.headers.call_id().expect("a Call-ID").clone();
            self.repeated.push(Repeated {
                next: now + AGAIN,
                left: ATTEMPTS,
                key: (call_id, Method::Ack),
                destination,
                payload,
            });
        }
    }

    /// The tag that this peer has in the dialog of a request.
    pub fn tag_of(&mut self, request: &Request) -> String {
        let call_id = request.headers.call_id().expect("a Call-ID").clone();
        let next = self.count + 1;
        let name = self.name;
        let tag = self.tags.entry(call_id).or_insert_with(|| format!("{name}-tag{next}")).clone();
        self.count = next;
        tag
    }

    pub fn take_request(&mut self, method: &str) -> Option<Request> {
        let at = self.requests.iter().position(|r| r.method.as_bytes() == method.as_bytes())?;
        self.requests.remove(at)
    }

    pub fn take_response(&mut self, status: u16) -> Option<Response> {
        let at = self.responses.iter().position(|r| r.status == status)?;
        self.responses.remove(at)
    }

    /// How many requests of a method came.
    pub fn heard(&self, method: &str) -> usize {
        self.heard.iter().filter(|request| request.method.as_bytes() == method.as_bytes()).count()
    }

    fn transmit(&mut self, destination: SocketAddr, payload: Bytes) {
        self.out.push_back(NodeOutput::Datagram(SimDatagram { source: self.address, destination, payload }));
    }

    pub fn addresses(&self) -> Vec<IpAddr> {
        vec![self.address.ip()]
    }

    pub fn handle_datagram(&mut self, now: Instant, datagram: SimDatagram) {
        match Message::parse(datagram.payload, &MessageLimits::default()) {
            Ok(Message::Request(request)) => self.handle_request(now, request),
            Ok(Message::Response(response)) => self.handle_response(now, datagram.source, response),
            Err(error) => panic!("{} was sent what is no message: {error}", self.name),
        }
    }

    fn handle_request(&mut self, now: Instant, request: Request) {
        let key = key_of(&request.headers, &request.method);
        if request.method == Method::Ack {
            let call_id = request.headers.call_id().expect("a Call-ID").clone();
            self.repeated.retain(|repeated| repeated.key != (call_id.clone(), Method::Ack));
        }
        if !self.seen.insert(key.clone()) {
            if let Some(reply) = self.replies.get(&key).cloned() {
                let destination = SocketAddr::new(super::GATEWAY.parse().expect("an address"), 5060);
                self.transmit(destination, reply);
            }
            return;
        }
        self.heard.push(request.clone());
        if self.answers.contains(&request.method) {
            self.respond(now, &request, 200, None);
        }
        self.requests.push_back(request);
    }

    fn handle_response(&mut self, now: Instant, source: SocketAddr, response: Response) {
        let method = response.headers.required::<CSeq>().expect("a CSeq").method;
        let key = key_of(&response.headers, &method);
        self.repeated.retain(|repeated| repeated.key != key);
        let call_id = response.headers.call_id().expect("a Call-ID").clone();
        if response.is_success()
            && method == Method::Invite
            && let Some(ack) = self.acks.get(&call_id).cloned()
        {
            self.transmit(source, ack);
        }
        if response.status >= 300 && method == Method::Invite {
            self.acknowledge_rejection(now, source, &response);
        }
        // Nobody asks what became of a BYE or a CANCEL.
        let is_asked_for = !matches!(method, Method::Bye | Method::Cancel);
        if self.seen_responses.insert((key.0, method, response.status)) && is_asked_for {
            self.responses.push_back(response);
        }
    }

    /// The ACK of a rejection belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
    fn acknowledge_rejection(&mut self, now: Instant, source: SocketAddr, response: &Response) {
        let uri = Uri::sip(None, Host::Ip(source.ip()), None);
        let mut ack = Request::new(Method::Ack, uri);
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId] {
            if let Some(value) = response.headers.value(&name) {
                ack.headers.push(name, value.clone());
            }
        }
        let number = response.headers.required::<CSeq>().expect("a CSeq").number;
        ack.headers.push_typed(&CSeq { number, method: Method::Ack });
        ack.headers.push_typed(&MaxForwards(70));
        self.send(now, &source.ip().to_string(), ack);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        let mut due = Vec::new();
        for repeated in &mut self.repeated {
            if repeated.next <= now {
                repeated.next = now + AGAIN;
                repeated.left -= 1;
                due.push((repeated.destination, repeated.payload.clone()));
            }
        }
        self.repeated.retain(|repeated| repeated.left > 0);
        due.into_iter().for_each(|(destination, payload)| self.transmit(destination, payload));
    }

    pub fn poll_output(&mut self, _now: Instant) -> Option<NodeOutput> {
        self.out.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.repeated.iter().map(|repeated| repeated.next).min()
    }
}

fn key_of(headers: &voip_sip::message::Headers, method: &Method) -> (ByteStr, Method) {
    let via = headers.required::<Via>().expect("a Via");
    (via.branch().expect("a branch"), method.clone())
}

/// A peer's side of a dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    local: NameAddr,
    remote: NameAddr,
    call_id: ByteStr,
    sequence: u32,
    target: Uri,
}

impl Dialog {
    /// Of the peer that sent `invite` and got `ok`.
    pub fn of_caller(invite: &Request, ok: &Response) -> Self {
        let contact = ok.headers.required::<Contact>().expect("a 2xx has a Contact").address().expect("an address");
        Self {
            local: invite.headers.required::<From>().expect("a From").0,
            remote: ok.headers.required::<To>().expect("a To").0,
            call_id: invite.headers.call_id().expect("a Call-ID").clone(),
            sequence: 1,
            target: contact.uri,
        }
    }

    /// Of the peer that answered `invite` under `tag`.
    pub fn of_callee(invite: &Request, tag: &str) -> Self {
        let contact =
            invite.headers.required::<Contact>().expect("an INVITE has a Contact").address().expect("an address");
        Self {
            local: invite.headers.required::<To>().expect("a To").0.with_param("tag", Some(tag)),
            remote: invite.headers.required::<From>().expect("a From").0,
            call_id: invite.headers.call_id().expect("a Call-ID").clone(),
            sequence: 100,
            target: contact.uri,
        }
    }

    /// The next request in the dialog.
    pub fn request(&mut self, method: Method) -> Request {
        self.sequence += 1;
        self.build(method)
    }

    /// The ACK to the last INVITE.
    pub fn ack(&self) -> Request {
        self.build(Method::Ack)
    }

    fn build(&self, method: Method) -> Request {
        let mut request = Request::new(method.clone(), self.target.clone());
        request.headers.push_typed(&From(self.local.clone()));
        request.headers.push_typed(&To(self.remote.clone()));
        request.headers.push(HeaderName::CallId, self.call_id.clone());
        request.headers.push_typed(&CSeq { number: self.sequence, method });
        request.headers.push_typed(&MaxForwards(70));
        request.headers.push_typed(&Contact::Address(Box::new(NameAddr::new(self.local.uri.clone()))));
        request
    }

    /// A re-INVITE or UPDATE with an offer.
    pub fn offer(&mut self, method: Method, sdp: &str) -> Request {
        let mut request = self.request(method);
        request.set_body("application/sdp", sdp.to_owned());
        request
    }
}

/// A session description with audio under the given payload types.
pub fn sdp(ip: &str, port: u16, payload_types: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {payload_types}\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n\
         a={direction}\r\n"
    )
}
