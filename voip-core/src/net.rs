//! The network as machines see it: transports, flows, what is to be transmitted, and which address to show to whom.
//!
//! A [`FlowId`] names a UDP socket or one stream connection. Machines never hold a socket: the driver that owns it maps
//! the flow to it.

use bytes::Bytes;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A SIP transport (RFC 3261 §18; RFC 7118 for the WebSocket ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// As written in Via: `UDP`.
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// As written in a URI's `transport` parameter: `udp`.
    pub const fn uri_name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// From either form of its name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.via_name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether the transport delivers reliably, so that nothing is retransmitted over it (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether the transport is encrypted.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether messages come framed, one at a time, and not as a byte stream.
    pub const fn is_message_based(self) -> bool {
        matches!(self, Self::Udp | Self::Ws | Self::Wss)
    }

    /// The port used when none is written (RFC 3261 §19.1.2, RFC 7118 §5.3).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri_name())
    }
}

/// Names a UDP socket or one stream connection for as long as it lives; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow-{}", self.0)
    }
}

/// Bytes to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The socket or connection to send on.
    pub flow: FlowId,
    /// Where to: needed for a UDP socket, informative for a connection.
    pub remote: SocketAddr,
    /// The message, whole.
    pub payload: Bytes,
}

/// Which address this host shows to a peer: its own towards local networks, the public one towards everyone else.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    /// The address that the outside reaches us by, when a NAT stands between. `None`: no NAT.
    pub public: Option<IpAddr>,
    /// Networks in which the own address is the right one even when `public` is set.
    pub local_networks: Vec<IpNet>,
    /// This host's interface addresses with their prefix lengths.
    pub interfaces: Vec<IpNet>,
    /// The interface address that faces the default route.
    pub default_interface: Option<IpAddr>,
}

impl AddressPolicy {
    /// This host's own address as `remote` can see it, for a socket bound to `bound`: `bound` itself unless that is the
    /// unspecified address, else the address of the interface that shares a network with `remote`, else the one
    /// that faces the default route.
    pub fn local(&self, bound: IpAddr, remote: IpAddr) -> IpAddr {
        if !bound.is_unspecified() {
            return bound;
        }
        self.interfaces
            .iter()
            .filter(|net| net.contains(&remote))
            .max_by_key(|net| net.prefix_len())
            .map(IpNet::addr)
            .or_else(|| self.default_interface.filter(|ip| ip.is_ipv4() == remote.is_ipv4()))
            .or_else(|| self.interfaces.iter().map(IpNet::addr).find(|ip| ip.is_ipv4() == remote.is_ipv4()))
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// The address to write into Via, Contact and SDP for `remote`. Loopback and link-local peers are always local.
    pub fn advertised(&self, bound: IpAddr, remote: IpAddr) -> IpAddr {
        match self.public {
            Some(public) if !self.is_local(remote) => public,
            _ => self.local(bound, remote),
        }
    }

    /// Whether `remote` is reached without crossing the NAT.
    pub fn is_local(&self, remote: IpAddr) -> bool {
        remote.is_loopback() || self.local_networks.iter().any(|net| net.contains(&remote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_public_address_is_shown_only_outside_local_networks() {
        let policy = AddressPolicy {
            public: Some(ip("203.0.113.10")),
            local_networks: vec!["10.0.0.0/8".parse().unwrap()],
            interfaces: vec!["127.0.0.1/8".parse().unwrap(), "10.1.0.5/16".parse().unwrap()],
            default_interface: Some(ip("10.1.0.5")),
        };
        let any = ip("0.0.0.0");
        assert_eq!(policy.advertised(any, ip("81.88.86.11")), ip("203.0.113.10"));
        assert_eq!(policy.advertised(any, ip("10.7.0.1")), ip("10.1.0.5"));
        assert_eq!(policy.advertised(any, ip("127.0.0.2")), ip("127.0.0.1"));
        assert_eq!(policy.advertised(ip("10.1.0.9"), ip("10.1.0.1")), ip("10.1.0.9"));
        assert_eq!(policy.local(any, ip("81.88.86.11")), ip("10.1.0.5"));
    }

    #[test]
    fn transports_are_found_by_both_their_names() {
        assert_eq!(Transport::from_name(b"tls"), Some(Transport::Tls));
        assert_eq!(Transport::from_name(b"UDP"), Some(Transport::Udp));
        assert_eq!(Transport::from_name(b"sctp"), None);
    }
}
