//! Keeps one binding alive at a registrar, as a client (RFC 3261 §10.2).
//!
//! A pure machine between an endpoint, which owns transactions and connections, and a clock: it emits REGISTER requests
//! by [`poll_request`](Registration::poll_request) and is told what came of them. One request is under way at a time
//! (§10.2); Call-ID and From tag stay and CSeq rises for the life of the machine (§10.2.4). The endpoint adds Via,
//! Contact and Max-Forwards. Left out: redirection (3xx counts as a failure), fetching of bindings, several bindings,
//! Path (RFC 3327), outbound (RFC 5626).

mod config;
mod granted;
mod status;

pub use crate::transaction::RequestFailure;
pub use config::RegistrationConfig;
pub use status::{RegistrationEvent, RegistrationState, RegistrationStatus};

use crate::auth::{AuthFailure, DigestClient};
use crate::message::header::{CSeq, Expires, From, MinExpires, RetryAfter, To};
use crate::message::{ByteStr, HeaderName, Host, Method, NameAddr, Request, Response, Uri, reason_phrase};
use granted::{granted, seen_as};
use status::{MAX_WORDS, RegistrationFailure};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::rng::Rng;
use voip_core::time::{TimerIndex, TimerTable};

/// A REGISTER to be sent, without Via and Contact. The Contact that is put in has no `expires` parameter: the Expires
/// header rules, 0 to remove the binding.
#[derive(Clone, Debug)]
pub struct RegisterRequest {
    /// The request.
    pub request: Request,
    /// The server it goes to, by its place in the configuration.
    pub server: usize,
}

/// One binding and the machine that keeps it.
#[derive(Debug)]
pub struct Registration {
    config: RegistrationConfig,
    rng: Rng,
    digest: Option<DigestClient>,
    call_id: String,
    from_tag: String,
    sequence: u32,
    /// The user wants to be registered.
    wanted: bool,
    state: RegistrationState,
    in_flight: Option<InFlight>,
    output: Option<RegisterRequest>,
    events: VecDeque<RegistrationEvent>,
    timers: TimerTable<Timer, 4>,
    binding: Option<Binding>,
    /// The server being tried, or bound at, by its place in the configuration.
    server: usize,
    /// For each server, what the current round of attempts knows of it.
    servers: Vec<Tried>,
    /// Seconds to ask for: what is configured, or what a registrar demanded.
    expires: u32,
    /// Rounds through all servers that failed without a binding, one after another.
    failed_rounds: u32,
    /// The connection by which calls would come is gone and not replaced.
    reviving: bool,
    /// Attempts to replace a connection since one held until its planned refresh.
    revivals: u32,
    seen_as: Option<SocketAddr>,
    last_failure: Option<RegistrationFailure>,
}

#[derive(Debug)]
struct InFlight {
    request: Request,
    removes: bool,
    /// Challenges answered and intervals raised for this attempt.
    steps: u8,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    server: usize,
    since: Instant,
    expires_at: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    failed: bool,
    /// Retry-After: not to be asked before.
    not_before: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The binding ends at the registrar.
    Expire,
    /// Registered: time to refresh, or to come back over a new connection.
    Refresh,
    /// Backoff: time for the next attempt.
    Retry,
    /// Nothing was told about the request under way, not even a failure.
    Answer,
}

impl TimerIndex for Timer {
    const ALL: &'static [Self] = &[Self::Expire, Self::Refresh, Self::Retry, Self::Answer];
    fn index(self) -> usize {
        self as usize
    }
}

/// Steps of one attempt: challenges of proxy and registrar, a stale nonce of each, a raised interval, and a spare.
const MAX_STEPS: u8 = 6;
/// Events are drained after each input.
const MAX_EVENTS: usize = 64;
/// Longer grants are refreshed as if they were this long; a longer minimum is refused.
const MAX_LIFETIME: Duration = Duration::from_secs(86_400);
/// No registrar bars us for longer than this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// A trunk is back at most this long after its registrar, unless its `retry_interval` is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(300);
/// The wait after the first lost connection is drawn from these: soon, but not all clients in the same instant.
const REVIVE_DELAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// The least wait while a binding that still stands is to be saved.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);
/// Clients told the same Retry-After spread over this.
const SPREAD: Duration = Duration::from_secs(2);
/// Longer than look-up, connecting and timer F of several targets take: whoever waits longer was forgotten.
const MAX_ANSWER: Duration = Duration::from_secs(180);
/// What a removal may take, with what was under way before it.
const MAX_REMOVAL: Duration = Duration::from_secs(40);

