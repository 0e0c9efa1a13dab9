//! The side that proves who it is (RFC 3261 §22.1 to §22.3).
//!
//! Per realm the client remembers the last challenge it answered, so that a later request can carry credentials at
//! once with the next nonce count. What makes a rejection final is read from the rejected request itself: credentials
//! that were a fresh answer (nonce count 1, or no count at all) and were not called stale were wrong.

use super::Challenger;
use super::algorithm::Qop;
use super::challenge::Challenge;
use super::digest_response::DigestResponse;
use super::fields::{escape, unescape};
use crate::message::{ByteStr, Request, Response};
use std::collections::VecDeque;
use thiserror::Error;
use voip_core::redact::Secret;
use voip_core::rng::Rng;

/// A user name and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name given in the credentials, often but not always the user part of the address.
    pub username: String,
    /// Password.
    pub password: Secret,
    /// The realm they are for; `None`: whichever asks.
    pub realm: Option<String>,
}

impl Credentials {
    /// Credentials for whichever realm asks.
    pub fn new(username: impl Into<String>, password: Secret) -> Self {
        Self { username: username.into(), password, realm: None }
    }
}

/// Why a challenge is not answered. All are final for the request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The response is neither 401 nor 407.
    #[error("not a challenge: status {0}")]
    NotAChallenge(u16),
    /// 401 or 407 without a challenge: the far side rejects and offers no second try.
    #[error("rejected with {0} and no challenge")]
    NoChallenge(u16),
    /// No challenge that can be answered: another scheme, an unknown algorithm or quality of protection.
    #[error("no supported challenge in the {0}")]
    Unsupported(u16),
    /// There are no credentials for the realm.
    #[error("no credentials for realm \"{0}\"")]
    NoCredentials(String),
    /// The credentials were right in form and refused.
    #[error("user name or password refused by realm \"{0}\"")]
    Refused(String),
    /// One fresh nonce after another was called stale.
    #[error("realm \"{0}\" calls every nonce stale")]
    AlwaysStale(String),
}

/// Answers challenges for a set of credentials.
#[derive(Clone, Debug)]
pub struct DigestClient {
    credentials: Vec<Credentials>,
    sessions: Vec<Session>,
    stale: VecDeque<StaleAnswer>,
}

/// A challenge that was answered and may be again.
#[derive(Clone, Debug)]
struct Session {
    challenger: Challenger,
    challenge: Challenge,
    /// Of the session forms only, whose secret is made with the first one (RFC 7616 §3.4.2); else each request has
    /// its own.
    cnonce: Option<String>,
    /// The nonce count of the next request; `None` once all 2^32-1 are used.
    next_count: Option<u32>,
}

/// A request that was answered anew because its nonce was stale, though that nonce was fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StaleAnswer {
    call_id: ByteStr,
    realm: ByteStr,
}

