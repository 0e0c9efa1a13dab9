//! Why a request of ours came to nothing: one vocabulary for calls, registrations and the endpoint.
//!
//! A transaction itself knows only that time ran out or the transport failed (RFC 3261 §17.1.4); the rest is what the
//! sender of a request meets before or instead of one.

use thiserror::Error;

/// Why a request of ours got no final response that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RequestFailure {
    /// None came in time (timer B or F, RFC 3261 §17.1).
    #[error("no response")]
    Timeout,
    /// No target could be reached, or the connection broke.
    #[error("no connection")]
    Unreachable,
    /// The far side's name has no address.
    #[error("the name has no address")]
    Unresolvable,
    /// The far side refused our credentials with this status, or asked for them and we have none.
    #[error("credentials refused")]
    Unauthorized(u16),
    /// A table is full.
    #[error("too many transactions")]
    Overload,
}
