//! The header fields of a message, in the order in which they came.

use super::byte_str::ByteStr;
use super::error::HeaderError;
use super::header_name::HeaderName;
use super::scan::{self, comma_list, trim};

/// One header line: its name, and its value as it came, unfolded and trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name.
    pub name: HeaderName,
    /// Value.
    pub value: ByteStr,
}

/// A header that can be read as a type of its own.
pub trait TypedHeader: Sized {
    /// The header's name.
    const NAME: HeaderName;
    /// Whether several values may stand in one line, parted by commas (RFC 3261 §7.3.1).
    const IS_LIST: bool = false;
    /// Reads one value.
    fn parse(value: &ByteStr) -> Option<Self>;
    /// Writes the value.
    fn write(&self, out: &mut Vec<u8>);
    /// The value as it is written.
    fn to_value(&self) -> ByteStr {
        let mut out = Vec::with_capacity(64);
        self.write(&mut out);
        out.into()
    }
}

/// All header lines of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// With room for `capacity` lines.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// The lines in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: HeaderName, value: impl Into<ByteStr>) {
        self.0.push(Header { name, value: value.into() });
    }

    /// Adds a typed line at the end.
    pub fn push_typed<H: TypedHeader>(&mut self, header: &H) {
        self.push(H::NAME, header.to_value());
    }

    /// Adds a line before all others: the place of a new Via, Route or Record-Route.
    pub fn push_front(&mut self, name: HeaderName, value: impl Into<ByteStr>) {
        self.0.insert(0, Header { name, value: value.into() });
    }

    /// Replaces all lines of that name by one, in the place of the first.
    pub fn set(&mut self, name: HeaderName, value: impl Into<ByteStr>) {
        let value = value.into();
        match self.0.iter().position(|h| h.name == name) {
            Some(at) => {
                self.0[at].value = value;
                let mut index = 0;
                self.0.retain(|h| {
                    let keep = index <= at || h.name != name;
                    index += 1;
                    keep
                });
            }
            None => self.push(name, value),
        }
    }

    /// Replaces all lines of a typed header by one.
    pub fn set_typed<H: TypedHeader>(&mut self, header: &H) {
        self.set(H::NAME, header.to_value());
    }

    /// Removes all lines of that name; whether there were any.
    pub fn remove(&mut self, name: &HeaderName) -> bool {
        let before = self.0.len();
        self.0.retain(|h| h.name != *name);
        self.0.len() != before
    }

    /// The value of the first line of that name.
    pub fn value(&self, name: &HeaderName) -> Option<&ByteStr> {
        self.0.iter().find(|h| h.name == *name).map(|h| &h.value)
    }

    /// The values of all lines of that name.
    pub fn values<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a ByteStr> {
        self.0.iter().filter(move |h| h.name == *name).map(|h| &h.value)
    }

    /// The first value of a header; `None` where there is none.
    pub fn typed<H: TypedHeader>(&self) -> Result<Option<H>, HeaderError> {
        let Some(value) = self.value(&H::NAME) else { return Ok(None) };
        let parsed = if H::IS_LIST {
            comma_list(value.as_bytes()).next().and_then(|part| H::parse(&value.slice_of(part)))
        } else {
            H::parse(value)
        };
        parsed.map(Some).ok_or(HeaderError::Malformed(H::NAME))
    }

    /// The value of a header that must be there, and once unless it is a list (RFC 4475 §3.3.8).
    pub fn required<H: TypedHeader>(&self) -> Result<H, HeaderError> {
        if !H::IS_LIST && self.values(&H::NAME).nth(1).is_some() {
            return Err(HeaderError::Repeated(H::NAME));
        }
        self.typed()?.ok_or(HeaderError::Missing(H::NAME))
    }

    /// Every value of a header, through comma lists and repeated lines.
    pub fn list<H: TypedHeader>(&self) -> impl Iterator<Item = Result<H, HeaderError>> {
        let name = H::NAME;
        self.0.iter().filter(move |h| h.name == name).flat_map(|h| {
            let parts: Box<dyn Iterator<Item = &[u8]>> = if H::IS_LIST {
                Box::new(comma_list(h.value.as_bytes()))
            } else {
                Box::new(std::iter::once(h.value.as_bytes()))
            };
            parts.map(|part| H::parse(&h.value.slice_of(part)).ok_or(HeaderError::Malformed(H::NAME)))
        })
    }

    /// Replaces the first value of a list header, leaving the others; as when `received` is put into the topmost Via.
    pub fn replace_first<H: TypedHeader>(&mut self, header: &H) {
        let Some(line) = self.0.iter_mut().find(|h| h.name == H::NAME) else {
            self.push_typed(header);
            return;
        };
        let mut out = Vec::with_capacity(line.value.len() + 48);
        header.write(&mut out);
        for part in comma_list(line.value.as_bytes()).skip(1) {
            out.extend_from_slice(b", ");
            out.extend_from_slice(part);
        }
        line.value = out.into();
    }

    /// The tokens of a list of tokens: Allow, Supported, Require and their kin.
    pub fn tokens<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.values(name).flat_map(|value| comma_list(value.as_bytes()))
    }

    /// Whether a list of tokens has `token`, in any case.
    pub fn has_token(&self, name: &HeaderName, token: &str) -> bool {
        self.tokens(name).any(|t| t.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The Call-ID, compared byte by byte (RFC 3261 §20.8).
    pub fn call_id(&self) -> Result<&ByteStr, HeaderError> {
        let mut values = self.values(&HeaderName::CallId);
        let value = values.next().ok_or(HeaderError::Missing(HeaderName::CallId))?;
        if values.next().is_some() {
            return Err(HeaderError::Repeated(HeaderName::CallId));
        }
        if value.is_empty() || value.as_bytes().iter().any(|b| scan::is_space(*b)) {
            return Err(HeaderError::Malformed(HeaderName::CallId));
        }
        Ok(value)
    }

    /// The media type of the body in lower case without parameters, such as `application/sdp`.
    pub fn content_type(&self) -> Option<String> {
        let value = self.value(&HeaderName::ContentType)?;
        let media_type = value.as_bytes().split(|b| *b == b';').next()?;
        Some(String::from_utf8_lossy(trim(media_type)).to_ascii_lowercase())
    }

    /// Writes all lines but Content-Length, which the writer of the message sets.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for header in self.0.iter().filter(|h| h.name != HeaderName::ContentLength) {
            scan::push_line_safe(header.name.as_bytes(), out);
            out.extend_from_slice(b": ");
            scan::push_line_safe(header.value.as_bytes(), out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::{RecordRoute, Via};
    use super::*;

    #[test]
    fn lists_run_through_commas_and_lines() {
        let mut headers = Headers::new();
        headers.push(HeaderName::RecordRoute, "<sip:a;lr>, <sip:b;lr>");
        headers.push(HeaderName::Subject, "x");
        headers.push(HeaderName::RecordRoute, "<sip:c;lr>");
        let routes: Vec<String> = headers.list::<RecordRoute>().map(|r| r.unwrap().uri.to_string()).collect();
        assert_eq!(routes, ["sip:a;lr", "sip:b;lr", "sip:c;lr"]);
    }

    #[test]
    fn the_topmost_via_is_replaced_and_the_others_stay() {
        let mut headers = Headers::new();
        headers.push(HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2");
        let mut via: Via = headers.required().unwrap();
        via.params = via.params.with("received", Some("192.0.2.1"));
        headers.replace_first(&via);
        let all: Vec<String> = headers.list::<Via>().map(|v| v.unwrap().to_value().to_string()).collect();
        assert_eq!(all, ["SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1", "SIP/2.0/TCP b;branch=z9hG4bK2"]);
    }

    #[test]
    fn setting_leaves_one_line() {
        let mut headers = Headers::new();
        headers.push(HeaderName::Supported, "timer");
        headers.push(HeaderName::Supported, "100rel");
        headers.push(HeaderName::Subject, "x");
        headers.set(HeaderName::Supported, "path");
        assert_eq!(headers.len(), 2);
        assert!(headers.has_token(&HeaderName::Supported, "PATH"));
    }
}
