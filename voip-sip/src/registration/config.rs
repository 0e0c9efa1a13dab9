//! What a registration is told once, and what it tells of itself.

use crate::auth::Credentials;
use crate::endpoint::ServerAddress;
use std::fmt;
use std::time::Duration;

/// A registration to be kept.
#[derive(Clone, Debug)]
pub struct RegistrationConfig {
    /// Registrars, tried in order. Never empty.
    pub servers: Vec<ServerAddress>,
    /// User part of the address of record.
    pub user: String,
    /// Host of the address of record and Request-URI; the server's when `None`.
    pub domain: Option<String>,
    /// What challenges are answered with.
    pub credentials: Option<Credentials>,
    /// The interval asked for, seconds.
    pub expires: u32,
    /// The least wait after every server has failed once.
    pub retry_interval: Duration,
    /// The wait after a 403 or refused credentials.
    pub forbidden_retry_interval: Duration,
}

/// The states of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistrationState {
    /// No binding, and none wanted.
    Unregistered,
    /// The first REGISTER is under way.
    Registering,
    /// The binding stands.
    Registered,
    /// The binding stands, and its refresh is under way.
    Refreshing,
    /// A REGISTER failed; the next one waits.
    Backoff,
    /// The removal is under way.
    Unregistering,
}

impl RegistrationState {
    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::Refreshing => "refreshing",
            Self::Backoff => "waiting",
            Self::Unregistering => "unregistering",
        }
    }
}

impl fmt::Display for RegistrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is known of a registration.
#[derive(Clone, Debug)]
pub struct RegistrationStatus {
    /// State.
    pub state: RegistrationState,
    /// Host of the server in use.
    pub server: String,
    /// How long it has been registered without a gap.
    pub registered_for: Option<Duration>,
    /// When the binding ends if it is not refreshed.
    pub expires_in: Option<Duration>,
    /// When the next REGISTER is sent.
    pub next_attempt_in: Option<Duration>,
    /// The last failure in words, until a success.
    pub last_failure: Option<String>,
}
