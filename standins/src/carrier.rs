//! A carrier as Mango Office's trunk behaves: a registrar that demands digest, and calls that come back over the
//! connection, or to the address, that registered. One socket pair: UDP and TCP on the same port.

use crate::digest::{self, Account, Algorithm, Inputs, Parameters, Verdict};
use crate::outgoing;
use crate::party::{self, Party, Profile, Sockets, word};
use crate::plan::{AnswerPlan, CallPlan};
use crate::report::CallReport;
use crate::trace::{Trace, What};
use crate::wire::{Link, Received, udp_link};
use crate::{incoming, wire};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use voip_core::codec::AudioCodec;
use voip_core::net::Transport;
use voip_sip::message::header::{Contact, Expires};
use voip_sip::message::{HeaderName, Host, HostPort, Message, Method, NameAddr, Request, Response};

/// How a carrier behaves.
#[derive(Clone, Debug)]
pub struct CarrierConfig {
    /// Where to listen, UDP and TCP; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The account that may register.
    pub account: Account,
    /// The digest's realm, and the host in From of its calls.
    pub realm: String,
    /// 401, or 407 as some proxies ask.
    pub challenge: u16,
    /// Ask for `qop=auth`.
    pub qop: bool,
    /// The digest's hash.
    pub algorithm: Algorithm,
    /// How many requests may use one nonce before it is stale; `None`: any number.
    pub nonce_uses: Option<u32>,
    /// The lifetime that is granted, at most, seconds.
    pub expires: u32,
    /// A shorter wish is answered 423 with this.
    pub min_expires: Option<u32>,
    /// Answers to the first REGISTERs that have right credentials, before any is granted: 403, 503.
    pub refusals: Vec<u16>,
    /// Contact with the port, where the real carrier writes its bare address.
    pub contact_with_port: bool,
    /// Codecs it takes when it is called.
    pub codecs: Vec<AudioCodec>,
    /// How it answers when it is called.
    pub answer: AnswerPlan,
}

impl CarrierConfig {
    /// Mango's manners: 401 with realm and nonce only, MD5, 120 s, A-law and µ-law.
    pub fn new(bind: SocketAddr, account: Account) -> Self {
        Self {
            bind,
            account,
            realm: "vpbx400000000.mangosip.ru".into(),
            challenge: 401,
            qop: false,
            algorithm: Algorithm::Md5,
            nonce_uses: None,
            expires: 120,
            min_expires: None,
            refusals: Vec::new(),
            contact_with_port: false,
            codecs: vec![AudioCodec::Pcma, AudioCodec::Pcmu],
            answer: AnswerPlan::default(),
        }
    }
}

/// A binding that the registrar holds.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The Contact that was bound.
    pub contact: NameAddr,
    /// The lifetime that was granted, seconds.
    pub expires: u32,
    /// When.
    pub at: Instant,
    /// Over which transport.
    pub transport: Transport,
    /// From where.
    pub remote: SocketAddr,
    /// How many REGISTERs were granted so far, this one among them.
    pub count: u32,
    link: Link,
}

/// A carrier at work.
#[derive(Debug)]
pub struct Carrier {
    party: Arc<Party>,
    sockets: Sockets,
    registration: watch::Receiver<Option<Registration>>,
    calls: Mutex<mpsc::Receiver<CallReport>>,
    /// The connections it opened: they stay until the peer closes them.
    connections: Mutex<JoinSet<()>>,
}

impl Carrier {
    /// Opens its sockets and begins to serve.
    pub async fn start(config: CarrierConfig, trace: Trace) -> io::Result<Self> {
        let (mut sockets, wire, queue) = party::open("carrier", trace, config.bind, None).await?;
        let ip = sockets.address.ip();
        let contact = if config.contact_with_port {
            format!("<sip:{}>", sockets.address)
        } else {
            format!("<sip:{}>", HostPortText(ip))
        };
        let profile = Profile {
            name: "carrier",
            user_agent: "Softswitch3",
            allow: "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, REFER, MESSAGE",
            supported: Some("replaces"),
            refused: &[],
            contact,
            domain: config.realm.clone(),
            codecs: config.codecs.clone(),
            listens_first: false,
            fixed_description: false,
            no_codec: 488,
            patience: None,
            // RFC 3261 §13.3.1.4: T1 to T2.
            repeat_answer: (Duration::from_millis(500), Duration::from_secs(4)),
            repeat_ringing: None,
        };
        let party = Arc::new(Party { profile, wire, ip });
        let (registered, registration) = watch::channel(None);
        let (reports, calls) = mpsc::channel(1024);
        let desk = Desk { party: Arc::clone(&party), config, registered, reports, nonces: VecDeque::new(), refused: 0 };
        sockets.tasks.spawn(desk.serve(queue));
        Ok(Self { party, sockets, registration, calls: Mutex::new(calls), connections: Mutex::default() })
    }