impl Registration {
    /// A registration that does nothing until [`register`](Self::register).
    pub fn new(config: RegistrationConfig, mut rng: Rng) -> Self {
        Self {
            digest: config.credentials.clone().map(DigestClient::new),
            call_id: rng.token(32),
            from_tag: rng.token(16),
            sequence: 0,
            wanted: false,
            state: RegistrationState::Unregistered,
            in_flight: None,
            output: None,
            events: VecDeque::new(),
            timers: TimerTable::default(),
            binding: None,
            server: 0,
            servers: vec![Tried::default(); config.servers.len()],
            expires: config.expires.max(1),
            failed_rounds: 0,
            reviving: false,
            revivals: 0,
            seen_as: None,
            last_failure: None,
            rng,
            config,
        }
    }

    /// Registers, and stays registered. From back-off, tries at once.
    pub fn register(&mut self, now: Instant) {
        self.wanted = true;
        match self.state {
            RegistrationState::Unregistered | RegistrationState::Backoff => self.begin_round(now),
            RegistrationState::Registering
            | RegistrationState::Registered
            | RegistrationState::Refreshing
            | RegistrationState::Unregistering => {}
        }
    }

    /// Removes the binding and stays unregistered. A REGISTER under way is awaited first (RFC 3261 §10.2), all of it
    /// for a bounded time. Nothing is sent when there is no binding.
    pub fn unregister(&mut self, now: Instant) {
        self.wanted = false;
        if matches!(self.state, RegistrationState::Unregistered | RegistrationState::Unregistering) {
            return;
        }
        self.timers.stop(Timer::Refresh);
        self.timers.stop(Timer::Retry);
        if self.output.take().is_some() {
            // It never left.
            self.in_flight = None;
        }
        self.timers.set(Timer::Answer, now + MAX_REMOVAL);
        if self.in_flight.is_some() {
            self.change(RegistrationState::Unregistering, None);
        } else {
            self.remove_or_end(now);
        }
    }

    /// A final response to the request that was polled last; `contact` is the Contact that it carried. Provisional and
    /// late ones are ignored.
    pub fn handle_response(&mut self, now: Instant, response: &Response, contact: &Uri) {
        let number = response.headers.typed::<CSeq>().ok().flatten().map_or(self.sequence, |cseq| cseq.number);
        if response.is_provisional() || self.in_flight.is_none() || number != self.sequence {
            return;
        }
        self.note_seen_as(response);
        match response.status {
            200..300 => self.succeeded(now, response, contact),
            401 | 407 => self.challenged(now, response),
            423 => self.too_brief(now, response),
            status => {
                let retry_after = response.headers.typed::<RetryAfter>().ok().flatten();
                let retry_after = retry_after.map(|after| Duration::from_secs(after.0.into()).min(MAX_RETRY_AFTER));
                self.failed(now, RegistrationFailure::Refused(status, phrase(response)), retry_after);
            }
        }
    }

    /// The request that was polled last gets no final response.
    pub fn handle_failure(&mut self, now: Instant, failure: RequestFailure) {
        if self.in_flight.is_some() {
            self.failed(now, RegistrationFailure::Request(failure), None);
        }
    }

    /// The connection by which calls would come is gone: a new REGISTER makes a new one, after a moment, longer each
    /// time when connections break one after another. What is under way is told by
    /// [`handle_failure`](Self::handle_failure) as well.
    pub fn handle_flow_lost(&mut self, now: Instant) {
        if self.binding.is_none() || self.reviving || self.state == RegistrationState::Unregistering {
            return;
        }
        self.reviving = true;
        let timer = match self.state {
            RegistrationState::Registered => Timer::Refresh,
            RegistrationState::Backoff => Timer::Retry,
            // The request under way makes a new connection, or fails.
            RegistrationState::Unregistered
            | RegistrationState::Registering
            | RegistrationState::Refreshing
            | RegistrationState::Unregistering => return,
        };
        let at = now + self.revive_delay();
        let planned = self.timers.get(timer);
        self.timers.set(timer, planned.map_or(at, |planned| planned.min(at)));
    }

