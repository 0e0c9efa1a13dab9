//! Keeps one binding alive at a registrar, as a client (RFC 3261 §10).
//!
//! A [`Registration`] says which REGISTER to send to which of its servers, is told what came of it, and waits: until it
//! is time to refresh, or until a failure may be tried again. It owns credentials, Call-ID and CSeq; the endpoint gives
//! its requests Via and Contact and runs their transactions. Several bindings, Path and Outbound are not here yet.

mod config;

pub use config::{RegistrationConfig, RegistrationState, RegistrationStatus};

use crate::auth::{AuthFailure, DigestClient};
use crate::message::header::{CSeq, Contact, Expires, From, MinExpires, RetryAfter, To};
use crate::message::{ByteStr, HeaderName, Host, Method, NameAddr, Request, Response, Uri, reason_phrase};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use voip_core::rng::Rng;

/// See the module.
#[derive(Debug)]
pub struct Registration {
    config: RegistrationConfig,
    state: RegistrationState,
    digest: Option<DigestClient>,
    call_id: String,
    from_tag: String,
    sequence: u32,
    /// The server in use, by its place in the configuration.
    server: usize,
    /// What is asked for, seconds: raised by 423.
    expires: u32,
    /// The REGISTER that is under way.
    pending: Option<Request>,
    /// Times the pending request was sent again with credentials or a longer interval.
    repeats: u8,
    /// When to refresh, or to try again.
    next: Option<Instant>,
    expires_at: Option<Instant>,
    since: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    last_failure: Option<String>,
    /// A removal was asked for while a REGISTER was under way.
    removal_waits: bool,
    rng: Rng,
    requests: VecDeque<RegisterRequest>,
    events: VecDeque<RegistrationEvent>,
}

/// A REGISTER to be sent, without Via and Contact.
#[derive(Clone, Debug)]
pub struct RegisterRequest {
    /// The request.
    pub request: Request,
    /// The server it goes to, by its place in the configuration.
    pub server: usize,
}

/// A change that its user may want to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationEvent {
    /// State before.
    pub from: RegistrationState,
    /// State now.
    pub to: RegistrationState,
}

/// Why a REGISTER got no final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// None came in time.
    Timeout,
    /// The server could not be reached.
    TransportError,
    /// The server's name has no address.
    Unresolvable,
}

/// Challenges and intervals obeyed for one REGISTER.
const MAX_REPEATS: u8 = 4;
/// No failure delays the next attempt longer than this, whatever its number; a registrar that says so may.
const MAX_BACKOFF: Duration = Duration::from_secs(1800);
/// After a connection broke: soon, but not all gateways of a carrier in the same instant.
const FLOW_LOST_DELAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

impl Registration {
    /// A registration that has not begun.
    pub fn new(config: RegistrationConfig, mut rng: Rng) -> Self {
        Self {
            state: RegistrationState::Unregistered,
            digest: config.credentials.clone().map(DigestClient::new),
            call_id: rng.token(32),
            from_tag: rng.token(16),
            sequence: 0,
            server: 0,
            expires: config.expires,
            pending: None,
            repeats: 0,
            next: None,
            expires_at: None,
            since: None,
            failures: 0,
            last_failure: None,
            removal_waits: false,
            rng,
            requests: VecDeque::new(),
            events: VecDeque::new(),
            config,
        }
    }

    /// Registers, and stays registered.
    pub fn register(&mut self, now: Instant) {
        if self.pending.is_none() && self.state != RegistrationState::Registered {
            self.send(now, RegistrationState::Registering);
        }
    }

    /// Removes the binding. Nothing is sent when there is none.
    pub fn unregister(&mut self, now: Instant) {
        self.next = None;
        if self.pending.is_some() {
            self.removal_waits = true;
        } else if self.expires_at.is_some_and(|at| at > now) {
            self.send(now, RegistrationState::Unregistering);
        } else {
            self.change(RegistrationState::Unregistered);
        }
    }

    /// The state.
    pub fn state(&self) -> RegistrationState {
        self.state
    }

    /// The server in use, by its place in the configuration.
    pub fn server(&self) -> usize {
        self.server
    }

