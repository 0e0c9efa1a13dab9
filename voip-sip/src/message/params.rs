//! Parameters after a semicolon, of URIs and of header values (RFC 3261 §7.3.1, §19.1.1).

use super::byte_str::ByteStr;
use super::scan::{self, trim, unquote};
use std::borrow::Cow;

/// `;name=value;flag`: kept as they came, looked up on demand. Names compare without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params(ByteStr);

impl Params {
    /// No parameters.
    pub const EMPTY: Self = Self(ByteStr::from_static(""));

    /// From the text after the first semicolon, without it.
    pub fn new(text: ByteStr) -> Self {
        Self(text)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each parameter's name and, where it has one, its value as written.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        scan::split_outside(self.0.as_bytes(), b';').map(|part| match memchr::memchr(b'=', part) {
            Some(at) => (trim(&part[..at]), Some(trim(&part[at + 1..]))),
            None => (part, None),
        })
    }

    /// The value of a parameter: `Some(None)` for a flag, `None` where it is absent. The first of several counts.
    pub fn find(&self, name: &str) -> Option<Option<ByteStr>> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.map(|value| self.0.slice_of(value)))
    }

    /// Whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of a parameter that has one, as written.
    pub fn value(&self, name: &str) -> Option<ByteStr> {
        self.find(name).flatten()
    }

    /// The value of a parameter without its quotes and escapes.
    pub fn unquoted(&self, name: &str) -> Option<ByteStr> {
        let value = self.value(name)?;
        Some(match unquote(value.as_bytes()) {
            Cow::Borrowed(part) => value.slice_of(part),
            Cow::Owned(plain) => plain.into(),
        })
    }

    /// The same with `name` set to `value`, replacing what was there; `None` makes it a flag. It goes last, unless a
    /// quote or bracket that the others leave open would swallow it there.
    #[must_use]
    pub fn with(&self, name: &str, value: Option<&str>) -> Self {
        let others = self.without(name).0;
        let mut out = Vec::with_capacity(others.len() + name.len() + value.map_or(0, str::len) + 2);
        let open = scan::leaves_open(others.as_bytes());
        if !open && !others.is_empty() {
            out.extend_from_slice(others.as_bytes());
            out.push(b';');
        }
        out.extend_from_slice(name.as_bytes());
        if let Some(value) = value {
            out.push(b'=');
            scan::push_line_safe(value.as_bytes(), &mut out);
        }
        if open {
            out.push(b';');
            out.extend_from_slice(others.as_bytes());
        }
        Self(out.into())
    }

    /// The same without `name`.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        if !self.has(name) {
            return self.clone();
        }
        let mut out = Vec::with_capacity(self.0.len());
        for (n, value) in self.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes())) {
            if !out.is_empty() {
                out.push(b';');
            }
            out.extend_from_slice(n);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
        Self(out.into())
    }

    /// Writes them with a semicolon before each.
    pub fn write(&self, out: &mut Vec<u8>) {
        if !self.0.is_empty() {
            out.push(b';');
            scan::push_line_safe(self.0.as_bytes(), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_set_beside_one_that_is_left_open() {
        for others in ["x=\"a", "x=<a", "x=\"a\\\"", "y=\"b\";x=\"a;tag=1"] {
            let params = Params::new(ByteStr::from(others)).with("tag", Some("2"));
            assert_eq!(params.value("tag").unwrap(), "2", "{others}");
            assert!(params.has("x"), "{others}");
        }
    }

    #[test]
    fn parameters_are_found_set_and_removed() {
        let params = Params::new(ByteStr::from("branch=z9hG4bK77 ; Received=192.0.2.1;rport; q=\"a;\\\"b\""));
        assert_eq!(params.value("BRANCH").unwrap(), "z9hG4bK77");
        assert_eq!(params.value("received").unwrap(), "192.0.2.1");
        assert_eq!(params.find("rport"), Some(None));
        assert_eq!(params.unquoted("q").unwrap(), "a;\"b");
        assert!(!params.has("ttl"));
        let params = params.with("rport", Some("5060")).without("received");
        let mut out = Vec::new();
        params.write(&mut out);
        assert_eq!(out, br#";branch=z9hG4bK77;q="a;\"b";rport=5060"#);
    }
}
