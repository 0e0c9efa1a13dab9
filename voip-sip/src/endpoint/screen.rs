//! Who a request comes from: decided before anything is kept of it or answered to it.
//!
//! A source address that a peer lists identifies that peer, the longest prefix first. A request from anywhere else may
//! prove itself by digest, where a peer asks for that and the transport is one of its servers'; a stranger learns
//! nothing and costs nothing.

use super::config::PeerConfig;
use crate::call::PeerId;
use ipnet::IpNet;
use std::net::IpAddr;
use voip_core::net::Transport;

/// Sources and the peers they identify.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// Longest prefix first.
    networks: Vec<(IpNet, PeerId)>,
    /// Peers identified by digest, with the transports they come by.
    challenged: Vec<(PeerId, Vec<Transport>)>,
}

/// What the source says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It is this peer.
    Peer(PeerId),
    /// It may be one that proves itself.
    Challenge,
    /// It is nobody.
    Stranger,
}

impl Screen {
    pub(super) fn add(&mut self, id: PeerId, peer: &PeerConfig) {
        self.networks.extend(peer.identify.iter().map(|net| (*net, id)));
        self.networks.sort_by_key(|(net, id)| (std::cmp::Reverse(net.prefix_len()), *id));
        if peer.challenge {
            self.challenged.push((id, peer.servers.iter().map(|server| server.transport).collect()));
        }
    }

    pub(super) fn source(&self, remote: IpAddr, transport: Transport) -> Source {
        let remote = remote.to_canonical();
        if let Some((_, id)) = self.networks.iter().find(|(net, _)| net.contains(&remote)) {
            return Source::Peer(*id);
        }
        let may_prove = self.challenged.iter().any(|(_, transports)| transports.contains(&transport));
        if may_prove { Source::Challenge } else { Source::Stranger }
    }

    /// The peers that may prove themselves over this transport.
    pub(super) fn challenged(&self, transport: Transport) -> impl Iterator<Item = PeerId> {
        self.challenged.iter().filter(move |(_, transports)| transports.contains(&transport)).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::SessionTimerConfig;
    use crate::transport::{ServerAddress, TlsProfile};

    fn peer(identify: &[&str], challenge: bool, transport: Transport) -> PeerConfig {
        PeerConfig {
            name: "x".into(),
            servers: vec![ServerAddress { host: "h".into(), port: None, transport }],
            credentials: None,
            identify: identify.iter().map(|net| net.parse().unwrap()).collect(),
            challenge,
            tls: TlsProfile(0),
            session_timer: SessionTimerConfig::default(),
            contact_user: None,
            qualify_interval: None,
        }
    }

    #[test]
    fn the_longest_prefix_decides_and_strangers_are_nobody() {
        let mut screen = Screen::default();
        screen.add(PeerId(0), &peer(&["81.88.86.0/24", "10.0.0.0/8"], false, Transport::Tcp));
        screen.add(PeerId(1), &peer(&["10.1.0.0/16"], false, Transport::Udp));
        screen.add(PeerId(2), &peer(&[], true, Transport::Tls));
        let source = |ip: &str, transport| screen.source(ip.parse().unwrap(), transport);
        assert_eq!(source("81.88.86.65", Transport::Udp), Source::Peer(PeerId(0)));
        assert_eq!(source("10.1.2.3", Transport::Udp), Source::Peer(PeerId(1)));
        assert_eq!(source("::ffff:10.2.2.3", Transport::Udp), Source::Peer(PeerId(0)));
        assert_eq!(source("203.0.113.5", Transport::Udp), Source::Stranger);
        assert_eq!(source("203.0.113.5", Transport::Tls), Source::Challenge);
        assert_eq!(screen.challenged(Transport::Tls).collect::<Vec<_>>(), [PeerId(2)]);
    }
}
