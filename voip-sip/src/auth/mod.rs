//! Digest authentication for both sides (RFC 3261 §22, RFC 7616, RFC 8760).
//!
//! [`DigestClient`] answers 401 and 407 and decides when an answer is final; [`DigestServer`] challenges and verifies
//! without keeping anything for a peer that has not proved itself. Below them are the header values [`Challenge`] and
//! [`DigestResponse`] and the computation. Whoever drives a request owns its CSeq and branch: nothing here touches them.
//! Left out: Basic (RFC 3261 §22 forbids it), `userhash` and `username*` (RFC 7616 §3.4.4), Authentication-Info.

mod algorithm;
mod challenge;
mod client;
mod compute;
mod digest_response;
mod fields;
mod nonce;
mod server;

pub use algorithm::{Algorithm, HashFunction, Qop};
pub use challenge::{Challenge, ProxyAuthenticate, WwwAuthenticate};
pub use client::{AuthFailure, Credentials, DigestClient};
pub use digest_response::{Authorization, DigestResponse, ProxyAuthorization};
pub use server::{DigestServer, DigestServerConfig, UriCheck, Verdict, VerdictCounts, WrongCredentials};

use crate::message::HeaderName;

/// Who asks for credentials, which decides status and header names (RFC 3261 §22.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Challenger {
    /// A user agent server or registrar: 401, WWW-Authenticate, Authorization.
    UserAgent,
    /// A proxy: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Challenger {
    /// Both.
    pub const ALL: [Self; 2] = [Self::UserAgent, Self::Proxy];

    /// The one that answers with `status`.
    pub const fn from_status(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::UserAgent),
            407 => Some(Self::Proxy),
            _ => None,
        }
    }

    /// The status of its challenge.
    pub const fn status(self) -> u16 {
        match self {
            Self::UserAgent => 401,
            Self::Proxy => 407,
        }
    }

    /// The header that carries its challenge.
    pub const fn challenge_header(self) -> HeaderName {
        match self {
            Self::UserAgent => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// The header that carries the answer to it.
    pub const fn credentials_header(self) -> HeaderName {
        match self {
            Self::UserAgent => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}
