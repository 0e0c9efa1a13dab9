//! Requests (RFC 3261 §7.1).

use super::headers::Headers;
use super::method::Method;
use super::scan;
use super::uri::Uri;
use super::{ByteStr, HeaderName, NameAddr, Response};
use bytes::Bytes;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Header fields.
    pub headers: Headers,
    /// Body; Content-Length follows it when the request is written.
    pub body: Bytes,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::with_capacity(16), body: Bytes::new() }
    }

    /// Sets body and Content-Type.
    pub fn set_body(&mut self, content_type: &'static str, body: impl Into<Bytes>) {
        self.headers.set(HeaderName::ContentType, ByteStr::from_static(content_type));
        self.body = body.into();
    }

    /// A response to this request with the headers that RFC 3261 §8.2.6.2 has copied: Via, From, To, Call-ID, CSeq.
    /// To gets `to_tag` unless it has a tag already.
    pub fn response(&self, status: u16, to_tag: Option<&str>) -> Response {
        let mut response = Response::new(status);
        const COPIED: [HeaderName; 4] = [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq];
        for header in &self.headers {
            if COPIED.contains(&header.name) {
                response.headers.push(header.name.clone(), header.value.clone());
            } else if header.name == HeaderName::To {
                response.headers.push(HeaderName::To, tagged(&header.value, to_tag));
            }
        }
        response
    }

    /// The request as bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(512 + self.body.len() + 48 * self.headers.len());
        scan::push_line_safe(self.method.as_bytes(), &mut out);
        out.push(b' ');
        self.uri.write(&mut out);
        out.extend_from_slice(b" SIP/2.0\r\n");
        finish(out, &self.headers, &self.body)
    }
}

/// Appends headers, Content-Length and body.
pub(super) fn finish(mut out: Vec<u8>, headers: &Headers, body: &Bytes) -> Bytes {
    headers.write(&mut out);
    out.extend_from_slice(b"Content-Length: ");
    scan::push_number(body.len() as u64, &mut out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
    out.into()
}

/// A To value with a tag, unless it has one or none is to be added.
fn tagged(value: &ByteStr, tag: Option<&str>) -> ByteStr {
    let has_tag = NameAddr::parse(value).is_none_or(|to| to.tag().is_some());
    match tag {
        Some(tag) if !has_tag => [value.as_bytes(), b";tag=", tag.as_bytes()].concat().into(),
        _ => value.clone(),
    }
}
