//! Where a server is: from its configured name to an ordered list of addresses (RFC 3263 §4, RFC 2782).
//!
//! A numeric host is its own target. A name with a port is looked up for addresses. A name without a port is asked for
//! SRV records of its transport first, and for addresses under the default port when it has none. NAPTR is not asked:
//! the transport is configured.

use super::{Answer, Query, ServerAddress};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use voip_core::net::Transport;
use voip_core::rng::Rng;

/// One address to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Transport.
    pub transport: Transport,
    /// Address.
    pub address: SocketAddr,
    /// The name that was configured: what a certificate must show (RFC 5922 §7.2). An IPv6 address has no brackets.
    pub server_name: String,
}

/// A look-up under way.
#[derive(Debug)]
pub struct Resolution {
    server: ServerAddress,
    queries: VecDeque<Query>,
    /// Addresses found, in order; a name that is still looked up holds its place.
    places: Vec<Place>,
    pending: usize,
    told: bool,
}

#[derive(Debug)]
struct Place {
    name: String,
    port: u16,
    addresses: Option<Vec<IpAddr>>,
}

/// SRV records and addresses used at the most: who publishes more does not mean them all to be tried for one call.
const MAX_PLACES: usize = 16;

impl Resolution {
    /// Begins to look up a server.
    pub fn new(server: &ServerAddress) -> Self {
        let mut resolution =
            Self { server: server.clone(), queries: VecDeque::new(), places: Vec::new(), pending: 0, told: false };
        let host = server.bare_host();
        let default_port = server.transport.default_port();
        if let Ok(ip) = host.parse::<IpAddr>() {
            let port = server.port.unwrap_or(default_port);
            resolution.places.push(Place { name: host.to_owned(), port, addresses: Some(vec![ip]) });
        } else if let Some(port) = server.port {
            resolution.ask_addresses(host.to_owned(), port);
        } else {
            resolution.ask(Query::Srv(format!("{}{host}", service(server.transport))));
        }
        resolution
    }

    fn ask(&mut self, query: Query) {
        self.pending += 1;
        self.queries.push_back(query);
    }

    fn ask_addresses(&mut self, name: String, port: u16) {
        self.places.push(Place { name: name.clone(), port, addresses: None });
        self.ask(Query::Addresses(name));
    }

    /// What is to be asked. Answers may come in any order between queries of different names.
    pub fn poll_query(&mut self) -> Option<Query> {
        self.queries.pop_front()
    }

    /// DNS answered `query`.
    pub fn handle_answer(&mut self, query: &Query, answer: Answer, rng: &mut Rng) {
        self.pending = self.pending.saturating_sub(1);
        match (query, answer) {
            (Query::Srv(_), Answer::Srv(records)) => self.handle_srv(records, rng),
            (Query::Addresses(name), Answer::Addresses(mut addresses)) => {
                addresses.truncate(MAX_PLACES);
                let same_name = self.places.iter_mut().filter(|place| place.name == *name);
                for place in same_name.filter(|place| place.addresses.is_none()) {
                    place.addresses = Some(addresses.clone());
                }
            }
            // An answer of the wrong kind is no answer.
            (Query::Srv(_), Answer::Addresses(_)) => self.handle_srv(Vec::new(), rng),
            (Query::Addresses(_), Answer::Srv(_)) => {}
        }
    }

    fn handle_srv(&mut self, mut records: Vec<(u16, u16, u16, String)>, rng: &mut Rng) {
        // A target of "." says that the service is decidedly not there (RFC 2782).
        let refused = records.len() == 1 && matches!(records[0].3.as_str(), "." | "");
        if refused {
            return;
        }
        if records.is_empty() {
            let name = self.server.host.trim_end_matches('.').to_owned();
            self.ask_addresses(name, self.server.transport.default_port());
            return;
        }
        records.sort_by_key(|(priority, weight, ..)| (*priority, *weight));
        let mut ordered = Vec::with_capacity(records.len());
        while let Some(first) = records.first() {
            let priority = first.0;
            let same = records.iter().take_while(|record| record.0 == priority).count();
            ordered.push(records.remove(pick(&records[..same], rng)));
        }
        ordered.truncate(MAX_PLACES);
        let mut asked = Vec::new();
        for (_, _, port, name) in ordered {
            let name = name.trim_end_matches('.').to_owned();
            self.places.push(Place { name: name.clone(), port, addresses: None });
            if !asked.contains(&name) {
                self.ask(Query::Addresses(name.clone()));
                asked.push(name);
            }
        }
    }

    /// The targets in order, once everything asked has been answered; empty when the name leads nowhere. Told once.
    pub fn poll_targets(&mut self) -> Option<Vec<Target>> {
        if self.pending > 0 || self.told {
            return None;
        }
        self.told = true;
        let mut targets = Vec::new();
        for place in self.places.drain(..) {
            for ip in place.addresses.unwrap_or_default() {
                targets.push(Target {
                    transport: self.server.transport,
                    address: SocketAddr::new(ip, place.port),
                    server_name: self.server.bare_host().to_owned(),
                });
            }
        }
        targets.truncate(MAX_PLACES);
        Some(targets)
    }
}