    /// Where it listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.sockets.address
    }

    /// The binding, once there is one.
    pub async fn registered(&self, limit: Duration) -> Option<Registration> {
        let mut registration = self.registration.clone();
        let found = tokio::time::timeout(limit, registration.wait_for(Option::is_some)).await;
        found.ok()?.ok()?.clone()
    }

    /// Waits until there is no binding; whether that came to be.
    pub async fn unregistered(&self, limit: Duration) -> bool {
        let mut registration = self.registration.clone();
        let gone = tokio::time::timeout(limit, registration.wait_for(Option::is_none)).await;
        matches!(gone, Ok(Ok(_)))
    }

    /// The binding as it is now.
    pub fn registration(&self) -> Option<Registration> {
        self.registration.borrow().clone()
    }

    /// Calls what is registered, over the connection or to the address that registered.
    pub async fn call_registered(&self, plan: CallPlan) -> io::Result<CallReport> {
        let registration = self.registration().ok_or_else(|| io::Error::other("nobody is registered"))?;
        let host = registration.contact.uri.host_port.clone();
        let host = host.ok_or_else(|| io::Error::other("the registered Contact has no host"))?;
        outgoing::place(Arc::clone(&self.party), registration.link, host, plan).await
    }

    /// Calls an address over UDP or TCP, as a trunk without registration does.
    pub async fn call(&self, to: SocketAddr, transport: Transport, plan: CallPlan) -> io::Result<CallReport> {
        let host = HostPort { host: Host::Ip(to.ip()), port: Some(to.port()) };
        match (transport, &self.sockets.udp) {
            (Transport::Udp, Some(udp)) => {
                let link = udp_link(udp, to)?;
                outgoing::place(Arc::clone(&self.party), link, host, plan).await
            }
            _ => {
                let (link, served) = wire::connect(Arc::clone(&self.party.wire), to, None).await?;
                self.connections.lock().await.spawn(served);
                outgoing::place(Arc::clone(&self.party), link, host, plan).await
            }
        }
    }

    /// The next call that came and is over.
    pub async fn finished_call(&self, limit: Duration) -> Option<CallReport> {
        tokio::time::timeout(limit, self.calls.lock().await.recv()).await.ok()?
    }
}

/// An address as the host of a URI.
struct HostPortText(std::net::IpAddr);

impl std::fmt::Display for HostPortText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            std::net::IpAddr::V4(ip) => write!(f, "{ip}"),
            std::net::IpAddr::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// Takes what belongs to no call: registrations, new calls, probes.
struct Desk {
    party: Arc<Party>,
    config: CarrierConfig,
    registered: watch::Sender<Option<Registration>>,
    reports: mpsc::Sender<CallReport>,
    /// Nonces given, with how often each was used.
    nonces: VecDeque<(String, u32)>,
    /// How many of the configured refusals were given.
    refused: usize,
}

impl Desk {
    async fn serve(mut self, mut queue: mpsc::Receiver<Received>) {
        let mut calls = JoinSet::new();
        while let Some(Received { message, link }) = queue.recv().await {
            while calls.try_join_next().is_some() {}
            let Message::Request(request) = message else { continue };
            let mut response = match &request.method {
                Method::Ack => continue,
                Method::Register => self.register(&request, &link),
                Method::Options => request.response(200, Some(&word())),
                Method::Invite => {
                    let call_id = request.headers.call_id().map(|id| id.to_string()).unwrap_or_default();
                    let messages = self.party.wire.open_call(&call_id);
                    let (party, reports) = (Arc::clone(&self.party), self.reports.clone());
                    let plan = self.config.answer.clone();
                    calls.spawn(async move {
                        if let Ok(report) = incoming::take(party, link, request, messages, plan).await {
                            let _ = reports.try_send(report);
                        }
                    });
                    continue;
                }
                Method::Bye
                | Method::Cancel
                | Method::Prack
                | Method::Subscribe
                | Method::Notify
                | Method::Publish
                | Method::Info
                | Method::Refer
                | Method::Message
                | Method::Update
                | Method::Other(_) => request.response(481, Some(&word())),
            };
            self.party.sign(&mut response);
            self.party.wire.respond(&link, &request, response).await;
        }
    }