    /// The deadline of [`poll_timeout`](Self::poll_timeout) has come. Calling it early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Expire => self.lapsed(),
                Timer::Refresh => {
                    if !self.reviving {
                        self.revivals = 0;
                    }
                    self.servers.fill(Tried::default());
                    self.change(RegistrationState::Refreshing, None);
                    self.send(now, self.expires, 0);
                }
                Timer::Retry => self.begin_round(now),
                Timer::Answer if self.state == RegistrationState::Unregistering => {
                    self.last_failure = Some(RegistrationFailure::Request(RequestFailure::Timeout));
                    self.end(now);
                }
                Timer::Answer => self.handle_failure(now, RequestFailure::Timeout),
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next request to be sent.
    pub fn poll_request(&mut self) -> Option<RegisterRequest> {
        self.output.take()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<RegistrationEvent> {
        self.events.pop_front()
    }

    /// The state.
    pub fn state(&self) -> RegistrationState {
        self.state
    }

    /// The server that holds a binding as far as we know, by its place in the configuration: also while it is
    /// refreshed, or after a refresh failed.
    pub fn bound_server(&self) -> Option<usize> {
        self.binding.map(|binding| binding.server)
    }

    /// Everything a person wants to know of it.
    pub fn status(&self, now: Instant) -> RegistrationStatus {
        let next = [Timer::Refresh, Timer::Retry].into_iter().filter_map(|timer| self.timers.get(timer)).min();
        RegistrationStatus {
            state: self.state,
            server: self.config.servers[self.server].host.clone(),
            registered_for: self.binding.map(|binding| now.saturating_duration_since(binding.since)),
            expires_in: self.binding.map(|binding| binding.expires_at.saturating_duration_since(now)),
            next_attempt_in: next.map(|at| at.saturating_duration_since(now)),
            last_failure: self.last_failure.as_ref().map(RegistrationFailure::words),
            seen_as: self.seen_as,
        }
    }

    /// Tries the servers anew, the first that may be asked first.
    fn begin_round(&mut self, now: Instant) {
        self.timers.stop(Timer::Retry);
        for server in &mut self.servers {
            server.failed = false;
            server.not_before = server.not_before.filter(|at| *at > now);
        }
        let first = (0..self.servers.len()).min_by_key(|index| self.servers[*index].not_before);
        self.attempt_at(now, first.unwrap_or_default());
    }

    fn attempt_at(&mut self, now: Instant, server: usize) {
        self.turn_to(server);
        let bound = self.binding.is_some();
        self.change(if bound { RegistrationState::Refreshing } else { RegistrationState::Registering }, None);
        self.send(now, self.expires, 0);
    }

    /// The nonces of one server are nothing to another.
    fn turn_to(&mut self, server: usize) {
        if server != self.server
            && let Some(digest) = &mut self.digest
        {
            digest.forget();
        }
        self.server = server;
    }

    /// Emits a new REGISTER.
    fn send(&mut self, now: Instant, expires: u32, steps: u8) {
        self.sequence += 1;
        let mut request = self.build(expires);
        if let Some(digest) = &mut self.digest {
            digest.prepare(&mut request, &mut self.rng);
        }
        self.emit(now, InFlight { request, removes: expires == 0, steps });
    }

    fn build(&self, expires: u32) -> Request {
        let server = &self.config.servers[self.server];
        let domain = self.config.domain.as_deref().unwrap_or_else(|| server.bare_host());
        let host = match domain.trim_matches(['[', ']']).parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) => Host::Name(ByteStr::from(domain)),
        };
        let aor = NameAddr::new(Uri::sip(Some(&self.config.user), host.clone(), None));
        let mut request = Request::new(Method::Register, Uri::sip(None, host, None));
        request.headers.push_typed(&From(aor.clone().with_param("tag", Some(&self.from_tag))));
        request.headers.push_typed(&To(aor));
        request.headers.push(HeaderName::CallId, self.call_id.as_str());
        request.headers.push_typed(&CSeq { number: self.sequence, method: Method::Register });
        request.headers.push_typed(&Expires(expires));
        request
    }

    fn emit(&mut self, now: Instant, in_flight: InFlight) {
        self.output = Some(RegisterRequest { request: in_flight.request.clone(), server: self.server });
        self.in_flight = Some(in_flight);
        if self.state != RegistrationState::Unregistering {
            self.timers.set(Timer::Answer, now + MAX_ANSWER);
        }
    }

    /// The request under way is over; whether it was a removal.
    fn settle(&mut self) -> bool {
        self.output = None;
        if self.state != RegistrationState::Unregistering {
            self.timers.stop(Timer::Answer);
        }
        self.in_flight.take().is_some_and(|in_flight| in_flight.removes)
    }

    fn succeeded(&mut self, now: Instant, response: &Response, contact: &Uri) {
        if self.settle() {
            self.last_failure = None;
            self.end(now);
            return;
        }
        let Some(seconds) = granted(response, contact, self.seen_as, self.expires) else {
            self.timers.stop(Timer::Expire);
            self.lapsed();
            self.failed(now, RegistrationFailure::NotBound, None);
            return;
        };
        let lifetime = Duration::from_secs(seconds.into()).min(MAX_LIFETIME);
        let since = self.binding.map_or(now, |binding| binding.since);
        self.binding = Some(Binding { server: self.server, since, expires_at: now + lifetime });
        self.timers.set(Timer::Expire, now + lifetime);
        self.last_failure = None;
        self.failed_rounds = 0;
        self.reviving = false;
        self.servers.fill(Tried::default());
        if !self.wanted {
            self.remove_or_end(now);
            return;
        }
        // Early enough that one failure leaves time for another attempt, and not with everybody else.
        let refresh = self.rng.duration(lifetime / 2, lifetime * 3 / 4);
        self.timers.set(Timer::Refresh, now + refresh);
        self.change(RegistrationState::Registered, None);
    }

    fn challenged(&mut self, now: Instant, response: &Response) {
        let Some(mut in_flight) = self.in_flight.take() else { return };
        let authorized = match &mut self.digest {
            _ if in_flight.steps >= MAX_STEPS => Err(AuthFailure::AlwaysStale(String::new())),
            Some(digest) => digest.authorize(&mut in_flight.request, response, &mut self.rng),
            None => Err(AuthFailure::NoCredentials(String::new())),
        };
        match authorized {
            Ok(()) => {
                self.sequence += 1;
                in_flight.steps += 1;
                in_flight.request.headers.set_typed(&CSeq { number: self.sequence, method: Method::Register });
                self.emit(now, in_flight);
            }
            Err(failure) => {
                self.in_flight = Some(in_flight);
                self.failed(now, RegistrationFailure::Credentials(response.status, failure), None);
            }
        }
    }

    /// 423: asks for what the registrar demands (RFC 3261 §10.2.8).
    fn too_brief(&mut self, now: Instant, response: &Response) {
        let minimum = response.headers.typed::<MinExpires>().ok().flatten().map_or(0, |minimum| minimum.0);
        let steps = self.in_flight.as_ref().map_or(0, |in_flight| in_flight.steps);
        let usable = minimum > self.expires && u64::from(minimum) <= MAX_LIFETIME.as_secs();
        if !usable || steps >= MAX_STEPS || self.state == RegistrationState::Unregistering {
            self.failed(now, RegistrationFailure::IntervalTooBrief, None);
            return;
        }
        self.expires = minimum;
        self.send(now, minimum, steps + 1);
    }

    /// The attempt failed: the next server, or a wait.
    fn failed(&mut self, now: Instant, failure: RegistrationFailure, retry_after: Option<Duration>) {
        let removed = self.settle();
        self.last_failure = Some(failure.clone());
        if self.state == RegistrationState::Unregistering {
            // A removal is tried once: an unreachable registrar drops the binding by itself.
            if removed {
                self.end(now);
            } else {
                self.remove_or_end(now);
            }
            return;
        }
        if failure.is_forbidden() {
            if let Some(digest) = &mut self.digest {
                digest.forget();
            }
            self.servers.fill(Tried::default());
            let interval = self.config.forbidden_retry_interval;
            let at = now + self.rng.duration(interval, interval + interval / 10);
            self.wait(at, &failure);
            return;
        }
        let tried = &mut self.servers[self.server];
        tried.failed = true;
        tried.not_before = retry_after.map(|after| now + after);
        let count = self.servers.len();
        let next = (1..count).map(|step| (self.server + step) % count).find(|index| {
            let server = &self.servers[*index];
            !server.failed && server.not_before.is_none_or(|at| at <= now)
        });
        match next {
            Some(next) => {
                let (from, to) = (&self.config.servers[self.server].host, &self.config.servers[next].host);
                tracing::info!(from, to, reason = failure.words(), "REGISTER failed, asking the next server");
                self.attempt_at(now, next);
            }
            None => self.back_off(now, &failure),
        }
    }

    /// No server is left to try. While a binding stands, what is left of it is halved; without one the wait is longer
    /// after each round, and random, so that the clients of a registrar that was down do not come back all at once.
    fn back_off(&mut self, now: Instant, failure: &RegistrationFailure) {
        let delay = match self.binding {
            Some(binding) => {
                let left = binding.expires_at.saturating_duration_since(now);
                let halved = (left / 2).max(SHORTEST_WAIT);
                if self.reviving { self.revive_delay().min(halved) } else { halved }
            }
            None => {
                let base = self.config.retry_interval;
                let longest = base.saturating_mul(1 << self.failed_rounds.min(16)).min(MAX_BACKOFF.max(base));
                self.failed_rounds = self.failed_rounds.saturating_add(1);
                self.rng.duration(longest / 2, longest)
            }
        };
        // With a Retry-After from every server the earliest of them rules (RFC 3261 §21.5.4).
        let barred: Option<Vec<Instant>> = self.servers.iter().map(|server| server.not_before).collect();
        let at = match barred.and_then(|bars| bars.into_iter().min()) {
            Some(earliest) => earliest + self.rng.duration(Duration::ZERO, SPREAD),
            None => now + delay,
        };
        self.wait(at, failure);
    }

    /// How long to wait before a lost connection is replaced.
    fn revive_delay(&mut self) -> Duration {
        let factor = 2_u32.pow(self.revivals.min(16));
        self.revivals = self.revivals.saturating_add(1);
        let (low, high) = REVIVE_DELAY;
        let longest = self.config.retry_interval.max(high);
        self.rng.duration((low * factor).min(longest / 2), (high * factor).min(longest))
    }

    fn wait(&mut self, at: Instant, failure: &RegistrationFailure) {
        self.timers.stop(Timer::Refresh);
        self.timers.set(Timer::Retry, at);
        self.change(RegistrationState::Backoff, Some(failure));
    }

    fn lapsed(&mut self) {
        if self.binding.take().is_none() {
            return;
        }
        self.reviving = false;
        self.push(RegistrationEvent::Lapsed);
        if self.state == RegistrationState::Refreshing {
            self.change(RegistrationState::Registering, None);
        }
    }

    /// Nothing is under way and nobody wants the binding: removes it, if there is one.
    fn remove_or_end(&mut self, now: Instant) {
        match self.binding {
            Some(binding) => {
                self.change(RegistrationState::Unregistering, None);
                self.turn_to(binding.server);
                self.send(now, 0, 0);
            }
            None => self.end(now),
        }
    }

    fn end(&mut self, now: Instant) {
        self.binding = None;
        self.in_flight = None;
        self.output = None;
        self.reviving = false;
        self.timers.stop_all();
        let failure = self.last_failure.clone();
        self.change(RegistrationState::Unregistered, failure.as_ref());
        if self.wanted {
            self.begin_round(now);
        }
    }

    fn note_seen_as(&mut self, response: &Response) {
        let seen = seen_as(response);
        if let Some(address) = seen
            && seen != self.seen_as
        {
            self.seen_as = seen;
            self.push(RegistrationEvent::SeenAs(address));
        }
    }

    fn change(&mut self, to: RegistrationState, failure: Option<&RegistrationFailure>) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            let reason = failure.map(RegistrationFailure::words);
            tracing::debug!(%from, %to, server = self.server, reason, "registration");
            self.push(RegistrationEvent::StateChanged { from, to, reason });
        }
    }

    fn push(&mut self, event: RegistrationEvent) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// What the registrar said, or what is usual when it said nothing.
fn phrase(response: &Response) -> String {
    let said = response.reason.to_str_lossy();
    let phrase = if said.is_empty() { reason_phrase(response.status) } else { &said };
    phrase.chars().take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests;
