//! SIP messages (RFC 3261 §7, §20, §25): views over the bytes that came, typed on demand.
//!
//! A received message keeps its header lines in the order and the bytes in which they came, so that a B2BUA can pass on
//! what it does not know. Each header's value is a slice of the datagram; [`Headers::typed`] reads it as one of the
//! types in [`header`] when somebody needs it. Reading forgives what RFC 4475 says to forgive; writing is strict, and
//! never lets a value break out of its line.

mod byte_str;
mod error;
pub mod header;
mod header_name;
mod headers;
mod host;
mod method;
mod name_addr;
mod params;
mod parse;
mod request;
mod response;
pub(crate) mod scan;
mod status;
mod uri;

pub use byte_str::ByteStr;
pub(crate) use byte_str::decimal;
pub use error::{HeaderError, ParseError, ParseErrorKind};
pub use header_name::HeaderName;
pub use headers::{Header, Headers, TypedHeader};
pub use host::{Host, HostPort};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use parse::{MessageLimits, header_section_end};
pub use request::Request;
pub use response::Response;
pub use status::reason_phrase;
pub use uri::{InvalidUri, Scheme, Uri};

use bytes::Bytes;

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Reads a message that fills `bytes`: a datagram, a WebSocket message, or what the stream framer cut out.
    ///
    /// Empty lines before the start line are skipped (RFC 3261 §7.5). Without Content-Length the body is all that
    /// follows the headers; with it, bytes beyond it are ignored and too few are an error (RFC 3261 §18.3).
    pub fn parse(bytes: Bytes, limits: &MessageLimits) -> Result<Self, ParseError> {
        parse::message(bytes, limits)
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// The message as bytes, Content-Length set to the body's length.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}
