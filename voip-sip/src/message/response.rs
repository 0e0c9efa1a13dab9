//! Responses (RFC 3261 §7.2).

use super::byte_str::ByteStr;
use super::headers::Headers;
use super::{request, scan, status};
use bytes::Bytes;

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code, 100 to 699.
    pub status: u16,
    /// Reason phrase.
    pub reason: ByteStr,
    /// Header fields.
    pub headers: Headers,
    /// Body; Content-Length follows it when the response is written.
    pub body: Bytes,
}

impl Response {
    /// A response with the registered reason phrase, without headers or body. [`Request::response`](super::Request)
    /// makes one that answers a request.
    pub fn new(status: u16) -> Self {
        let reason = ByteStr::from_static(status::reason_phrase(status));
        Self { status, reason, headers: Headers::with_capacity(12), body: Bytes::new() }
    }

    /// Whether it is provisional: 1xx.
    pub const fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// Whether it is a success: 2xx.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Sets body and Content-Type.
    pub fn set_body(&mut self, content_type: &'static str, body: impl Into<Bytes>) {
        self.headers.set(super::HeaderName::ContentType, ByteStr::from_static(content_type));
        self.body = body.into();
    }

    /// The response as bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(512 + self.body.len() + 48 * self.headers.len());
        out.extend_from_slice(b"SIP/2.0 ");
        scan::push_number(self.status.into(), &mut out);
        out.push(b' ');
        scan::push_line_safe(self.reason.as_bytes(), &mut out);
        out.extend_from_slice(b"\r\n");
        request::finish(out, &self.headers, &self.body)
    }
}
