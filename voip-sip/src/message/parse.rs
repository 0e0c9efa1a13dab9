//! From bytes to a message (RFC 3261 §7, §18.3): one pass, linear in the length of the message.

use super::byte_str::{ByteStr, decimal};
use super::error::{ParseError, ParseErrorKind};
use super::header_name::HeaderName;
use super::headers::Headers;
use super::method::Method;
use super::params::Params;
use super::request::Request;
use super::response::Response;
use super::scan::{is_space, is_token, trim};
use super::uri::{Scheme, Uri};
use super::{Message, status};
use bytes::Bytes;

/// How large a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of the whole message. The default is what a UDP datagram can carry.
    pub max_message: usize,
    /// Header lines. Long proxy chains need some dozens; the default leaves room for odd ones.
    pub max_headers: usize,
    /// Bytes of the start line, and of one header line, folds included.
    pub max_header_line: usize,
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self { max_message: 65_535, max_headers: 256, max_header_line: 8192 }
    }
}

/// Where the header section of a message ends, its empty line included; `None` while that has not come.
pub fn header_section_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let newline = from + memchr::memchr(b'\n', &bytes[from..])?;
        match &bytes[newline + 1..] {
            [b'\n', ..] => return Some(newline + 2),
            [b'\r', b'\n', ..] => return Some(newline + 3),
            _ => from = newline + 1,
        }
    }
}

/// See [`Message::parse`].
pub(super) fn message(bytes: Bytes, limits: &MessageLimits) -> Result<Message, ParseError> {
    let skipped = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    if skipped == bytes.len() {
        return Err(ParseErrorKind::Empty.into());
    }
    let whole = ByteStr::from(bytes.slice(skipped..));
    let rest = whole.as_bytes();
    let (line, mut rest) = split_line(rest).ok_or(ParseErrorKind::Truncated)?;
    let start_too_long = line.len() > limits.max_header_line;
    let mut start = start_line(&whole, line, start_too_long)?;
    let (headers, mut defect) = headers(&whole, &mut rest, limits);
    let too_large = bytes.len() > limits.max_message;
    let body = match content_length(&headers) {
        Ok(None) => rest,
        Ok(Some(length)) if length <= rest.len() => &rest[..length],
        Ok(Some(_)) => {
            defect.get_or_insert(ParseErrorKind::BodyTruncated);
            rest
        }
        Err(kind) => {
            defect.get_or_insert(kind);
            rest
        }
    };
    if start_too_long {
        defect = Some(ParseErrorKind::StartLineTooLong);
    }
    if too_large {
        defect = Some(ParseErrorKind::TooLarge);
    }
    let body = bytes.slice_ref(body);
    match &mut start {
        Message::Request(request) => {
            request.headers = headers;
            request.body = body;
        }
        Message::Response(response) => {
            response.headers = headers;
            response.body = body;
        }
    }
    let defect = match &start {
        Message::Request(request) => defect.or_else(|| request_line_defect(request, line)),
        Message::Response(_) => defect,
    };
    match (defect, start) {
        (None, message) => Ok(message),
        (Some(kind), Message::Request(request)) => Err(ParseError { kind, request: Some(Box::new(request)) }),
        (Some(kind), Message::Response(_)) => Err(kind.into()),
    }
}

impl From<ParseErrorKind> for ParseError {
    fn from(kind: ParseErrorKind) -> Self {
        Self { kind, request: None }
    }
}

/// A line without its end, and what follows it. Lines end with CRLF; a bare LF is forgiven.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let newline = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..newline];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[newline + 1..]))
}

/// The start line as a message without headers. A request line with a defect that can be answered still gives a
/// request: [`request_line_defect`] finds it once the headers are there to answer by.
///
/// The URI of a line that is too long is not read.
fn start_line(whole: &ByteStr, line: &[u8], too_long: bool) -> Result<Message, ParseError> {
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return status_line(whole, line).map(Message::Response).map_err(Into::into);
    }
    let space = memchr::memchr(b' ', line).ok_or(ParseErrorKind::StartLine)?;
    let method = &line[..space];
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err(ParseErrorKind::Method.into());
    }
    let end = memchr::memrchr(b' ', line).ok_or(ParseErrorKind::StartLine)?;
    let uri = line
        .get(space + 1..end)
        .filter(|_| !too_long)
        .and_then(|uri| Uri::parse(&whole.slice_of(uri)).filter(|_| trim(uri) == uri));
    let uri = uri.unwrap_or_else(|| Uri {
        scheme: Scheme::Other(ByteStr::from_static(INVALID_SCHEME)),
        user: None,
        host_port: None,
        params: Params::EMPTY,
        headers: ByteStr::default(),
    });
    let mut request = Request::new(Method::parse(&whole.slice_of(method)), uri);
    request.headers = Headers::new();
    Ok(Message::Request(request))
}