/// Service and protocol labels (RFC 3263 §4.2).
fn service(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp.",
        Transport::Tcp => "_sip._tcp.",
        Transport::Tls => "_sips._tcp.",
        Transport::Ws => "_sip._ws.",
        Transport::Wss => "_sips._ws.",
    }
}

/// One of several records of equal priority, by weight (RFC 2782): those of weight zero, first in the list, have a
/// small chance.
fn pick(records: &[(u16, u16, u16, String)], rng: &mut Rng) -> usize {
    let total: u32 = records.iter().map(|record| u32::from(record.1)).sum();
    let drawn = rng.below(total + 1);
    let mut sum = 0;
    records
        .iter()
        .position(|record| {
            sum += u32::from(record.1);
            sum >= drawn
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: Option<u16>, transport: Transport) -> ServerAddress {
        ServerAddress { host: host.into(), port, transport }
    }

    fn addresses(resolution: &mut Resolution) -> Vec<String> {
        resolution.poll_targets().unwrap().iter().map(|target| target.address.to_string()).collect()
    }

    #[test]
    fn a_numeric_host_is_asked_nothing() {
        let mut resolution = Resolution::new(&server("127.0.0.3", Some(5070), Transport::Udp));
        assert_eq!(resolution.poll_query(), None);
        assert_eq!(addresses(&mut resolution), ["127.0.0.3:5070"]);
        let mut resolution = Resolution::new(&server("[2001:db8::1]", None, Transport::Tls));
        let targets = resolution.poll_targets().unwrap();
        assert_eq!(targets[0].address.to_string(), "[2001:db8::1]:5061");
        assert_eq!(targets[0].server_name, "2001:db8::1", "a certificate names an address without brackets");
    }

    #[test]
    fn a_port_rules_srv_out() {
        let mut resolution = Resolution::new(&server("sip.example.com", Some(5061), Transport::Tls));
        let query = resolution.poll_query().unwrap();
        assert_eq!(query, Query::Addresses("sip.example.com".into()));
        assert_eq!(resolution.poll_targets(), None);
        let answer = Answer::Addresses(vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
        resolution.handle_answer(&query, answer, &mut Rng::from_number(1));
        assert_eq!(addresses(&mut resolution), ["192.0.2.1:5061", "[2001:db8::1]:5061"]);
    }

    #[test]
    fn srv_records_are_ordered_by_priority_and_drawn_by_weight() {
        let mut heavy_first = 0;
        for seed in 0..400 {
            let mut rng = Rng::from_number(seed);
            let mut resolution = Resolution::new(&server("example.com", None, Transport::Tcp));
            let srv = resolution.poll_query().unwrap();
            assert_eq!(srv, Query::Srv("_sip._tcp.example.com".into()));
            let record = |priority, weight, port, name: &str| (priority, weight, port, name.to_owned());
            let records = vec![record(20, 0, 5060, "backup."), record(10, 30, 5060, "b."), record(10, 90, 5062, "a.")];
            resolution.handle_answer(&srv, Answer::Srv(records), &mut rng);
            while let Some(query) = resolution.poll_query() {
                let Query::Addresses(name) = &query else { panic!("asked {query:?}") };
                let ip = match name.as_str() {
                    "a" => "192.0.2.1",
                    "b" => "192.0.2.2",
                    _ => "192.0.2.3",
                };
                resolution.handle_answer(&query, Answer::Addresses(vec![ip.parse().unwrap()]), &mut rng);
            }
            let order = addresses(&mut resolution);
            assert_eq!(order[2], "192.0.2.3:5060");
            heavy_first += usize::from(order[0] == "192.0.2.1:5062");
        }
        // Three quarters, give or take three standard deviations.
        assert!((270..330).contains(&heavy_first), "{heavy_first} of 400");
    }

    #[test]
    fn without_srv_the_name_itself_is_looked_up_and_a_dot_ends_it() {
        let mut rng = Rng::from_number(1);
        let mut resolution = Resolution::new(&server("example.com", None, Transport::Udp));
        let srv = resolution.poll_query().unwrap();
        resolution.handle_answer(&srv, Answer::Srv(vec![]), &mut rng);
        let query = resolution.poll_query().unwrap();
        resolution.handle_answer(&query, Answer::Addresses(vec!["192.0.2.9".parse().unwrap()]), &mut rng);
        assert_eq!(addresses(&mut resolution), ["192.0.2.9:5060"]);
        let mut resolution = Resolution::new(&server("example.com", None, Transport::Udp));
        let srv = resolution.poll_query().unwrap();
        resolution.handle_answer(&srv, Answer::Srv(vec![(0, 0, 0, ".".into())]), &mut rng);
        assert_eq!(resolution.poll_query(), None);
        assert!(addresses(&mut resolution).is_empty());
    }
}