impl DigestClient {
    /// A client with these credentials.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials: vec![credentials], sessions: Vec::new(), stale: VecDeque::new() }
    }

    /// The same with more credentials: for a realm the first that name it count, else the first that name none.
    #[must_use]
    pub fn with(mut self, credentials: Credentials) -> Self {
        self.credentials.push(credentials);
        self
    }

    /// Makes `request`, which `response` rejected with 401 or 407, ready to be sent again: the credentials in it are
    /// renewed and those that `response` asks for added. The caller raises CSeq and makes a new branch, and keeps
    /// Call-ID, From and To (RFC 3261 §22.2).
    ///
    /// Of several challenges of one realm the strongest hash function is answered, whatever the order
    /// (RFC 8760 §2.4 leaves that to local policy), and `auth` preferred to `auth-int`.
    pub fn authorize(&mut self, request: &mut Request, response: &Response, rng: &mut Rng) -> Result<(), AuthFailure> {
        let status = response.status;
        let challenger = Challenger::from_status(status).ok_or(AuthFailure::NotAChallenge(status))?;
        if response.headers.value(&challenger.challenge_header()).is_none() {
            return Err(AuthFailure::NoChallenge(status));
        }
        let challenges = strongest_of_each_realm(Challenge::all(&response.headers, challenger));
        if challenges.is_empty() {
            return Err(AuthFailure::Unsupported(status));
        }
        for challenge in &challenges {
            self.check_rejection(request, challenger, challenge)?;
        }
        let mut unknown_realm = None;
        let mut answered = false;
        for challenge in challenges {
            if self.credentials_for(&challenge.realm).is_none() {
                unknown_realm = Some(challenge.realm_text());
                continue;
            }
            answered = true;
            self.remember(challenger, challenge);
        }
        if !answered {
            return Err(AuthFailure::NoCredentials(unknown_realm.unwrap_or_default()));
        }
        self.write(request, response.status, &response_realms(response, challenger), rng);
        Ok(())
    }

    /// Puts credentials into a new request where a realm's last nonce may be used again, which its `qop` allows: a
    /// challenge without one is answered once only, for it has no nonce count, and some servers (LiveKit) refuse an
    /// answer that they did not ask for. Credentials already in the request are replaced.
    pub fn prepare(&mut self, request: &mut Request, rng: &mut Rng) {
        for challenger in Challenger::ALL {
            request.headers.remove(&challenger.credentials_header());
        }
        for index in 0..self.sessions.len() {
            if self.sessions[index].challenge.qop.is_some() {
                self.write_session(index, request, rng);
            }
        }
    }

    /// Forgets every nonce, as after a restart of the far side or a change of server.
    pub fn forget(&mut self) {
        self.sessions.clear();
        self.stale.clear();
    }

    /// Whether the rejection of `request` by `challenge` is final.
    fn check_rejection(
        &mut self,
        request: &Request,
        challenger: Challenger,
        challenge: &Challenge,
    ) -> Result<(), AuthFailure> {
        let call_id = request.headers.call_id().cloned().unwrap_or_default();
        let mark = StaleAnswer { call_id, realm: challenge.realm.clone() };
        let sent = DigestResponse::all(&request.headers, challenger).find(|sent| sent.realm == challenge.realm);
        let Some(sent) = sent else {
            self.stale.retain(|answer| *answer != mark);
            return Ok(());
        };
        let fresh = sent.nonce_count().is_none_or(|count| count <= 1);
        if challenge.stale {
            if fresh && self.stale.contains(&mark) {
                self.stale.retain(|answer| *answer != mark);
                return Err(AuthFailure::AlwaysStale(challenge.realm_text()));
            }
            self.stale.retain(|answer| *answer != mark);
            if fresh {
                // Shedding the oldest costs that request one more try at the most.
                if self.stale.len() == Self::MAX_STALE {
                    self.stale.pop_front();
                }
                self.stale.push_back(mark);
            }
            return Ok(());
        }
        // A count above 1 was sent unasked or shared a nonce: a new nonce then asks again, and does not judge.
        if fresh || sent.nonce == challenge.nonce {
            self.stale.retain(|answer| *answer != mark);
            self.sessions.retain(|s| s.challenger != challenger || s.challenge.realm != challenge.realm);
            return Err(AuthFailure::Refused(challenge.realm_text()));
        }
        Ok(())
    }

    fn credentials_for(&self, realm: &ByteStr) -> Option<&Credentials> {
        let text = unescape(realm);
        let named = self.credentials.iter().find(|c| c.realm.as_deref() == Some(text.as_str()));
        named.or_else(|| self.credentials.iter().find(|c| c.realm.is_none()))
    }

    /// Takes a challenge in place of the realm's last one; the nonce count goes on while the nonce is the same.
    fn remember(&mut self, challenger: Challenger, challenge: Challenge) {
        let same_realm = |s: &Session| s.challenger == challenger && s.challenge.realm == challenge.realm;
        match self.sessions.iter_mut().find(|s| same_realm(s)) {
            Some(session) => {
                let same_nonce = session.challenge.nonce == challenge.nonce
                    && session.challenge.effective_algorithm() == challenge.effective_algorithm();
                if !same_nonce {
                    session.cnonce = None;
                    session.next_count = Some(1);
                }
                session.challenge = challenge;
            }
            None => {
                if self.sessions.len() == Self::MAX_REALMS {
                    self.sessions.remove(0);
                }
                self.sessions.push(Session { challenger, challenge, cnonce: None, next_count: Some(1) });
            }
        }
    }

    /// Renews the credentials that the request has, and adds those of the realms that now ask: a nonce count is never
    /// sent twice.
    fn write(&mut self, request: &mut Request, status: u16, asking: &[ByteStr], rng: &mut Rng) {
        let mut present: Vec<(Challenger, ByteStr)> = Vec::new();
        for challenger in Challenger::ALL {
            present.extend(DigestResponse::all(&request.headers, challenger).map(|sent| (challenger, sent.realm)));
            request.headers.remove(&challenger.credentials_header());
        }
        if let Some(challenger) = Challenger::from_status(status) {
            present.extend(asking.iter().map(|realm| (challenger, realm.clone())));
        }
        for index in 0..self.sessions.len() {
            let session = &self.sessions[index];
            if present.iter().any(|(c, realm)| *c == session.challenger && *realm == session.challenge.realm) {
                self.write_session(index, request, rng);
            }
        }
    }

    fn write_session(&mut self, index: usize, request: &mut Request, rng: &mut Rng) {
        let Some(credentials) = self.credentials_for(&self.sessions[index].challenge.realm).cloned() else { return };
        let session = &mut self.sessions[index];
        let Some(count) = session.next_count else { return };
        session.next_count = count.checked_add(1);
        let challenge = &session.challenge;
        let qop =
            challenge.qop.as_ref().map(|offered| if offered.contains(&Qop::Auth) { Qop::Auth } else { Qop::AuthInt });
        let cnonce = session.cnonce.take().unwrap_or_else(|| rng.token(Self::CNONCE_LENGTH));
        if challenge.effective_algorithm().session {
            session.cnonce = Some(cnonce.clone());
        }
        let mut uri = Vec::with_capacity(64);
        request.uri.write(&mut uri);
        let mut answer = DigestResponse {
            username: escape(&credentials.username),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: uri.into(),
            response: ByteStr::default(),
            algorithm: challenge.algorithm,
            cnonce: qop.map(|_| ByteStr::from(cnonce)),
            opaque: challenge.opaque.clone(),
            qop,
            nc: qop.map(|_| ByteStr::from(format!("{count:08x}"))),
        };
        let input = answer.input(
            &credentials.username,
            credentials.password.expose(),
            request.method.as_bytes(),
            &request.body,
        );
        answer.response = input.response().into();
        let mut value = Vec::with_capacity(256);
        answer.write_fields(&mut value);
        request.headers.push(session.challenger.credentials_header(), value);
    }

    /// Realms remembered; beyond it the oldest is forgotten, which costs one challenge.
    const MAX_REALMS: usize = 8;
    /// Calls remembered that were answered anew for a stale nonce.
    const MAX_STALE: usize = 64;
    /// 82 bits of entropy.
    const CNONCE_LENGTH: usize = 16;
}

/// The realms that challenge in a response.
fn response_realms(response: &Response, challenger: Challenger) -> Vec<ByteStr> {
    Challenge::all(&response.headers, challenger).into_iter().map(|challenge| challenge.realm).collect()
}

/// For each realm the challenge with the strongest hash function; of equals the first.
fn strongest_of_each_realm(challenges: Vec<Challenge>) -> Vec<Challenge> {
    let mut strongest: Vec<Challenge> = Vec::with_capacity(challenges.len());
    for challenge in challenges {
        match strongest.iter_mut().find(|known| known.realm == challenge.realm) {
            Some(known) if challenge.effective_algorithm().hash > known.effective_algorithm().hash => {
                *known = challenge;
            }
            Some(_) => {}
            None => strongest.push(challenge),
        }
    }
    strongest
}

#[cfg(test)]
mod tests;
