//! Hosts and host-port pairs (RFC 3261 §25.1 host, hostport; RFC 5118 for IPv6).

use super::byte_str::{ByteStr, decimal};
use super::scan::{self, trim};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A host name or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, as it came.
    Name(ByteStr),
    /// An address; IPv6 is written in brackets.
    Ip(IpAddr),
}

/// A host with an optional port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Host.
    pub host: Host,
    /// Port, when written.
    pub port: Option<u16>,
}

impl Host {
    /// Reads a host: an IPv4 address, an IPv6 address in brackets, or a name of letters, digits, `-`, `_` and `.`.
    pub fn parse(text: &ByteStr) -> Option<Self> {
        let bytes = text.as_bytes();
        if let [b'[', inner @ .., b']'] = bytes {
            let address: Ipv6Addr = std::str::from_utf8(inner).ok()?.parse().ok()?;
            return Some(Self::Ip(address.into()));
        }
        if bytes.first().is_some_and(u8::is_ascii_digit)
            && let Some(ip) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok())
        {
            return Some(Self::Ip(IpAddr::V4(ip)));
        }
        let valid =
            !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        valid.then(|| Self::Name(text.clone()))
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    /// Whether both name the same host: names compare without regard to case (RFC 3261 §19.1.4).
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_case(b),
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Name(_), Self::Ip(_)) | (Self::Ip(_), Self::Name(_)) => false,
        }
    }

    /// Writes the host.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Name(name) => scan::push_line_safe(name.as_bytes(), out),
            Self::Ip(_) => out.extend_from_slice(self.to_string().as_bytes()),
        }
    }
}

impl HostPort {
    /// Reads `host[:port]`, white space allowed around the colon as Via has it (RFC 3261 §20.42).
    pub fn parse(text: &ByteStr) -> Option<Self> {
        let bytes = trim(text.as_bytes());
        let colon = match bytes.iter().position(|b| *b == b']') {
            Some(bracket) => bytes[bracket..].iter().position(|b| *b == b':').map(|at| at + bracket),
            None => memchr::memchr(b':', bytes),
        };
        let (host, port) = match colon {
            Some(at) => (trim(&bytes[..at]), Some(decimal(trim(&bytes[at + 1..]))?)),
            None => (bytes, None),
        };
        Some(Self { host: Host::parse(&text.slice_of(host))?, port })
    }

    /// Writes `host[:port]`.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.host.write(out);
        if let Some(port) = self.port {
            out.push(b':');
            scan::push_number(port.into(), out);
        }
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Ip(address.ip()), port: Some(address.port()) }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => fmt::Display::fmt(name, f),
            Self::Ip(IpAddr::V4(ip)) => fmt::Display::fmt(ip, f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => fmt::Display::fmt(&self.host, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_an_optional_port() {
        let read = |text: &str| HostPort::parse(&ByteStr::from(text)).map(|h| h.to_string());
        assert_eq!(read("example.com : 5070"), Some("example.com:5070".into()));
        assert_eq!(read("[2001:db8::9:1]:5060"), Some("[2001:db8::9:1]:5060".into()));
        assert_eq!(read("192.0.2.1"), Some("192.0.2.1".into()));
        assert_eq!(read("host:99999"), None);
        assert_eq!(read("ho st"), None);
        assert_eq!(read(""), None);
    }
}
