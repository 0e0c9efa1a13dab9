//! This host's interface addresses, for the choice of the address that is shown to a peer.

use ipnet::IpNet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use voip_core::net::AddressPolicy;

/// What [`interfaces`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Each interface address with its prefix length.
    pub addresses: Vec<IpNet>,
    /// The address that faces the default route: the IPv4 one when there is one.
    pub default: Option<IpAddr>,
}

impl Interfaces {
    /// Writes what was found into `policy`.
    pub fn fill(self, policy: &mut AddressPolicy) {
        policy.interfaces = self.addresses;
        policy.default_interface = self.default;
    }
}

/// Reads the interface addresses of this host. Link-local IPv6 addresses are left out: they mean nothing without a zone.
///
/// # Errors
/// When the operating system does not list its interfaces.
pub fn interfaces() -> io::Result<Interfaces> {
    let mut addresses: Vec<IpNet> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter_map(|interface| match interface.addr {
            if_addrs::IfAddr::V4(v4) => IpNet::new(v4.ip.into(), v4.prefixlen).ok(),
            if_addrs::IfAddr::V6(v6) if v6.is_link_local() => None,
            if_addrs::IfAddr::V6(v6) => IpNet::new(v6.ip.into(), v6.prefixlen).ok(),
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    // Addresses of documentation networks (RFC 5737, RFC 3849): nobody is there, and nothing is sent to them.
    let default = source_towards(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
        .or_else(|| source_towards(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))));
    Ok(Interfaces { addresses, default })
}

/// The source address that the routing table picks towards `remote`. Connecting a UDP socket sends nothing.
fn source_towards(remote: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(remote, 9)).ok()?;
    let source = socket.local_addr().ok()?.ip();
    (!source.is_unspecified()).then_some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_listed_and_is_the_source_towards_itself() {
        let found = interfaces().unwrap();
        assert!(found.addresses.iter().any(|net| net.addr() == IpAddr::V4(Ipv4Addr::LOCALHOST)), "{found:?}");
        assert_eq!(source_towards(Ipv4Addr::LOCALHOST.into()), Some(Ipv4Addr::LOCALHOST.into()));
        let mut policy = AddressPolicy::default();
        found.clone().fill(&mut policy);
        assert_eq!((policy.interfaces, policy.default_interface), (found.addresses, found.default));
    }
}
