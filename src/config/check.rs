//! What can only be judged with several sections in view: listeners against each other, ports against calls, trunks
//! against listeners, routes against trunks.

use super::gateway::{Gateway, Listen, Route};
use super::section::{Section, Source};
use super::trunk::{CallerShown, Identify, Trunk};
use ipnet::IpNet;
use std::net::SocketAddr;
use voip_core::net::Transport;

/// No two listeners can have the same port, and none a port that RTP uses.
pub(super) fn listens(listens: &[(Listen, Section<'_>)], gateway: &Gateway, gateway_section: &Section<'_>) {
    for (i, (listen, section)) in listens.iter().enumerate() {
        let before = listens[..i].iter().find(|(other, _)| collide(other, listen));
        if let Some((_, other)) = before {
            section.mistake(
                "bind",
                format!("{} is already taken by {}", listen.bind, other.path()),
                "TCP and TLS share their ports: give each listener an address and port of its own",
            );
        }
        let port = listen.bind.port();
        if listen.transport == Transport::Udp && port > 0 && gateway.rtp_ports.contains(port) {
            let problem = format!("port {port} lies within rtp_ports");
            let advice = "choose rtp_ports above it, for example: rtp_ports = \"10000-20000\"";
            section.mistake("bind", problem, advice);
        }
    }
    let unreachable = |address: std::net::IpAddr| {
        !listens.is_empty() && listens.iter().all(|(listen, _)| listen.bind.is_ipv4() != address.is_ipv4())
    };
    if let Some(address) = gateway.public_address.filter(|address| unreachable(*address)) {
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        gateway_section.warning(
            "public_address",
            format!("{address} is {family}, and no listener is"),
            "add a [[listen]] of that family, or leave public_address out",
        );
    }
}

fn collide(a: &Listen, b: &Listen) -> bool {
    let datagrams = |listen: &Listen| listen.transport == Transport::Udp;
    let same_address = |a: SocketAddr, b: SocketAddr| {
        a.ip() == b.ip() || (a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified()))
    };
    datagrams(a) == datagrams(b) && a.bind.port() != 0 && a.bind.port() == b.bind.port() && same_address(a.bind, b.bind)
}

/// Each call takes two pairs of ports.
pub(super) fn ports(gateway: &Gateway, section: &Section<'_>) {
    let calls = gateway.rtp_ports.pairs() / 2;
    if calls < gateway.max_calls {
        section.warning(
            "rtp_ports",
            format!("has room for {calls} calls, and max_calls is {}", gateway.max_calls),
            format!(
                "a call takes four ports: widen rtp_ports to {} ports or more, or lower max_calls",
                u64::from(gateway.max_calls) * 4
            ),
        );
    }
}

/// Each trunk has what it needs, and none claims what is another's. `udp`: there is a UDP listener.
pub(super) fn trunks(trunks: &[(Trunk, Section<'_>)], udp: bool) {
    let mut claimed: Vec<(IpNet, &str)> = Vec::new();
    let mut logins: Vec<(&str, &str)> = Vec::new();
    for (trunk, section) in trunks {
        let password_given = section.has("password");
        if password_given && trunk.username.is_none() && !section.has("username") {
            section.mistake(
                "password",
                "there is a password and no username",
                "add, for example: username = \"eleven\"",
            );
        }
        if trunk.registration.is_some() && trunk.username.is_none() && !section.has("username") {
            section.mistake(
                "register",
                "a trunk that registers needs a username",
                "add username and password, or write register = false",
            );
        }
        if trunk.registration.is_some() && !password_given {
            section.warning(
                "register",
                "there is no password",
                "registrars ask for one: add password = { env = \"...\" }",
            );
        }
        if trunk.outbound_caller == CallerShown::Username && trunk.from_user.is_none() && section.has("outbound_caller")
        {
            section.mistake("outbound_caller", "there is no username to show", "add username or from_user");
        }
        match &trunk.identify {
            Identify::Never => {}
            Identify::Address(networks) => {
                for network in networks {
                    match claimed.iter().find(|(other, _)| other == network) {
                        Some((_, owner)) if *owner == trunk.name => {}
                        Some((_, owner)) => section.mistake(
                            "identify",
                            format!("{network} is already claimed by [trunk.{owner}]"),
                            "a call can come from one trunk only: leave the network to one of them, or write narrower ones",
                        ),
                        None => claimed.push((*network, &trunk.name)),
                    }
                    if network.prefix_len() == 0 {
                        section.warning(
                            "identify",
                            format!("{network} is everyone: anyone can call through this trunk, unasked"),
                            "write the carrier's own networks",
                        );
                    }
                }
            }
            Identify::Credentials(_) => {
                if !section.has("username") || !password_given {
                    section.mistake(
                        "identify_by",
                        "calls are to be identified by credentials, and there are none",
                        "add the username and password that the far side will use",
                    );
                }
                if let Some(login) = &trunk.auth_username {
                    match logins.iter().find(|(other, _)| other == login) {
                        Some((_, owner)) => section.mistake(
                            "username",
                            format!("\"{login}\" already identifies calls of [trunk.{owner}]"),
                            "trunks identified by credentials need different user names",
                        ),
                        None => logins.push((login, &trunk.name)),
                    }
                }
            }
        }
        // A connection can be opened from any port; a datagram needs a socket whose port Via can name.
        let speaks_udp = trunk.servers.iter().any(|server| server.transport == Transport::Udp);
        if speaks_udp && !udp {
            section.mistake(
                "server",
                "is reached over UDP, and there is no [[listen]] with transport = \"udp\"",
                "add one, or append ;transport=tcp if the server speaks TCP",
            );
        }
    }
}

/// Every route can be taken.
pub(super) fn routes(routes: &[(Route, Section<'_>)], trunks: &[(Trunk, Section<'_>)], source: &Source<'_>) {
    for (i, (route, section)) in routes.iter().enumerate() {
        let caught = routes[..i].iter().find(|(other, _)| {
            other.from == route.from && (other.matching.is_none() || other.matching == route.matching)
        });
        if let Some((_, other)) = caught {
            section.mistake(
                "from",
                format!("this route is never taken: {} already takes these calls from {}", other.path(), route.from),
                "put routes with a match first, and one without a match last",
            );
        }
        let from = trunks.iter().find(|(trunk, _)| trunk.name == route.from);
        if let Some((trunk, trunk_section)) = from
            && trunk.identify == Identify::Never
            && !trunk_section.has("identify")
            && !trunk_section.has("identify_by")
        {
            section.mistake(
                "from",
                format!("calls from {} cannot be told from a stranger's", route.from),
                format!(
                    "add to [trunk.{}]: identify = [\"NETWORK/LENGTH\"] or identify_by = \"credentials\"",
                    route.from
                ),
            );
        }
    }
    if routes.is_empty() {
        source.warning(0, "route", "there is no route: every call is refused", "add a [[route]] with from and to");
        return;
    }
    for (trunk, section) in trunks {
        if !routes.iter().any(|(route, _)| route.from == trunk.name || route.to == trunk.name) {
            section.warning("", "no route uses this trunk", "add a [[route]], or leave the trunk out");
        }
    }
}
