//! The side that asks for proof (RFC 3261 §22.1, §22.4; RFC 8760 §2).
//!
//! Nonces prove themselves ([`NonceMint`]), so a flood of unauthenticated requests leaves nothing behind. Only nonces
//! that were used with the right password are kept, with their highest nonce count, to refuse replays; when the table
//! is full the oldest are shed and every nonce as old as those is stale from then on, so shedding opens no replay.

use super::Challenger;
use super::algorithm::{Algorithm, Qop};
use super::challenge::Challenge;
use super::compute::equal_in_constant_time;
use super::digest_response::DigestResponse;
use super::fields::{escape, unescape};
use super::nonce::NonceMint;
use crate::message::{ByteStr, Request, Response, Scheme, TypedHeader, Uri};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use thiserror::Error;
use voip_core::redact::Secret;
use voip_core::rng::Rng;

/// How a server asks.
#[derive(Clone, Debug)]
pub struct DigestServerConfig {
    /// The realm, shown to the user of the far side; clients choose their password by it.
    pub realm: String,
    /// Offered in this order, one header line each. Strongest first; MD5 last, because carriers know nothing else.
    pub algorithms: Vec<Algorithm>,
    /// Offer `auth-int` beside `auth`. Off: what rewrites a body on its way (NAT helpers in routers) breaks it.
    pub auth_int: bool,
    /// How long a nonce can be used: 5 minutes cover a registration's refreshes with one challenge.
    pub nonce_lifetime: Duration,
    /// Accept answers without `qop`, as clients from before RFC 2617 write them (RFC 3261 §22.4 item 8 wants them
    /// accepted). Their nonce counts for one request only, so that none can be replayed.
    pub accept_without_qop: bool,
    /// How the `uri` of the credentials is held against the Request-URI.
    pub uri_check: UriCheck,
    /// Nonces whose count is kept. 4096 take about 200 kB and last a lifetime of 5 minutes at 13 new ones a second.
    pub max_nonces: usize,
}

impl Default for DigestServerConfig {
    fn default() -> Self {
        Self {
            realm: "voip".to_owned(),
            algorithms: vec![Algorithm::SHA_256, Algorithm::MD5],
            auth_int: false,
            nonce_lifetime: Duration::from_secs(300),
            accept_without_qop: true,
            uri_check: UriCheck::User,
            max_nonces: 4096,
        }
    }
}

/// How the `uri` of the credentials is held against the Request-URI.
///
/// The digest covers the former only, and a proxy may have changed the latter, so RFC 3261 §22.4 item 6 does not ask
/// that they be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriCheck {
    /// Where both have a user part it must be the same: nobody on the way can turn a call to another number. Host,
    /// port and parameters may differ, as devices write them in their own ways.
    User,
    /// Not at all: for a server behind a proxy that rewrites numbers.
    Nothing,
}

/// What a request proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It comes from one who knows this user's password.
    Accepted {
        /// The user, escapes resolved.
        username: String,
    },
    /// The password is right and the nonce expired, spent, or of another run: challenge with `stale`.
    Stale,
    /// There are no credentials for our realm: challenge.
    Missing,
    /// The credentials are wrong: challenge again, or refuse.
    Wrong(WrongCredentials),
}

/// What is wrong with credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum WrongCredentials {
    /// No such user.
    #[error("unknown user")]
    UnknownUser,
    /// The digest does not match.
    #[error("wrong password")]
    Password,
    /// An algorithm that was not offered.
    #[error("algorithm not offered")]
    Algorithm,
    /// A quality of protection that was not offered, or none where one is demanded.
    #[error("quality of protection not offered")]
    Qop,
    /// The nonce count is missing or is no number.
    #[error("malformed nonce count")]
    NonceCount,
    /// They were made for another user part than the Request-URI has.
    #[error("made for another address")]
    Uri,
}

/// How often each verdict was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    /// Accepted.
    pub accepted: u64,
    /// Stale, replays among them.
    pub stale: u64,
    /// Stale because the nonce count was used before.
    pub replayed: u64,
    /// Missing.
    pub missing: u64,
    /// Wrong.
    pub wrong: u64,
    /// Nonces shed from the full table.
    pub shed: u64,
}

/// Challenges, and verifies the answers.
#[derive(Clone, Debug)]
pub struct DigestServer {
    config: DigestServerConfig,
    /// The realm as it stands between quotes.
    realm: ByteStr,
    mint: NonceMint,
    /// The highest nonce count accepted, by the nonce's serial.
    used: BTreeMap<u64, u32>,
    /// Nonces with a serial below this are stale.
    forgotten_below: u64,
    counts: VerdictCounts,
}

impl DigestServer {
    /// A server whose secret comes from `rng`.
    pub fn new(config: DigestServerConfig, rng: &mut Rng) -> Self {
        Self {
            realm: escape(&config.realm),
            config,
            mint: NonceMint::new(rng),
            used: BTreeMap::new(),
            forgotten_below: 0,
            counts: VerdictCounts::default(),
        }
    }

