//! URIs (RFC 3261 §19.1; RFC 3966 for `tel:`).

use super::byte_str::ByteStr;
use super::host::{Host, HostPort};
use super::params::Params;
use super::scan;
use std::collections::BTreeMap;
use std::fmt;
use voip_core::net::Transport;

/// The scheme of a URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other, as it came.
    Other(ByteStr),
}

/// A URI: taken apart when its scheme is `sip` or `sips`, its opaque part kept whole when not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    /// Scheme.
    pub scheme: Scheme,
    /// The user part as written, escapes included, its password with it. For `tel:` the number; for an unknown scheme
    /// everything after the colon.
    pub user: Option<ByteStr>,
    /// Host and port; `None` unless the scheme is `sip` or `sips`.
    pub host_port: Option<HostPort>,
    /// URI parameters.
    pub params: Params,
    /// Header fields after `?`, without it.
    pub headers: ByteStr,
}

impl Uri {
    /// A `sip:` URI; an empty user is none.
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.filter(|user| !user.is_empty()).map(|user| escape_user(user).into()),
            host_port: Some(HostPort { host, port }),
            params: Params::EMPTY,
            headers: ByteStr::default(),
        }
    }

    /// The same with a `transport` parameter, unless that is UDP, which is what none means.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        if transport != Transport::Udp {
            self.params = self.params.with("transport", Some(transport.uri_name()));
        }
        self
    }

    /// Reads a URI that fills `text`.
    pub fn parse(text: &ByteStr) -> Option<Self> {
        let bytes = scan::trim(text.as_bytes());
        let colon = memchr::memchr(b':', bytes)?;
        let (name, rest) = (&bytes[..colon], &bytes[colon + 1..]);
        let valid = name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
            && !rest.is_empty()
            && !bytes.iter().any(|b| b.is_ascii_control() || matches!(b, b' ' | b'<' | b'>' | b'"'));
        if !valid {
            return None;
        }
        match name {
            _ if name.eq_ignore_ascii_case(b"sip") => Self::parse_sip(Scheme::Sip, text, rest),
            _ if name.eq_ignore_ascii_case(b"sips") => Self::parse_sip(Scheme::Sips, text, rest),
            _ if name.eq_ignore_ascii_case(b"tel") => {
                let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                let params = rest.get(end + 1..).unwrap_or_default();
                Some(Self {
                    scheme: Scheme::Tel,
                    user: Some(text.slice_of(&rest[..end])),
                    host_port: None,
                    params: Params::new(text.slice_of(params)),
                    headers: ByteStr::default(),
                })
            }
            _ => Some(Self {
                scheme: Scheme::Other(text.slice_of(name)),
                user: Some(text.slice_of(rest)),
                host_port: None,
                params: Params::EMPTY,
                headers: ByteStr::default(),
            }),
        }
    }

    fn parse_sip(scheme: Scheme, text: &ByteStr, rest: &[u8]) -> Option<Self> {
        let (user, rest) = match memchr::memchr(b'@', rest) {
            Some(0) => return None,
            Some(at) => (Some(text.slice_of(&rest[..at])), &rest[at + 1..]),
            None => (None, rest),
        };
        let host_end = memchr::memchr2(b';', b'?', rest).unwrap_or(rest.len());
        let host_port = HostPort::parse(&text.slice_of(&rest[..host_end]))?;
        let tail = &rest[host_end..];
        let question = memchr::memchr(b'?', tail).unwrap_or(tail.len());
        let params = tail[..question].strip_prefix(b";").unwrap_or_default();
        let headers = tail[question..].strip_prefix(b"?").unwrap_or_default();
        Some(Self {
            scheme,
            user,
            host_port: Some(host_port),
            params: Params::new(text.slice_of(params)),
            headers: text.slice_of(headers),
        })
    }

    /// The host, for `sip` and `sips`.
    pub fn host(&self) -> Option<&Host> {
        self.host_port.as_ref().map(|h| &h.host)
    }

    /// The port, when written.
    pub fn port(&self) -> Option<u16> {
        self.host_port.as_ref().and_then(|h| h.port)
    }

    /// The user part without password and with escapes resolved, as text.
    pub fn user_name(&self) -> Option<String> {
        let user = self.user.as_ref()?.as_bytes();
        let name = if self.host_port.is_some() { user.split(|b| *b == b':').next()? } else { user };
        Some(String::from_utf8_lossy(&unescape(name)).into_owned())
    }

    /// The `transport` parameter, if it names one we know.
    pub fn transport(&self) -> Option<Transport> {
        Transport::from_name(self.params.value("transport")?.as_bytes())
    }

    /// Whether `lr` is there: the loose routing of RFC 3261 §16.12.
    pub fn is_loose_route(&self) -> bool {
        self.params.has("lr")
    }

    /// Equality by RFC 3261 §19.1.4.
    pub fn equivalent(&self, other: &Self) -> bool {
        let hosts = match (&self.host_port, &other.host_port) {
            (Some(a), Some(b)) => a.host.equivalent(&b.host) && a.port == b.port,
            (None, None) => true,
            _ => return false,
        };
        let user = |uri: &Self| uri.user.as_ref().map(|user| unescape(user.as_bytes()));
        let params = || {
            const BOTH_OR_NEITHER: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];
            let (ours, theirs) = (by_name(&self.params), by_name(&other.params));
            BOTH_OR_NEITHER.into_iter().all(|name| ours.contains_key(name) == theirs.contains_key(name))
                && ours.iter().all(|(name, value)| theirs.get(name).is_none_or(|other| same_value(*value, *other)))
        };
        self.scheme == other.scheme
            && hosts
            && user(self) == user(other)
            && params()
            && self.headers.eq_ignore_case(&other.headers)
    }

    /// Writes the URI.
    pub fn write(&self, out: &mut Vec<u8>) {
        match &self.scheme {
            Scheme::Sip => out.extend_from_slice(b"sip:"),
            Scheme::Sips => out.extend_from_slice(b"sips:"),
            Scheme::Tel => out.extend_from_slice(b"tel:"),
            Scheme::Other(name) => {
                scan::push_line_safe(name.as_bytes(), out);
                out.push(b':');
            }
        }
        if let Some(user) = &self.user {
            scan::push_line_safe(user.as_bytes(), out);
        }
        if let Some(host_port) = &self.host_port {
            if self.user.is_some() {
                out.push(b'@');
            }
            host_port.write(out);
        }
        self.params.write(out);
        if !self.headers.is_empty() {
            out.push(b'?');
            scan::push_line_safe(self.headers.as_bytes(), out);
        }
    }
}