/// Stands for a Request-URI that could not be read, until the defect is reported.
const INVALID_SCHEME: &str = "";

fn request_line_defect(request: &Request, line: &[u8]) -> Option<ParseErrorKind> {
    let version = line.rsplit(|b| *b == b' ').next().unwrap_or_default();
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        let other_version = version.len() > 4 && version[..4].eq_ignore_ascii_case(b"SIP/");
        return Some(if other_version { ParseErrorKind::Version } else { ParseErrorKind::StartLine });
    }
    matches!(&request.uri.scheme, Scheme::Other(name) if name.is_empty()).then_some(ParseErrorKind::RequestUri)
}

fn status_line(whole: &ByteStr, line: &[u8]) -> Result<Response, ParseErrorKind> {
    let mut parts = line.splitn(3, |b| *b == b' ');
    let version = parts.next().unwrap_or_default();
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(ParseErrorKind::Version);
    }
    let code = parts.next().ok_or(ParseErrorKind::StartLine)?;
    let status = (code.len() == 3).then(|| decimal::<u16>(code)).flatten().filter(|s| (100..700).contains(s));
    let status = status.ok_or(ParseErrorKind::StatusCode)?;
    let reason = match parts.next() {
        Some(reason) => whole.slice_of(reason),
        None => ByteStr::from_static(status::reason_phrase(status)),
    };
    Ok(Response { status, reason, headers: Headers::new(), body: Bytes::new() })
}

/// Reads header lines up to the empty line; `rest` is then the body. A broken line is left out and reported.
fn headers(whole: &ByteStr, rest: &mut &[u8], limits: &MessageLimits) -> (Headers, Option<ParseErrorKind>) {
    let mut headers = Headers::with_capacity(24);
    let mut defect = None;
    loop {
        let Some((first, after)) = split_line(rest) else {
            *rest = &[];
            return (headers, Some(ParseErrorKind::Truncated));
        };
        *rest = after;
        if first.is_empty() {
            return (headers, defect);
        }
        let mut line = first;
        let mut folded = false;
        // A line that begins with white space continues the one before (RFC 3261 §7.3.1).
        while let [b' ' | b'\t', ..] = *rest {
            let Some((more, after)) = split_line(rest) else { break };
            folded = true;
            let start = line.as_ptr() as usize - whole.as_bytes().as_ptr() as usize;
            let end = more.as_ptr() as usize - whole.as_bytes().as_ptr() as usize + more.len();
            line = &whole.as_bytes()[start..end];
            *rest = after;
        }
        if line.len() > limits.max_header_line {
            defect.get_or_insert(ParseErrorKind::HeaderTooLong);
            continue;
        }
        if headers.len() >= limits.max_headers {
            defect.get_or_insert(ParseErrorKind::TooManyHeaders);
            continue;
        }
        let Some((name, value)) = name_and_value(line) else {
            defect.get_or_insert(ParseErrorKind::HeaderLine);
            continue;
        };
        let value = if folded { unfold(value).into() } else { whole.slice_of(value) };
        headers.push(HeaderName::parse(&whole.slice_of(name)), value);
    }
}

/// `Name : value` taken apart; white space is allowed before the colon (RFC 3261 §7.3.1).
fn name_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let name = trim(&line[..colon]);
    let valid = !name.is_empty() && name.iter().all(|b| is_token(*b)) && !is_space(line[0]);
    valid.then(|| (name, trim(&line[colon + 1..])))
}

/// Each fold, a line end with white space around it, becomes one space.
fn unfold(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if matches!(byte, b'\r' | b'\n') {
            while bytes.next_if(|b| is_space(**b)).is_some() {}
            while out.last().is_some_and(|b| is_space(*b)) {
                out.pop();
            }
            out.push(b' ');
        } else {
            out.push(byte);
        }
    }
    out
}

fn content_length(headers: &Headers) -> Result<Option<usize>, ParseErrorKind> {
    let mut found = None;
    for value in headers.values(&HeaderName::ContentLength) {
        let length: usize = value.to_number().ok_or(ParseErrorKind::ContentLength)?;
        if found.is_some_and(|other| other != length) {
            return Err(ParseErrorKind::ContentLength);
        }
        found = Some(length);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
