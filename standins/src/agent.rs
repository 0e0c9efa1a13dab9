//! A voice agent as ElevenLabs' SIP side behaves (LiveKit SIP underneath): TLS, 407 without qop, 180 every second, never
//! 183, 405 to what it does not do, and no word before it hears one. UDP and TCP are there too, for tests.

use crate::certificate::Identity;
use crate::digest::{self, Account, Algorithm, Inputs, Parameters, Verdict};
use crate::party::{self, Party, Profile, Sockets, word};
use crate::plan::{AnswerPlan, CallPlan};
use crate::report::CallReport;
use crate::trace::Trace;
use crate::wire::{Link, Received, udp_link};
use crate::{incoming, outgoing, wire};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use voip_core::codec::AudioCodec;
use voip_core::net::Transport;
use voip_sip::message::header::From;
use voip_sip::message::{HeaderName, Host, HostPort, Message, Method, Request, Response};

/// How an agent behaves.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Where to listen, UDP and TCP; TLS takes another free port of the same address.
    pub bind: SocketAddr,
    /// Serve TLS with a certificate made for the occasion.
    pub tls: bool,
    /// The digest account of callers; `None`: nobody is asked.
    pub account: Option<Account>,
    /// The number it answers; any other is 404.
    pub number: String,
    /// Codecs it takes.
    pub codecs: Vec<AudioCodec>,
    /// How it answers.
    pub answer: AnswerPlan,
    /// How long it bears silence: before the first packet, and after it.
    pub patience: (Duration, Duration),
}

impl AgentConfig {
    /// ElevenLabs' manners: TLS, 30 s for the first packet and 15 s for the next, A-law and µ-law.
    pub fn new(bind: SocketAddr, number: &str, account: Option<Account>) -> Self {
        Self {
            bind,
            tls: true,
            account,
            number: number.into(),
            codecs: vec![AudioCodec::Pcma, AudioCodec::Pcmu],
            answer: AnswerPlan::default(),
            patience: (Duration::from_secs(30), Duration::from_secs(15)),
        }
    }
}

/// An agent at work.
#[derive(Debug)]
pub struct Agent {
    party: Arc<Party>,
    sockets: Sockets,
    identity: Option<Identity>,
    calls: Mutex<mpsc::Receiver<CallReport>>,
    /// The connections it opened: they stay until the peer closes them.
    connections: Mutex<JoinSet<()>>,
}

impl Agent {
    /// Opens its sockets and begins to serve.
    pub async fn start(config: AgentConfig, trace: Trace) -> io::Result<Self> {
        let identity = config.tls.then(|| Identity::for_address(config.bind.ip())).transpose()?;
        let (mut sockets, wire, queue) = party::open("agent", trace, config.bind, identity.clone()).await?;
        let contact = match sockets.tls {
            Some(address) => format!("<sip:{}@{address};transport=tls>", config.number),
            None => format!("<sip:{}@{}>", config.number, sockets.address),
        };
        let ip = sockets.address.ip();
        let profile = Profile {
            name: "agent",
            user_agent: "LiveKit",
            // What it lists and what it does are two things: see `refused`.
            allow: "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE",
            supported: None,
            refused: &[
                Method::Update,
                Method::Info,
                Method::Prack,
                Method::Refer,
                Method::Message,
                Method::Subscribe,
                Method::Publish,
            ],
            contact,
            domain: ip.to_string(),
            codecs: config.codecs.clone(),
            listens_first: true,
            fixed_description: true,
            no_codec: 400,
            patience: Some(config.patience),
            repeat_answer: (Duration::from_millis(250), Duration::from_secs(3)),
            repeat_ringing: Some(Duration::from_secs(1)),
        };
        let party = Arc::new(Party { profile, wire, ip });
        let (reports, calls) = mpsc::channel(1024);
        let desk =
            Desk { party: Arc::clone(&party), config, reports, nonces: HashMap::new(), rejected: HashMap::new() };
        sockets.tasks.spawn(desk.serve(queue));
        Ok(Self { party, sockets, identity, calls: Mutex::new(calls), connections: Mutex::default() })
    }