impl std::str::FromStr for Uri {
    type Err = InvalidUri;
    fn from_str(text: &str) -> Result<Self, InvalidUri> {
        Self::parse(&ByteStr::from(text)).ok_or(InvalidUri)
    }
}

/// The text is not a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URI")]
pub struct InvalidUri;

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.pad(&String::from_utf8_lossy(&out))
    }
}

/// Parameters by their name in lower case, the first of several: comparing takes n log n steps, whatever is sent.
fn by_name(params: &Params) -> BTreeMap<Vec<u8>, Option<&[u8]>> {
    let mut map = BTreeMap::new();
    for (name, value) in params.iter() {
        map.entry(name.to_ascii_lowercase()).or_insert(value);
    }
    map
}

fn same_value(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => unescape(a).eq_ignore_ascii_case(&unescape(b)),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Percent escapes resolved; a broken escape stands as it is.
fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'%'
            && let Some(pair) = bytes.get(i + 1..i + 3)
            && let (Some(high), Some(low)) = (char::from(pair[0]).to_digit(16), char::from(pair[1]).to_digit(16))
        {
            out.push((high * 16 + low) as u8);
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    out
}

/// A user part with everything escaped that may not stand in one (RFC 3261 §25.1 user).
fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn sip_uris_come_apart_and_go_together_again() {
        for text in [
            "sip:+74951234567@sip.rtc.elevenlabs.io:5061;transport=tls",
            "sips:alice:secret@[2001:db8::1]:5061;lr?Subject=x&Priority=urgent",
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
            "tel:+1-201-555-0123;phone-context=example.com",
            "sip:192.0.2.4",
            "urn:service:sos",
            "soap.beep://192.0.2.103:3002",
        ] {
            assert_eq!(uri(text).to_string(), text);
        }
        let u = uri("sip:alice:secret@example.com:5070;transport=TCP;lr");
        assert_eq!(u.user_name().unwrap(), "alice");
        assert_eq!(u.port(), Some(5070));
        assert_eq!(u.transport(), Some(Transport::Tcp));
        assert!(u.is_loose_route());
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            "sip:",
            "tel:;",
            "tel:;ext=1",
            "example.com",
            "sip:@example.com",
            "sip:a b@c",
            "sip:user@host:port",
            "1x:y",
            "sip:a@<b>",
        ] {
            assert!(text.parse::<Uri>().is_err(), "{text}");
        }
    }

    #[test]
    fn equality_follows_rfc_3261_19_1_4() {
        let same = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        ];
        for (a, b) in same {
            assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
        }
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ];
        for (a, b) in different {
            assert!(!uri(a).equivalent(&uri(b)), "{a} {b}");
        }
    }

    #[test]
    fn a_user_part_is_escaped_where_it_must_be() {
        let host = Host::Name(ByteStr::from("h"));
        assert_eq!(Uri::sip(Some("a b@c"), host, None).to_string(), "sip:a%20b%40c@h");
    }
}
