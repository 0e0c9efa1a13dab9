//! The grammar that challenges and credentials share: a scheme, then `name=value` pairs, values quoted or not
//! (RFC 3261 §25.1 challenge, credentials, auth-param).

use crate::message::ByteStr;
use crate::message::scan::{comma_list, is_space, is_token, push_line_safe, trim};

/// One scheme with its parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) scheme: ByteStr,
    /// Names and values; a value stands as it came between its quotes, escapes kept, because that is what both the hash
    /// and an echo are made of (RFC 7616 §3.4: `unq` takes off the surrounding quotes only).
    params: Vec<(ByteStr, ByteStr)>,
}

impl Fields {
    /// Reads all challenges of one line. RFC 3261 §7.3.1 wants a line for each, RFC 7235 §4.1 allows several.
    pub(super) fn parse_all(value: &ByteStr) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for part in comma_list(value.as_bytes()) {
            let mut param = part;
            if let Some((scheme, rest)) = split_scheme(part) {
                all.push(Self { scheme: value.slice_of(scheme), params: Vec::new() });
                param = rest;
            }
            let Some(current) = all.last_mut() else { continue };
            let Some(at) = memchr::memchr(b'=', param) else { continue };
            let name = trim(&param[..at]);
            let text = match trim(&param[at + 1..]) {
                [b'"', inner @ .., b'"'] => inner,
                plain => plain,
            };
            if current.params.len() < Self::MAX_PARAMS && is_quotable(text) {
                current.params.push((value.slice_of(name), value.slice_of(text)));
            }
        }
        all
    }

    /// A parameter's value; the first of several counts.
    pub(super) fn value(&self, name: &str) -> Option<ByteStr> {
        self.params.iter().find(|(n, _)| n.eq_ignore_case(name)).map(|(_, value)| value.clone())
    }

    pub(super) fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_case("Digest")
    }

    /// No scheme has as many; what comes beyond is dropped.
    const MAX_PARAMS: usize = 32;
}

/// `Digest realm="x"` into scheme and first parameter; `None` for a further parameter of the scheme before.
fn split_scheme(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = part.iter().position(|b| !is_token(*b)).unwrap_or(part.len());
    let (scheme, rest) = (&part[..end], &part[end..]);
    if scheme.is_empty() || !rest.first().is_none_or(|b| is_space(*b)) {
        return None;
    }
    let rest = trim(rest);
    // White space before the equals sign is allowed in a parameter.
    (rest.first() != Some(&b'=')).then_some((scheme, rest))
}

/// Whether a value can be echoed between quotes: a quote left open, or a backslash at the end, would swallow what is
/// written after it.
fn is_quotable(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return false,
            b'\\' if bytes.next().is_none() => return false,
            _ => {}
        }
    }
    true
}

/// Writes `Digest` and its parameters.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b"Digest ");
        Self { out, first: true }
    }

    /// A value in quotes; its escapes are there already.
    pub(super) fn quoted(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        push_line_safe(value, self.out);
        self.out.push(b'"');
    }

    /// A value that stands bare.
    pub(super) fn bare(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        push_line_safe(value, self.out);
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.extend_from_slice(b", ");
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'=');
    }
}

/// Text with quotes and backslashes escaped, for a quoted value.
pub(super) fn escape(text: &str) -> ByteStr {
    if text.contains(['"', '\\']) {
        ByteStr::from(text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        ByteStr::from(text)
    }
}

/// A value without its escapes, for a person or a comparison.
pub(super) fn unescape(value: &ByteStr) -> String {
    let text = value.to_str_lossy();
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        out.push(if c == '\\' { characters.next().unwrap_or(c) } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_challenges_in_one_line_come_apart() {
        let line =
            r#"Digest realm="a, \"b\"", nonce = "1,2" ,qop="auth,auth-int", Basic realm=x, NTLM, Digest nonce=3"#;
        let all = Fields::parse_all(&ByteStr::from(line));
        let schemes: Vec<String> = all.iter().map(|f| f.scheme.to_string()).collect();
        assert_eq!(schemes, ["Digest", "Basic", "NTLM", "Digest"]);
        assert_eq!(all[0].value("realm").unwrap(), r#"a, \"b\""#);
        assert_eq!(unescape(&all[0].value("realm").unwrap()), r#"a, "b""#);
        assert_eq!(all[0].value("NONCE").unwrap(), "1,2");
        assert_eq!(all[0].value("qop").unwrap(), "auth,auth-int");
        assert_eq!(all[1].value("realm").unwrap(), "x");
        assert_eq!(all[3].value("nonce").unwrap(), "3");
    }

    #[test]
    fn a_value_that_would_break_out_of_its_quotes_is_dropped() {
        for value in ["\"", "a\"", "\"a", "a\\", "\"a\\\"", "\"a\"b\""] {
            let all = Fields::parse_all(&ByteStr::from(format!("Digest realm=x, nonce={value}")));
            assert_eq!(all[0].value("realm").unwrap(), "x", "{value}");
            assert_eq!(all[0].value("nonce"), None, "{value}");
        }
    }

    #[test]
    fn rubbish_yields_nothing_and_no_panic() {
        for line in
            ["", ",", "=", "\"", "realm=\"x\"", "Digest", "Digest ,,=,=\"", "\\", "Digest realm=\"unclosed, a=b"]
        {
            for fields in Fields::parse_all(&ByteStr::from(line)) {
                let _ = fields.value("realm").map(|v| unescape(&v));
            }
        }
    }
}