    /// Where it listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.sockets.address
    }

    /// Where it listens for TLS.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.sockets.tls
    }

    /// The authority behind its certificate.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The next call that came and is over; rejected ones too.
    pub async fn finished_call(&self, limit: Duration) -> Option<CallReport> {
        tokio::time::timeout(limit, self.calls.lock().await.recv()).await.ok()?
    }

    /// Calls an address over UDP, TCP, or TLS when `roots` (PEM) says whom to trust.
    pub async fn call(
        &self,
        to: SocketAddr,
        transport: Transport,
        roots: Option<&str>,
        plan: CallPlan,
    ) -> io::Result<CallReport> {
        let host = HostPort { host: Host::Ip(to.ip()), port: Some(to.port()) };
        match (transport, &self.sockets.udp) {
            (Transport::Udp, Some(udp)) => {
                let link = udp_link(udp, to)?;
                outgoing::place(Arc::clone(&self.party), link, host, plan).await
            }
            _ => {
                let roots = roots.filter(|_| transport == Transport::Tls);
                let (link, served) = wire::connect(Arc::clone(&self.party.wire), to, roots).await?;
                self.connections.lock().await.spawn(served);
                outgoing::place(Arc::clone(&self.party), link, host, plan).await
            }
        }
    }
}

/// Takes what belongs to no call yet.
struct Desk {
    party: Arc<Party>,
    config: AgentConfig,
    reports: mpsc::Sender<CallReport>,
    /// Nonces by Call-ID: a retry must come with the Call-ID that was challenged.
    nonces: HashMap<String, String>,
    /// Rejections by Call-ID and From tag: a retry with the same gets the same.
    rejected: HashMap<String, u16>,
}

impl Desk {
    async fn serve(mut self, mut queue: mpsc::Receiver<Received>) {
        let mut calls = JoinSet::new();
        while let Some(Received { message, link }) = queue.recv().await {
            while calls.try_join_next().is_some() {}
            let Message::Request(request) = message else { continue };
            let mut response = match &request.method {
                Method::Ack => continue,
                Method::Options => request.response(200, Some(&word())),
                Method::Invite => match self.judge(&request) {
                    Some(response) => response,
                    None => {
                        self.take(&mut calls, link, request);
                        continue;
                    }
                },
                Method::Update | Method::Info | Method::Prack | Method::Refer | Method::Message | Method::Subscribe => {
                    request.response(405, Some(&word()))
                }
                Method::Bye
                | Method::Cancel
                | Method::Register
                | Method::Notify
                | Method::Publish
                | Method::Other(_) => request.response(481, Some(&word())),
            };
            self.party.sign(&mut response);
            self.party.wire.respond(&link, &request, response).await;
        }
    }

    fn take(&self, calls: &mut JoinSet<()>, link: Link, invite: Request) {
        let call_id = invite.headers.call_id().map(|id| id.to_string()).unwrap_or_default();
        let messages = self.party.wire.open_call(&call_id);
        let (party, reports) = (Arc::clone(&self.party), self.reports.clone());
        let plan = self.config.answer.clone();
        calls.spawn(async move {
            if let Ok(report) = incoming::take(party, link, invite, messages, plan).await {
                let _ = reports.try_send(report);
            }
        });
    }

    /// The challenge or the rejection of an INVITE; `None` when it may be answered.
    fn judge(&mut self, invite: &Request) -> Option<Response> {
        let call_id = invite.headers.call_id().ok()?.to_string();
        let from_tag = invite.headers.typed::<From>().ok().flatten().and_then(|f| f.tag());
        let seen = format!("{call_id} {}", from_tag.map(|t| t.to_string()).unwrap_or_default());
        if let Some(status) = self.rejected.get(&seen) {
            return Some(invite.response(*status, Some(&word())));
        }
        let reject = |desk: &mut Self, status: u16| {
            desk.rejected.insert(seen.clone(), status);
            Some(invite.response(status, Some(&word())))
        };
        if let Some(account) = self.config.account.clone() {
            let value = invite.headers.value(&HeaderName::ProxyAuthorization);
            let credentials = value.map(|v| Parameters::parse(&v.to_str_lossy()));
            let (Some(credentials), Some(nonce)) = (credentials, self.nonces.get(&call_id)) else {
                return Some(self.challenge(invite, call_id));
            };
            let given =
                Inputs { algorithm: Algorithm::Md5, realm: REALM, nonce, method: "INVITE", uri: "", auth: None };
            if digest::check(&account, &credentials, &given) != Verdict::Right {
                // Final, and without a challenge.
                return reject(self, 401);
            }
        }
        if invite.uri.user_name().as_deref() != Some(&self.config.number) {
            return reject(self, 404);
        }
        None
    }

    fn challenge(&mut self, invite: &Request, call_id: String) -> Response {
        let nonce = word();
        let mut response = invite.response(407, Some(&word()));
        let value = format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5");
        response.headers.push(HeaderName::ProxyAuthenticate, value);
        self.nonces.insert(call_id, nonce);
        response
    }
}

const REALM: &str = "sip.rtc.elevenlabs.io";