    /// Adds a challenge to a response: a header line for each algorithm. `stale` after [`Verdict::Stale`].
    pub fn challenge(&mut self, now: Instant, challenger: Challenger, stale: bool, response: &mut Response) {
        let nonce = ByteStr::from(self.mint.mint(now));
        let qop = if self.config.auth_int { vec![Qop::Auth, Qop::AuthInt] } else { vec![Qop::Auth] };
        for algorithm in &self.config.algorithms {
            let challenge = Challenge {
                realm: self.realm.clone(),
                nonce: nonce.clone(),
                opaque: None,
                stale,
                algorithm: Some(*algorithm),
                qop: Some(qop.clone()),
            };
            let value = match challenger {
                Challenger::UserAgent => super::WwwAuthenticate(challenge).to_value(),
                Challenger::Proxy => super::ProxyAuthenticate(challenge).to_value(),
            };
            response.headers.push(challenger.challenge_header(), value);
        }
    }

    /// What `request` proves to `challenger`, which decides the header looked at. `lookup` finds a user's password. ACK and CANCEL cannot be challenged (RFC 3261 §22.1): do not bring them here.
    pub fn verify<'s>(
        &mut self,
        now: Instant,
        request: &Request,
        challenger: Challenger,
        lookup: impl FnOnce(&str) -> Option<&'s Secret>,
    ) -> Verdict {
        let verdict = self.judge(now, request, challenger, lookup);
        match &verdict {
            Verdict::Accepted { .. } => self.counts.accepted += 1,
            Verdict::Stale => self.counts.stale += 1,
            Verdict::Missing => self.counts.missing += 1,
            Verdict::Wrong(_) => self.counts.wrong += 1,
        }
        verdict
    }

    /// How often each verdict was given.
    pub fn counts(&self) -> VerdictCounts {
        self.counts
    }

    fn judge<'s>(
        &mut self,
        now: Instant,
        request: &Request,
        challenger: Challenger,
        lookup: impl FnOnce(&str) -> Option<&'s Secret>,
    ) -> Verdict {
        let sent = DigestResponse::all(&request.headers, challenger).find(|sent| sent.realm == self.realm);
        let Some(sent) = sent else { return Verdict::Missing };
        if !self.config.algorithms.contains(&sent.effective_algorithm()) {
            return Verdict::Wrong(WrongCredentials::Algorithm);
        }
        let count = match sent.qop {
            Some(Qop::AuthInt) if !self.config.auth_int => return Verdict::Wrong(WrongCredentials::Qop),
            Some(_) => match sent.nonce_count() {
                Some(count) if count > 0 => count,
                _ => return Verdict::Wrong(WrongCredentials::NonceCount),
            },
            None if self.config.accept_without_qop => u32::MAX,
            None => return Verdict::Wrong(WrongCredentials::Qop),
        };
        let username = unescape(&sent.username);
        let password = lookup(&username);
        // An unknown user takes as long as a known one.
        let input_password = password.map(Secret::expose).unwrap_or_default();
        let expected = sent.input(&username, input_password, request.method.as_bytes(), &request.body).response();
        let given = sent.response.as_bytes().to_ascii_lowercase();
        let matches = equal_in_constant_time(expected.as_bytes(), &given);
        if password.is_none() {
            return Verdict::Wrong(WrongCredentials::UnknownUser);
        }
        if !matches {
            return Verdict::Wrong(WrongCredentials::Password);
        }
        if self.config.uri_check == UriCheck::User && !same_user(&sent.uri, &request.uri) {
            return Verdict::Wrong(WrongCredentials::Uri);
        }
        if self.spend(now, sent.nonce.as_bytes(), count) { Verdict::Accepted { username } } else { Verdict::Stale }
    }

    /// Whether the nonce is ours, young, and not used with this count or a higher one before; marks it used.
    fn spend(&mut self, now: Instant, nonce: &[u8], count: u32) -> bool {
        let Some(nonce) = self.mint.read(nonce) else { return false };
        if self.mint.age(nonce, now) > self.config.nonce_lifetime || nonce.serial < self.forgotten_below {
            return false;
        }
        let highest = self.used.entry(nonce.serial).or_insert(0);
        if count <= *highest {
            self.counts.replayed += 1;
            return false;
        }
        *highest = count;
        while self.used.len() > self.config.max_nonces.max(1) {
            if let Some((serial, _)) = self.used.pop_first() {
                self.forgotten_below = serial + 1;
                self.counts.shed += 1;
            }
        }
        true
    }
}

/// Whether the URI of the credentials and the Request-URI are for the same user, as far as both name one. A `tel:`
/// number and the user part of a `sip:` URI compare as text.
fn same_user(credentials: &ByteStr, request: &Uri) -> bool {
    let Some(uri) = Uri::parse(credentials) else { return false };
    let known = |uri: &Uri| matches!(uri.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel);
    if !known(&uri) || !known(request) {
        return uri == *request;
    }
    match (uri.user_name(), request.user_name()) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