    /// Everything a person wants to know of it.
    pub fn status(&self, now: Instant) -> RegistrationStatus {
        RegistrationStatus {
            state: self.state,
            server: self.config.servers[self.server].host.clone(),
            registered_for: self.since.map(|since| now.saturating_duration_since(since)),
            expires_in: self.expires_at.map(|at| at.saturating_duration_since(now)),
            next_attempt_in: self.next.map(|at| at.saturating_duration_since(now)),
            last_failure: self.last_failure.clone(),
        }
    }

    /// The next REGISTER to be sent.
    pub fn poll_request(&mut self) -> Option<RegisterRequest> {
        self.requests.pop_front()
    }

    /// The next change of state.
    pub fn poll_event(&mut self) -> Option<RegistrationEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The instant has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.pending.is_some() || self.next.is_none_or(|at| at > now) {
            return;
        }
        let bound = self.expires_at.is_some_and(|at| at > now) && self.since.is_some();
        self.send(now, if bound { RegistrationState::Refreshing } else { RegistrationState::Registering });
    }

    /// A final response came. `contact` is the Contact that was registered.
    pub fn handle_response(&mut self, now: Instant, response: &Response, contact: &Uri) {
        if response.is_provisional() || self.pending.is_none() {
            return;
        }
        match response.status {
            200..300 => self.handle_success(now, response, contact),
            401 | 407 => self.handle_challenge(now, response),
            423 => self.handle_too_brief(now, response),
            403 => self.refused(now, response),
            _ => {
                let delay = response.headers.typed::<RetryAfter>().ok().flatten();
                let delay = delay.map(|after| Duration::from_secs(after.0.into()));
                self.fail(now, describe(response), delay);
            }
        }
    }

    /// No final response came.
    pub fn handle_failure(&mut self, now: Instant, failure: RequestFailure) {
        if self.pending.is_none() {
            return;
        }
        let words = match failure {
            RequestFailure::Timeout => "no response",
            RequestFailure::TransportError => "no connection",
            RequestFailure::Unresolvable => "the name has no address",
        };
        self.fail(now, words.into(), None);
    }

    /// The connection by which calls would come is gone: a new REGISTER makes a new one.
    pub fn handle_flow_lost(&mut self, now: Instant) {
        if self.state == RegistrationState::Registered {
            let (low, high) = FLOW_LOST_DELAY;
            let soon = now + self.rng.duration(low, high);
            self.next = Some(self.next.map_or(soon, |at| at.min(soon)));
        }
    }

    fn handle_success(&mut self, now: Instant, response: &Response, contact: &Uri) {
        self.pending = None;
        if self.state == RegistrationState::Unregistering {
            self.expires_at = None;
            self.since = None;
            self.change(RegistrationState::Unregistered);
            return;
        }
        let Some(granted) = self.granted(response, contact).filter(|seconds| *seconds > 0) else {
            self.fail(now, "the registrar did not keep our binding".into(), None);
            return;
        };
        let granted = Duration::from_secs(granted.into());
        self.failures = 0;
        self.last_failure = None;
        self.expires_at = Some(now + granted);
        self.since.get_or_insert(now);
        // Early enough that one failure leaves time for another attempt, and not with everybody else.
        self.next = Some(now + self.rng.duration(granted / 2, granted * 3 / 4));
        self.change(RegistrationState::Registered);
        if std::mem::take(&mut self.removal_waits) {
            self.unregister(now);
        }
    }

    /// The seconds that the registrar granted our Contact (RFC 3261 §10.2.4); `None` when it did not keep it.
    fn granted(&self, response: &Response, contact: &Uri) -> Option<u32> {
        let general = || response.headers.typed::<Expires>().ok().flatten().map_or(self.expires, |expires| expires.0);
        let bindings: Vec<NameAddr> =
            response.headers.list::<Contact>().flatten().filter_map(Contact::address).collect();
        if bindings.is_empty() {
            // Some registrars list nothing.
            return Some(general());
        }
        // A registrar that sees through NAT may write another address, the user part stays.
        let ours = bindings.iter().find(|binding| binding.uri.equivalent(contact)).or_else(|| {
            let same_user = |binding: &&NameAddr| binding.uri.user.is_some() && binding.uri.user == contact.user;
            bindings.iter().find(same_user)
        })?;
        Some(ours.params.value("expires").and_then(|seconds| seconds.to_number()).unwrap_or_else(general))
    }

    fn handle_challenge(&mut self, now: Instant, response: &Response) {
        let (Some(digest), Some(request)) = (&mut self.digest, &mut self.pending) else {
            self.refused(now, response);
            return;
        };
        let authorized = if self.repeats < MAX_REPEATS {
            digest.authorize(request, response, &mut self.rng)
        } else {
            Err(AuthFailure::NoChallenge(response.status))
        };
        match authorized {
            Ok(()) => self.send_again(),
            Err(_) => self.refused(now, response),
        }
    }

    fn handle_too_brief(&mut self, now: Instant, response: &Response) {
        let least = response.headers.typed::<MinExpires>().ok().flatten().map(|min| min.0);
        match least.filter(|least| *least > self.expires && self.repeats < MAX_REPEATS) {
            Some(least) => {
                self.expires = least;
                if let Some(request) = &mut self.pending {
                    request.headers.set_typed(&Expires(least));
                }
                self.send_again();
            }
            None => self.fail(now, describe(response), None),
        }
    }

    /// The same REGISTER again, with what was asked for.
    fn send_again(&mut self) {
        self.repeats += 1;
        self.sequence += 1;
        let Some(request) = &mut self.pending else { return };
        request.headers.set_typed(&CSeq { number: self.sequence, method: Method::Register });
        self.requests.push_back(RegisterRequest { request: request.clone(), server: self.server });
    }

    /// The registrar does not want us as we are: asking often would look like guessing passwords.
    fn refused(&mut self, now: Instant, response: &Response) {
        let delay = self.config.forbidden_retry_interval;
        self.fail(now, describe(response), Some(delay));
    }

    fn fail(&mut self, now: Instant, words: String, delay: Option<Duration>) {
        self.pending = None;
        self.last_failure = Some(words);
        if self.state == RegistrationState::Unregistering || std::mem::take(&mut self.removal_waits) {
            self.expires_at = None;
            self.since = None;
            self.change(RegistrationState::Unregistered);
            return;
        }
        // The other servers come first, at once; then one waits before the round begins anew.
        let last = self.server + 1 == self.config.servers.len();
        self.server = (self.server + 1) % self.config.servers.len();
        if let Some(digest) = &mut self.digest {
            digest.forget();
        }
        let delay = match delay {
            Some(delay) => delay,
            None if !last => Duration::ZERO,
            None => {
                let doubled = self.config.retry_interval * 2_u32.saturating_pow(self.failures.min(16));
                self.failures += 1;
                let capped = doubled.min(MAX_BACKOFF.max(self.config.retry_interval));
                self.rng.duration(capped, capped.mul_f64(1.2))
            }
        };
        self.since = None;
        self.next = Some(now + delay);
        self.change(RegistrationState::Backoff);
    }

    fn send(&mut self, _now: Instant, state: RegistrationState) {
        self.next = None;
        self.repeats = 0;
        self.sequence += 1;
        let expires = if state == RegistrationState::Unregistering { 0 } else { self.expires };
        let mut request = self.build(expires);
        if let Some(digest) = &mut self.digest {
            digest.prepare(&mut request, &mut self.rng);
        }
        self.pending = Some(request.clone());
        self.requests.push_back(RegisterRequest { request, server: self.server });
        self.change(state);
    }

    fn build(&self, expires: u32) -> Request {
        let domain = self.config.domain.as_deref().unwrap_or(&self.config.servers[self.server].host);
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

    fn change(&mut self, to: RegistrationState) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.events.push_back(RegistrationEvent { from, to });
        }
    }
}

fn describe(response: &Response) -> String {
    let usual = reason_phrase(response.status);
    let phrase = response.reason.to_str_lossy();
    let phrase = if phrase.is_empty() { usual.into() } else { phrase };
    format!("{} {phrase}", response.status)
}

#[cfg(test)]
mod tests;
