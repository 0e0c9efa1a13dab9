//! DNS look-ups as the system does them: addresses and hosts files first, then the servers of `/etc/resolv.conf`.
//!
//! RFC 3263 order is the endpoint's; here are the bare questions. The configuration is read at the first question and
//! again when the file has changed, so a host that comes up before its network, or moves, needs no restart; where it is
//! missing each question fails with words in the log. `localhost` is this host without asking (RFC 6761 §6.3).

use crate::endpoint::{Answer, Query};
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::Query as Question;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Records taken of an answer at most: a service has a handful, and each may lead to further questions.
const MOST_RECORDS: usize = 32;

const CONFIGURATION: &str = "/etc/resolv.conf";

/// Asks DNS.
#[derive(Default)]
pub(super) struct Resolver {
    state: Mutex<Option<(Option<SystemTime>, TokioResolver)>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// The answer where there is none.
pub(super) const fn nothing(query: &Query) -> Answer {
    match query {
        Query::Srv(_) => Answer::Srv(Vec::new()),
        Query::Addresses(_) => Answer::Addresses(Vec::new()),
    }
}

/// The answer that needs no asking: a name that is an address, or this host.
pub(super) fn known(query: &Query) -> Option<Answer> {
    let Query::Addresses(name) = query else { return None };
    if let Ok(ip) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Some(Answer::Addresses(vec![ip]));
    }
    let bare = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    (bare == "localhost" || bare.ends_with(".localhost"))
        .then(|| Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]))
}

impl Resolver {
    /// Asks; the error is for people.
    pub(super) async fn ask(&self, query: &Query) -> Result<Answer, String> {
        match query {
            Query::Srv(name) => self.services(name).await.map(Answer::Srv),
            Query::Addresses(name) => match in_hosts(name) {
                Some(addresses) => Ok(Answer::Addresses(addresses)),
                None => self.addresses(name).await.map(Answer::Addresses),
            },
        }
    }

    async fn services(&self, name: &str) -> Result<Vec<(u16, u16, u16, String)>, String> {
        // Fully qualified: a search list makes no sense of a service's name, and each of its entries would cost time.
        let absolute = if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
        let lookup = self.resolver()?.lookup(absolute, RecordType::SRV).await.map(Some).or_else(no_records)?;
        let records = lookup.iter().flat_map(|lookup| lookup.answers());
        Ok(records
            .filter_map(|record| if let RData::SRV(srv) = &record.data { Some(srv) } else { None })
            .take(MOST_RECORDS)
            .map(|srv| (srv.priority, srv.weight, srv.port, srv.target.to_ascii().trim_end_matches('.').to_owned()))
            .collect())
    }

    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let lookup = self.resolver()?.lookup_ip(name).await.map_err(|error| error.to_string())?;
        Ok(lookup.iter().take(MOST_RECORDS).collect())
    }

    /// The resolver of the configuration as it is now.
    fn resolver(&self) -> Result<TokioResolver, String> {
        let changed = std::fs::metadata(CONFIGURATION).and_then(|file| file.modified()).ok();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((as_of, resolver)) = &*state
            && *as_of == changed
        {
            return Ok(resolver.clone());
        }
        let resolver = build().map_err(|error| {
            format!("no DNS server is known ({CONFIGURATION}: {error}); name one there, or write addresses for names")
        })?;
        *state = Some((changed, resolver.clone()));
        Ok(resolver)
    }
}

fn build() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    // IPv4 first: carriers that have IPv6 addresses and do not answer there are more common than the reverse.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    builder.build()
}

/// No such record is an answer: an empty one.
fn no_records<T>(error: NetError) -> Result<Option<T>, String> {
    if error.is_no_records_found() || error.is_nx_domain() { Ok(None) } else { Err(error.to_string()) }
}

/// The addresses that the hosts file gives, read anew each time: it is small, and people change it while things run.
fn in_hosts(name: &str) -> Option<Vec<IpAddr>> {
    let name = Name::from_utf8(name).ok()?;
    let hosts = Hosts::from_system().ok()?;
    let found: Vec<IpAddr> = [RecordType::A, RecordType::AAAA]
        .into_iter()
        .filter_map(|kind| hosts.lookup_static_host(&Question::query(name.clone(), kind)))
        .flat_map(|lookup| lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
        .collect();
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_known_without_asking() {
        let ask = |name: &str| known(&Query::Addresses(name.to_owned()));
        let loopback = Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        assert_eq!(ask("LocalHost."), Some(loopback));
        assert_eq!(ask("[2001:db8::1]"), Some(Answer::Addresses(vec!["2001:db8::1".parse().unwrap()])));
        assert_eq!(ask("192.0.2.7"), Some(Answer::Addresses(vec!["192.0.2.7".parse().unwrap()])));
        assert_eq!(ask("notlocalhost"), None);
        assert_eq!(known(&Query::Srv("_sip._udp.localhost".to_owned())), None);
    }
}
