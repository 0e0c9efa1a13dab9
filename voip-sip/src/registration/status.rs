//! What a registration tells: its state, what happened, and why something failed.
//!
//! Whatever the far side wrote is shortened before it is kept: words are for people and logs.

use crate::auth::AuthFailure;
use crate::transaction::RequestFailure;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// The states of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistrationState {
    /// No binding, and none wanted.
    Unregistered,
    /// A REGISTER is under way and nothing is bound; a challenge is a step of this.
    Registering,
    /// The binding stands, its refresh is planned.
    Registered,
    /// The binding stands, and its refresh is under way.
    Refreshing,
    /// A REGISTER failed; the next one waits. An earlier binding may still stand.
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

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum RegistrationFailure {
    /// No final response came.
    #[error("{0}")]
    Request(RequestFailure),
    /// A final response that is neither a success nor a step: status and reason phrase.
    #[error("{0} {1}")]
    Refused(u16, String),
    /// A challenge that cannot be answered, or an answer that was refused: status, and why.
    #[error("{0}: {1}")]
    Credentials(u16, AuthFailure),
    /// Success, with a list of bindings that lacks ours.
    #[error("accepted, but our address is not among those bound")]
    NotBound,
    /// The registrar demands an interval that is no longer than what was asked for, or absurdly long.
    #[error("interval too brief, without a usable minimum")]
    IntervalTooBrief,
}

impl RegistrationFailure {
    /// Whether asking again soon would only do harm: someone has to change a password or an account first.
    pub(super) fn is_forbidden(&self) -> bool {
        match self {
            Self::Refused(status, _) => *status == 403,
            Self::Credentials(_, failure) => !matches!(failure, AuthFailure::AlwaysStale(_)),
            Self::Request(_) | Self::NotBound | Self::IntervalTooBrief => false,
        }
    }

    /// In words, of bounded length and without control characters.
    pub(super) fn words(&self) -> String {
        self.to_string().chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
    }
}

/// Characters kept of a failure.
pub(super) const MAX_WORDS: usize = 120;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationEvent {
    /// The state changed.
    StateChanged {
        /// State before.
        from: RegistrationState,
        /// State now.
        to: RegistrationState,
        /// Why in words, when it is for a failure.
        reason: Option<String>,
    },
    /// The registrar saw the last request come from another address than before: the outside of a NAT, or our own
    /// (RFC 3581 §4).
    SeenAs(SocketAddr),
    /// The binding ended before a refresh succeeded: no calls come until the next success.
    Lapsed,
}

/// What is known of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationStatus {
    /// State.
    pub state: RegistrationState,
    /// Host of the server bound at, or tried last.
    pub server: String,
    /// How long there has been a binding without a gap.
    pub registered_for: Option<Duration>,
    /// What is left of the binding.
    pub expires_in: Option<Duration>,
    /// Until the next refresh or attempt.
    pub next_attempt_in: Option<Duration>,
    /// The last failure in words, until a success.
    pub last_failure: Option<String>,
    /// The address that the registrar saw, when it told.
    pub seen_as: Option<SocketAddr>,
}
