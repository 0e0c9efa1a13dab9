//! Values with a form of their own: server URIs, networks, and how their mistakes are worded.

use ipnet::IpNet;
use std::fmt;
use std::io;
use std::net::IpAddr;
use voip_core::net::Transport;

/// Where a trunk's server is: host, port and transport, written as a SIP URI (RFC 3261 §19.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUri {
    /// A host name, an IPv4 address or an IPv6 address (without brackets), in lower case.
    pub host: String,
    /// The port, when one is written: then no SRV records are looked up (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// The transport: UDP unless the URI says otherwise, TLS for `sips:`.
    pub transport: Transport,
}

impl ServerUri {
    /// Reads `sip:host[:port][;transport=udp|tcp|tls]`, or the same with `sips:`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (secure, rest) = if let Some(rest) = strip_prefix_ignore_case(text, "sip:") {
            (false, rest)
        } else if let Some(rest) = strip_prefix_ignore_case(text, "sips:") {
            (true, rest)
        } else {
            return Err("does not begin with sip:".to_owned());
        };
        if rest.contains('@') {
            return Err("has a user part; the user goes into username".to_owned());
        }
        let (authority, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let mut transport = if secure { Transport::Tls } else { Transport::Udp };
        for parameter in parameters.split(';').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("transport") => {
                    transport = match Transport::from_name(value.as_bytes()) {
                        Some(found @ (Transport::Udp | Transport::Tcp | Transport::Tls)) => found,
                        Some(Transport::Ws | Transport::Wss) | None => {
                            return Err(format!("has the transport {value}; a trunk speaks udp, tcp or tls"));
                        }
                    };
                    if secure && !transport.is_secure() {
                        return Err("asks for sips: and for a transport without TLS".to_owned());
                    }
                }
                Some(_) | None => return Err(format!("has the parameter {parameter}; only transport is known")),
            }
        }
        let (host, port) = split_authority(authority)?;
        let host = host.to_ascii_lowercase();
        if host.parse::<IpAddr>().is_err() && !is_host_name(&host) {
            return Err("has no host name or IP address".to_owned());
        }
        Ok(Self { host, port, transport })
    }

    /// The address, when the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The host as a URI writes it: an IPv6 address in brackets.
    pub fn uri_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip:{}", self.uri_host())?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, ";transport={}", self.transport)
    }
}

fn split_authority(authority: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("has no closing bracket after the IPv6 address")?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("has brackets around what is no IPv6 address".to_owned());
        }
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err("has something other than a port after the IPv6 address".to_owned()),
        }
    } else {
        match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("has an IPv6 address without brackets".to_owned());
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port = match port {
        None => None,
        Some(port) => Some(
            port.parse::<u16>()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("has the port {port}; a port is a number from 1 to 65535"))?,
        ),
    };
    Ok((host, port))
}

fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let all_digits_and_dots = host.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    host.len() <= 253 && !all_digits_and_dots && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn strip_prefix_ignore_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    text.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix)).map(|_| &text[prefix.len()..])
}

/// A network, or a single address as the network of itself.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    match text.split_once('/') {
        Some((address, length)) => {
            let Ok(address) = address.parse::<IpAddr>() else {
                return Err("has no IP address before the slash".to_owned());
            };
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let length = length.parse::<u8>().ok().filter(|length| *length <= longest);
            let length = length.ok_or_else(|| format!("has no prefix length from 0 to {longest} after the slash"))?;
            Ok(IpNet::new(address, length).expect("the length was checked").trunc())
        }
        None => Err("is neither an IP address nor a network".to_owned()),
    }
}

/// An I/O error in a word or two, without the number the system gives it.
pub(super) fn io_error(error: &io::Error) -> String {
    let known = [
        (io::ErrorKind::NotFound, "there is no such file"),
        (io::ErrorKind::PermissionDenied, "this user may not read it"),
        (io::ErrorKind::IsADirectory, "it is a directory"),
    ];
    let known = known.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}

/// Characters that may stand unescaped in the user part of a SIP URI (RFC 3261 §25.1), and the plus of a number.
pub(super) fn is_user_part(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%#".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_uris_are_read_and_written() {
        for (written, host, port, transport) in [
            ("sip:vpbx400000000.mangosip.ru;transport=tcp", "vpbx400000000.mangosip.ru", None, Transport::Tcp),
            ("sip:sip.rtc.elevenlabs.io:5061;transport=tls", "sip.rtc.elevenlabs.io", Some(5061), Transport::Tls),
            ("sip:127.0.0.3:5060", "127.0.0.3", Some(5060), Transport::Udp),
            ("SIP:Example.COM", "example.com", None, Transport::Udp),
            ("sips:example.com", "example.com", None, Transport::Tls),
            ("sip:[2001:db8::1]:5070;transport=UDP", "2001:db8::1", Some(5070), Transport::Udp),
        ] {
            let uri = ServerUri::parse(written).unwrap();
            assert_eq!((uri.host.as_str(), uri.port, uri.transport), (host, port, transport), "{written}");
            assert_eq!(ServerUri::parse(&uri.to_string()).unwrap(), uri);
        }
    }

    #[test]
    fn wrong_server_uris_say_why() {
        for (written, problem) in [
            ("sip.novofon.ru", "does not begin with sip:"),
            ("sip:user@host", "has a user part; the user goes into username"),
            ("sip:host:0", "has the port 0; a port is a number from 1 to 65535"),
            ("sip:host:sip", "has the port sip; a port is a number from 1 to 65535"),
            ("sip:2001:db8::1", "has an IPv6 address without brackets"),
            ("sip:[2001:db8::1", "has no closing bracket after the IPv6 address"),
            ("sip:host;transport=ws", "has the transport ws; a trunk speaks udp, tcp or tls"),
            ("sip:host;lr", "has the parameter lr; only transport is known"),
            ("sips:host;transport=udp", "asks for sips: and for a transport without TLS"),
            ("sip:", "has no host name or IP address"),
            ("sip:1.2.3", "has no host name or IP address"),
            ("sip:a b", "has no host name or IP address"),
        ] {
            assert_eq!(ServerUri::parse(written).unwrap_err(), problem, "{written}");
        }
    }

    #[test]
    fn networks_are_read_and_host_bits_dropped() {
        assert_eq!(network("81.88.86.11").unwrap().to_string(), "81.88.86.11/32");
        assert_eq!(network("81.88.86.11/24").unwrap().to_string(), "81.88.86.0/24");
        assert_eq!(network("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
        assert!(network("81.88.86.0/33").is_err() && network("mangosip.ru").is_err() && network("1.2.3/8").is_err());
    }
}
