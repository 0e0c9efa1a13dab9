//! What a server is called, what is asked about its name, and which TLS settings lead to it.
//!
//! Words shared by configuration, look-up, flows and the driver; RFC 3263 gives the questions their meaning. The look-up
//! itself is in `target`.

use std::net::IpAddr;
use voip_core::net::Transport;

/// Where a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Host name or address; an IPv6 address may stand in brackets.
    pub host: String,
    /// Port, when written; SRV is asked for a name without one (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// Transport.
    pub transport: Transport,
}

impl ServerAddress {
    /// The host without the brackets that an IPv6 address may stand in: what is parsed, looked up, and shown in SNI.
    pub fn bare_host(&self) -> &str {
        let inner = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(&self.host)
    }
}

/// Names a set of TLS settings that the driver holds: trust anchors, whether to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct TlsProfile(pub u32);

/// A DNS question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// SRV records of a name such as `_sips._tcp.example.com`.
    Srv(String),
    /// A and AAAA records.
    Addresses(String),
}

/// What DNS said; an empty list where there is no such record or no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Priority, weight, port, target.
    Srv(Vec<(u16, u16, u16, String)>),
    /// Addresses.
    Addresses(Vec<IpAddr>),
}