    fn register(&mut self, request: &Request, link: &Link) -> Response {
        let credentials =
            if self.config.challenge == 407 { &HeaderName::ProxyAuthorization } else { &HeaderName::Authorization };
        let Some(value) = request.headers.value(credentials) else {
            return self.challenge(request, false);
        };
        let credentials = Parameters::parse(&value.to_str_lossy());
        let nonce = credentials.value("nonce").unwrap_or_default();
        let Some((known, uses)) = self.nonces.iter_mut().find(|(n, _)| n == nonce) else {
            return self.challenge(request, true);
        };
        *uses += 1;
        let (nonce, uses) = (known.clone(), *uses);
        if self.config.nonce_uses.is_some_and(|limit| uses > limit) {
            return self.challenge(request, true);
        }
        // With qop, each use must count on (RFC 7616 §3.4).
        let counted = credentials.value("nc").is_none_or(|nc| u32::from_str_radix(nc, 16) == Ok(uses));
        let given = Inputs {
            algorithm: self.config.algorithm,
            realm: &self.config.realm,
            nonce: &nonce,
            method: "REGISTER",
            uri: "",
            auth: None,
        };
        let qop_is_used = credentials.value("qop").is_some();
        if digest::check(&self.config.account, &credentials, &given) != Verdict::Right
            || !counted
            || qop_is_used != self.config.qop
        {
            return request.response(403, Some(&word()));
        }
        if let Some(status) = self.config.refusals.get(self.refused) {
            self.refused += 1;
            return request.response(*status, Some(&word()));
        }
        self.bind(request, link)
    }

    fn bind(&self, request: &Request, link: &Link) -> Response {
        let mut response = request.response(200, Some(&word()));
        let contact = request.headers.typed::<Contact>().ok().flatten();
        let header = request.headers.typed::<Expires>().ok().flatten().map(|e| e.0);
        let (address, wished) = match contact {
            None => return response,
            Some(Contact::All) => (None, 0),
            Some(Contact::Address(address)) => {
                let wished = address.params.value("expires").and_then(|e| e.to_number());
                (Some(*address), wished.or(header).unwrap_or(3600))
            }
        };
        let (Some(mut address), 1..) = (address, wished) else {
            self.registered.send_replace(None);
            self.note("unregistered".into());
            return response;
        };
        if let Some(least) = self.config.min_expires.filter(|least| wished < *least) {
            response = request.response(423, Some(&word()));
            response.headers.push(HeaderName::MinExpires, least.to_string());
            return response;
        }
        let expires = wished.min(self.config.expires);
        address.params = address.params.without("expires");
        let bound = address.clone().with_param("expires", Some(&expires.to_string()));
        response.headers.push(HeaderName::Contact, bound.to_string());
        let count = self.registered.borrow().as_ref().map_or(0, |r| r.count) + 1;
        let (transport, remote) = (link.transport, link.remote);
        self.note(format!("registered over {transport} for {expires} s"));
        self.registered.send_replace(Some(Registration {
            contact: address,
            expires,
            at: Instant::now(),
            transport,
            remote,
            count,
            link: link.clone(),
        }));
        response
    }

    fn challenge(&mut self, request: &Request, stale: bool) -> Response {
        let nonce = word();
        let (realm, algorithm) = (&self.config.realm, self.config.algorithm.name());
        let mut value = format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}");
        if self.config.qop {
            value.push_str(", qop=\"auth\"");
        }
        if stale {
            value.push_str(", stale=true");
        }
        self.nonces.push_back((nonce, 0));
        if self.nonces.len() > 1000 {
            self.nonces.pop_front();
        }
        let mut response = request.response(self.config.challenge, Some(&word()));
        let name =
            if self.config.challenge == 407 { HeaderName::ProxyAuthenticate } else { HeaderName::WwwAuthenticate };
        response.headers.push(name, value);
        response
    }

    fn note(&self, text: String) {
        self.party.wire.trace.add("carrier", What::Note(text));
    }
}
