//! What can be wrong with a message, and with one header of it.

use super::header_name::HeaderName;
use super::request::Request;
use thiserror::Error;

/// A message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The request as far as it was read, when enough of it was to answer.
    pub request: Option<Box<Request>>,
}

/// What is wrong with a message as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Only empty lines: a keepalive (RFC 5626 §3.5.1).
    #[error("Nothing but a keepalive")]
    Empty,
    /// The start line is neither a request line nor a status line.
    #[error("Malformed start line")]
    StartLine,
    /// The start line is longer than the limit: a request is answered 414.
    #[error("Start line too long")]
    StartLineTooLong,
    /// The method has characters that no token has.
    #[error("Malformed method")]
    Method,
    /// The Request-URI is malformed.
    #[error("Malformed Request-URI")]
    RequestUri,
    /// The protocol version is not SIP/2.0: answered 505.
    #[error("Version not supported")]
    Version,
    /// The status code is not three digits from 100 to 699.
    #[error("Malformed status code")]
    StatusCode,
    /// A header line has no colon or no name.
    #[error("Malformed header line")]
    HeaderLine,
    /// The headers do not end with an empty line.
    #[error("Headers without end")]
    Truncated,
    /// Content-Length is not a number, or there are two that differ.
    #[error("Malformed Content-Length")]
    ContentLength,
    /// Content-Length is larger than what came.
    #[error("Content-Length larger than the message")]
    BodyTruncated,
    /// More header lines than the limit.
    #[error("Too many headers")]
    TooManyHeaders,
    /// A header line longer than the limit.
    #[error("Header too long")]
    HeaderTooLong,
    /// A message longer than the limit: answered 513.
    #[error("Message too large")]
    TooLarge,
}

impl ParseErrorKind {
    /// The status with which to answer a request that has this defect (RFC 3261 §21.4, §21.5).
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::StartLineTooLong => 414,
            Self::TooManyHeaders | Self::HeaderTooLong | Self::TooLarge => 513,
            Self::Empty
            | Self::StartLine
            | Self::Method
            | Self::RequestUri
            | Self::StatusCode
            | Self::HeaderLine
            | Self::Truncated
            | Self::ContentLength
            | Self::BodyTruncated => 400,
        }
    }
}

/// A header that cannot be read as its type, or is missing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// There is no such header.
    #[error("Missing {0} header")]
    Missing(HeaderName),
    /// There is one and it is malformed.
    #[error("Malformed {0} header")]
    Malformed(HeaderName),
    /// There are several and only one is allowed.
    #[error("More than one {0} header")]
    Repeated(HeaderName),
}
