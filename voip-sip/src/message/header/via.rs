//! Via (RFC 3261 §20.42, RFC 3581).

use crate::message::scan::{is_space, push_line_safe, trim};
use crate::message::{ByteStr, HeaderName, HostPort, Params, TypedHeader};
use std::net::IpAddr;
use voip_core::net::Transport;

/// One hop that a request went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// The transport as written: `UDP`, or one that is unknown here.
    pub transport: ByteStr,
    /// Where the hop wants the response, and what it calls itself.
    pub sent_by: HostPort,
    /// Parameters.
    pub params: Params,
}

impl Via {
    /// What every branch made by RFC 3261 begins with (§8.1.1.7).
    pub const MAGIC_COOKIE: &'static str = "z9hG4bK";

    /// A new hop with a branch, asking for `rport` (RFC 3581 §3).
    pub fn new(transport: Transport, sent_by: HostPort, branch: &str) -> Self {
        Self {
            transport: ByteStr::from_static(transport.via_name()),
            sent_by,
            params: Params::EMPTY.with("branch", Some(branch)).with("rport", None),
        }
    }

    /// The `branch` parameter.
    pub fn branch(&self) -> Option<ByteStr> {
        self.params.value("branch")
    }

    /// The transport, if it is one we know.
    pub fn known_transport(&self) -> Option<Transport> {
        Transport::from_name(self.transport.as_bytes())
    }

    /// The address the next hop saw the request come from.
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.params.value("received")?;
        let text = value.as_str()?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The port the next hop saw the request come from.
    pub fn rport(&self) -> Option<u16> {
        self.params.value("rport")?.to_number()
    }
}

impl TypedHeader for Via {
    const NAME: HeaderName = HeaderName::Via;
    const IS_LIST: bool = true;
    fn parse(value: &ByteStr) -> Option<Self> {
        let bytes = trim(value.as_bytes());
        // sent-protocol is three parts with white space allowed around the slashes (RFC 3261 §25.1).
        let first = memchr::memchr(b'/', bytes)?;
        let second = first + 1 + memchr::memchr(b'/', &bytes[first + 1..])?;
        let (name, version) = (trim(&bytes[..first]), trim(&bytes[first + 1..second]));
        if !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return None;
        }
        let rest = trim(&bytes[second + 1..]);
        let end = rest.iter().position(|b| is_space(*b))?;
        let (transport, rest) = (&rest[..end], trim(&rest[end..]));
        let semicolon = memchr::memchr(b';', rest).unwrap_or(rest.len());
        Some(Self {
            transport: value.slice_of(transport),
            sent_by: HostPort::parse(&value.slice_of(&rest[..semicolon]))?,
            params: Params::new(value.slice_of(rest.get(semicolon + 1..).unwrap_or_default())),
        })
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SIP/2.0/");
        push_line_safe(self.transport.as_bytes(), out);
        out.push(b' ');
        self.sent_by.write(out);
        self.params.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_read_with_the_spaces_the_grammar_allows() {
        let text = "SIP  / 2.0\t/ UDP  192.0.2.2 : 5060 ; branch=z9hG4bK390skdjuw;received=[2001:db8::1];rport=9";
        let via = Via::parse(&ByteStr::from(text)).unwrap();
        assert_eq!(via.known_transport(), Some(Transport::Udp));
        assert_eq!(via.sent_by.to_string(), "192.0.2.2:5060");
        assert_eq!(via.received(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(via.rport(), Some(9));
        let via = Via::new(Transport::Tls, via.sent_by, "z9hG4bK1");
        assert_eq!(via.to_value(), "SIP/2.0/TLS 192.0.2.2:5060;branch=z9hG4bK1;rport");
    }
}
