//! A URI with an optional display name and parameters: the value of From, To, Contact, Route and their kin
//! (RFC 3261 §20.10, §25.1 name-addr, addr-spec).

use super::byte_str::ByteStr;
use super::params::Params;
use super::scan::{self, find_outside, trim, unquote};
use super::uri::Uri;
use std::fmt;

/// `"Display" <uri>;params`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// The display name without quotes and escapes.
    pub display: Option<ByteStr>,
    /// The URI.
    pub uri: Uri,
    /// The header's parameters: those after the closing bracket, or all of them where there is no bracket
    /// (RFC 3261 §20.10).
    pub params: Params,
}

impl NameAddr {
    /// A URI alone.
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::EMPTY }
    }

    /// The same with a parameter.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params = self.params.with(name, value);
        self
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<ByteStr> {
        self.params.value("tag")
    }

    /// Reads one value that fills `text`.
    pub fn parse(text: &ByteStr) -> Option<Self> {
        let bytes = trim(text.as_bytes());
        if let Some(open) = open_bracket(bytes) {
            let close = open + memchr::memchr(b'>', &bytes[open..])?;
            let display = trim(&bytes[..open]);
            let after = trim(&bytes[close + 1..]);
            let params = match after {
                [] => after,
                [b';', rest @ ..] => rest,
                _ => return None,
            };
            let display = match unquote(display) {
                std::borrow::Cow::Borrowed([]) => None,
                std::borrow::Cow::Borrowed(part) => Some(text.slice_of(part)),
                std::borrow::Cow::Owned(plain) => Some(plain.into()),
            };
            let uri = Uri::parse(&text.slice_of(&bytes[open + 1..close]))?;
            Some(Self { display, uri, params: Params::new(text.slice_of(params)) })
        } else {
            let end = memchr::memchr(b';', bytes).unwrap_or(bytes.len());
            // Without brackets neither comma nor question mark may stand in the URI (RFC 3261 §20.10).
            if memchr::memchr2(b',', b'?', &bytes[..end]).is_some() {
                return None;
            }
            let params = bytes.get(end + 1..).unwrap_or_default();
            let uri = Uri::parse(&text.slice_of(&bytes[..end]))?;
            Some(Self { display: None, uri, params: Params::new(text.slice_of(params)) })
        }
    }

    /// Writes it, the URI always in brackets.
    pub fn write(&self, out: &mut Vec<u8>) {
        if let Some(display) = &self.display {
            scan::quote(display.as_bytes(), out);
            out.push(b' ');
        }
        out.push(b'<');
        self.uri.write(out);
        out.push(b'>');
        self.params.write(out);
    }
}

/// The bracket that opens the URI: not one within a quoted display name.
fn open_bracket(bytes: &[u8]) -> Option<usize> {
    find_outside(bytes, b'<')
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.pad(&String::from_utf8_lossy(&out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        NameAddr::parse(&ByteStr::from(text)).map(|n| n.to_string())
    }

    #[test]
    fn both_forms_are_read_and_the_bracketed_one_is_written() {
        assert_eq!(read("sip:a@b;tag=1"), Some("<sip:a@b>;tag=1".into()));
        assert_eq!(read(r#""J \" <x>" <sip:a@b;lr>;tag=1"#), Some(r#""J \" <x>" <sip:a@b;lr>;tag=1"#.into()));
        assert_eq!(read("Bell, Alexander <sip:a@b>"), Some("\"Bell, Alexander\" <sip:a@b>".into()));
        assert_eq!(read("<tel:+1>"), Some("<tel:+1>".into()));
    }

    #[test]
    fn broken_values_are_refused() {
        for text in ["", "<sip:a@b", "\"x <sip:a@b>", "<sip:a@b> junk", "sip:a@b?x=y"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
