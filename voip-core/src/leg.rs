//! What happens to a leg and what it is told: the same words for a carrier trunk, a phone and an AI agent.
//!
//! [`HangupCause`] is the one answer to "why did this call end". Its SIP status follows RFC 3261 §21, its Q.850 cause
//! RFC 3398 §7.2.4.1 and §8.2.6.1.

use std::fmt;

/// Names a leg for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

/// One of the two legs of a bridged call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The leg that called us.
    Caller,
    /// The leg that we call.
    Callee,
}

impl Side {
    /// Both, the caller first.
    pub const BOTH: [Self; 2] = [Self::Caller, Self::Callee];

    /// The other leg.
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    /// 0 for the caller, 1 for the callee.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        })
    }
}

/// What a leg reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// The far side is being alerted (180) or the call makes progress; `early_media`: it already sends audio (183 with
    /// a session description).
    Progress {
        /// Provisional status, 180 to 199.
        status: u16,
        /// A session description came with it.
        early_media: bool,
    },
    /// The far side answered.
    Answered,
    /// The far side pressed a key: `0`-`9`, `*`, `#`, `A`-`D`, with its duration in ms.
    Dtmf {
        /// The key.
        digit: char,
        /// How long it was held, ms.
        duration_ms: u32,
    },
    /// The leg is over.
    Ended(LegEnd),
}

/// What a leg is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegCommand {
    /// Report progress to the far side, with early media if there is a session description to give.
    Progress {
        /// Provisional status, 180 to 199.
        status: u16,
        /// Offer or answer media with it.
        early_media: bool,
    },
    /// Answer the call.
    Answer,
    /// End the leg, in whatever way its state asks for: reject, CANCEL or BYE.
    HangUp(LegEnd),
}

/// How a leg ended, or is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegEnd {
    /// Why.
    pub cause: HangupCause,
    /// The SIP status that said so, where there was one: passed to the other leg when it is as good there.
    pub status: Option<u16>,
}

impl LegEnd {
    /// With the cause's own status.
    pub const fn new(cause: HangupCause) -> Self {
        Self { cause, status: None }
    }

    /// The final status with which to reject a call that ends so.
    pub fn rejection(&self) -> u16 {
        self.status.filter(|status| (300..700).contains(status)).unwrap_or_else(|| self.cause.status())
    }
}

/// Why a leg ended. A person can read it ([`Display`](fmt::Display)), a machine can count it
/// ([`name`](Self::name)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HangupCause {
    /// Somebody hung up an answered call.
    Normal,
    /// The caller gave up before the answer.
    Cancelled,
    /// The far side is busy.
    Busy,
    /// The far side declined.
    Declined,
    /// The far side did not answer in time.
    NoAnswer,
    /// The dialled number or user does not exist.
    NotFound,
    /// No route leads to the dialled number.
    NoRoute,
    /// The far side could not be reached: no address, no connection, no response.
    Unreachable,
    /// The far side is reachable and says that it cannot serve now.
    Unavailable,
    /// The two sides have no codec in common, or the session description cannot be met.
    NoCodec,
    /// The far side refused our credentials.
    AuthenticationFailed,
    /// The far side refuses us.
    Forbidden,
    /// A limit of this gateway is reached: calls, calls of the trunk, ports.
    Limit,
    /// No RTP came for longer than the limit.
    MediaTimeout,
    /// The session timer ran out without a refresh (RFC 4028 §10).
    SessionExpired,
    /// The far side stopped answering within the dialog.
    DialogLost,
    /// The connection to the far side broke and could not be replaced.
    TransportFailed,
    /// The far side broke the protocol.
    ProtocolError,
    /// The call lasted as long as it may.
    MaximumDuration,
    /// This gateway is shutting down.
    Shutdown,
    /// Another branch of a forked call was answered.
    AnsweredElsewhere,
    /// The far side wants the call moved elsewhere, and redirection is not followed.
    Redirected,
    /// Something failed in this gateway.
    Internal,
}

impl HangupCause {
    /// A stable word for records and counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Cancelled => "cancelled",
            Self::Busy => "busy",
            Self::Declined => "declined",
            Self::NoAnswer => "no-answer",
            Self::NotFound => "not-found",
            Self::NoRoute => "no-route",
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::NoCodec => "no-codec",
            Self::AuthenticationFailed => "authentication-failed",
            Self::Forbidden => "forbidden",
            Self::Limit => "limit",
            Self::MediaTimeout => "media-timeout",
            Self::SessionExpired => "session-expired",
            Self::DialogLost => "dialog-lost",
            Self::TransportFailed => "transport-failed",
            Self::ProtocolError => "protocol-error",
            Self::MaximumDuration => "maximum-duration",
            Self::Shutdown => "shutdown",
            Self::AnsweredElsewhere => "answered-elsewhere",
            Self::Redirected => "redirected",
            Self::Internal => "internal",
        }
    }

    /// The final status that tells a caller this cause (RFC 3261 §21).
    pub const fn status(self) -> u16 {
        match self {
            Self::Normal | Self::NoAnswer | Self::MediaTimeout | Self::SessionExpired | Self::MaximumDuration => 480,
            Self::Cancelled | Self::AnsweredElsewhere => 487,
            Self::Busy => 486,
            Self::Declined => 603,
            Self::NotFound | Self::NoRoute => 404,
            Self::Unavailable | Self::Limit | Self::Shutdown => 503,
            Self::Unreachable | Self::DialogLost | Self::TransportFailed => 504,
            Self::NoCodec => 488,
            Self::AuthenticationFailed | Self::Redirected | Self::ProtocolError => 502,
            Self::Forbidden => 403,
            Self::Internal => 500,
        }
    }

    /// The Q.850 cause for the `Reason` header (RFC 3326 §2).
    pub const fn q850(self) -> u8 {
        match self {
            Self::Normal | Self::Cancelled | Self::MaximumDuration => 16,
            Self::Busy => 17,
            Self::Declined | Self::Forbidden => 21,
            Self::NoAnswer => 19,
            Self::NotFound => 1,
            Self::NoRoute => 3,
            Self::Unreachable | Self::TransportFailed => 27,
            Self::Unavailable | Self::Shutdown => 41,
            Self::NoCodec => 88,
            Self::AuthenticationFailed => 57,
            Self::Limit => 34,
            Self::MediaTimeout | Self::SessionExpired | Self::DialogLost => 102,
            Self::ProtocolError => 111,
            Self::AnsweredElsewhere => 26,
            Self::Redirected => 23,
            Self::Internal => 38,
        }
    }

    /// The cause that a final response to our INVITE means.
    pub const fn from_status(status: u16) -> Self {
        match status {
            300..=399 => Self::Redirected,
            401 | 407 => Self::AuthenticationFailed,
            403 => Self::Forbidden,
            404 | 410 | 484 | 485 | 604 => Self::NotFound,
            408 | 480 => Self::NoAnswer,
            486 | 600 => Self::Busy,
            487 => Self::Cancelled,
            406 | 415 | 488 | 606 => Self::NoCodec,
            500 | 502..=504 | 580 => Self::Unavailable,
            603 | 607 | 608 => Self::Declined,
            _ => Self::ProtocolError,
        }
    }

    /// The cause that a Q.850 value in a received `Reason` means, where it says more than the message itself.
    pub const fn from_q850(cause: u8) -> Option<Self> {
        match cause {
            1 => Some(Self::NotFound),
            16 | 31 => Some(Self::Normal),
            17 => Some(Self::Busy),
            18 | 19 => Some(Self::NoAnswer),
            21 => Some(Self::Declined),
            26 => Some(Self::AnsweredElsewhere),
            27 => Some(Self::Unreachable),
            34 | 38 | 41 | 42 => Some(Self::Unavailable),
            88 => Some(Self::NoCodec),
            _ => None,
        }
    }
}

impl fmt::Display for HangupCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "hung up",
            Self::Cancelled => "the caller gave up before the answer",
            Self::Busy => "busy",
            Self::Declined => "declined",
            Self::NoAnswer => "no answer",
            Self::NotFound => "the number does not exist",
            Self::NoRoute => "no route for the number",
            Self::Unreachable => "the far side could not be reached",
            Self::Unavailable => "the far side cannot serve now",
            Self::NoCodec => "no codec in common",
            Self::AuthenticationFailed => "the far side refused our credentials",
            Self::Forbidden => "the far side forbids it",
            Self::Limit => "a limit of this gateway is reached",
            Self::MediaTimeout => "no RTP came in",
            Self::SessionExpired => "the session timer ran out",
            Self::DialogLost => "the far side stopped answering",
            Self::TransportFailed => "the connection broke",
            Self::ProtocolError => "the far side broke the protocol",
            Self::MaximumDuration => "the call reached its maximum duration",
            Self::Shutdown => "the gateway is shutting down",
            Self::AnsweredElsewhere => "answered elsewhere",
            Self::Redirected => "the far side redirects the call",
            Self::Internal => "the gateway failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_came_is_the_status_that_is_passed_on() {
        let busy = LegEnd { cause: HangupCause::Busy, status: Some(600) };
        assert_eq!(busy.rejection(), 600);
        assert_eq!(LegEnd::new(HangupCause::Busy).rejection(), 486);
    }

    #[test]
    fn every_response_class_has_a_cause() {
        assert_eq!(HangupCause::from_status(486), HangupCause::Busy);
        assert_eq!(HangupCause::from_status(407), HangupCause::AuthenticationFailed);
        assert_eq!(HangupCause::from_status(503), HangupCause::Unavailable);
        assert_eq!(HangupCause::from_status(302), HangupCause::Redirected);
        assert_eq!(HangupCause::from_status(603), HangupCause::Declined);
    }
}
