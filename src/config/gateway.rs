//! Every section but the trunks: gateway, listeners, media, session timer, limits, routes.

use super::section::{Section, one_of};
use super::tls::ServerIdentity;
use super::{Context, Environment, values};
use crate::number::NumberPattern;
use crate::observe::log::LogFilter;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use voip_core::net::Transport;

/// `[gateway]`.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// The address written into Via, Contact and SDP towards anyone outside `local_networks`. `None`: no NAT.
    pub public_address: Option<IpAddr>,
    /// Networks reached without crossing the NAT.
    pub local_networks: Vec<IpNet>,
    /// The UDP ports for RTP and RTCP.
    pub rtp_ports: PortRange,
    /// What User-Agent and Server say.
    pub user_agent: String,
    /// What is logged, unless the command line or `RUST_LOG` says otherwise.
    pub log: LogFilter,
    /// What a request from nobody known gets.
    pub unknown_sources: UnknownSources,
    /// Bridged calls at the same time, all trunks together.
    pub max_calls: u32,
    /// Where call records go.
    pub call_records: CallRecords,
    /// The Unix socket on which `status` is answered; `None`: nowhere.
    pub status_socket: Option<PathBuf>,
    /// How long a shutdown waits for BYE and un-REGISTER to be answered.
    pub shutdown_timeout: Duration,
    /// Threads that move RTP.
    pub media_threads: usize,
    /// How long a media thread lets packets gather before it handles them together.
    pub rtp_gather: Duration,
}

/// UDP ports for media: even ports carry RTP, the odd ones above them RTCP (RFC 3550 §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port, included.
    pub last: u16,
}

impl PortRange {
    /// How many pairs of an even and the next odd port it holds.
    pub const fn pairs(self) -> u32 {
        let first_even = self.first as u32 + self.first as u32 % 2;
        (self.last as u32 + 1).saturating_sub(first_even) / 2
    }

    /// Whether the port lies in it.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    fn parse(text: &str) -> Result<Self, String> {
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let ends = text.split_once('-').and_then(|(first, last)| Some((port(first)?, port(last)?)));
        match ends {
            None => Err("is no range of ports".to_owned()),
            Some((first, last)) if first > last => Err("ends before it begins".to_owned()),
            Some((first, last)) => match (Self { first, last }) {
                range if range.pairs() < 2 => {
                    Err("has no room for one call: each of its two legs takes an even port and the next".to_owned())
                }
                range => Ok(range),
            },
        }
    }
}

/// What a request from an unknown source gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownSources {
    /// No answer: a scanner learns nothing.
    Ignore,
    /// 403.
    Reject,
}

/// Where call records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRecords {
    /// One line each on standard output.
    Stdout,
    /// Appended to a file.
    File(PathBuf),
    /// Nowhere.
    Off,
}

impl Gateway {
    pub(super) fn read(section: &mut Section<'_>, context: &Context<'_>) -> Self {
        let public_address =
            section.parse("public_address", "public_address = \"203.0.113.10\"", |text| match text.parse::<IpAddr>() {
                Ok(address) if address.is_unspecified() || address.is_multicast() => {
                    Err("is an address nobody can be reached at".to_owned())
                }
                Ok(address) => Ok(address),
                Err(_) => Err("is not an IP address; a host name will not do here".to_owned()),
            });
        let local_networks = section.list("local_networks", "local_networks = [\"10.0.0.0/8\"]", values::network);
        let rtp_ports = section.parse("rtp_ports", "rtp_ports = \"10000-20000\"", PortRange::parse);
        let user_agent = section.parse("user_agent", "user_agent = \"voip\"", |text| {
            if text.chars().any(char::is_control) {
                Err("holds a control character".to_owned())
            } else {
                Ok(text.to_owned())
            }
        });
        let log =
            section.parse("log", "log = \"info\"", |text| LogFilter::parse(text).map_err(|error| error.to_string()));
        let unknown_sources = section
            .choice("unknown_sources", &[("ignore", UnknownSources::Ignore), ("reject", UnknownSources::Reject)]);
        let max_calls = section.whole("max_calls", 1..=100_000, "max_calls = 500");
        let call_records = section.text("call_records", "call_records = \"stdout\"").map(|text| match text {
            "stdout" => CallRecords::Stdout,
            "off" => CallRecords::Off,
            path => CallRecords::File(context.path(path)),
        });
        let status_socket =
            section.text("status_socket", "status_socket = \"/run/voip/status.sock\"").map(|text| match text {
                "off" => None,
                path => Some(context.path(path)),
            });
        let shutdown_timeout = section.seconds("shutdown_timeout", 0..=60, "shutdown_timeout = 4");
        let media_threads = section.whole("media_threads", 1..=256, "media_threads = 2");
        let rtp_gather_us = section.whole("rtp_gather_us", 0..=5000, "rtp_gather_us = 750");
        section.finish();
        Self {
            public_address,
            local_networks: local_networks.unwrap_or_else(default_local_networks),
            rtp_ports: rtp_ports.unwrap_or(PortRange { first: 10_000, last: 20_000 }),
            user_agent: user_agent.unwrap_or_else(|| "voip".to_owned()),
            log: log.unwrap_or_default(),
            unknown_sources: unknown_sources.unwrap_or(UnknownSources::Ignore),
            max_calls: max_calls.unwrap_or(500),
            call_records: call_records.unwrap_or(CallRecords::Stdout),
            status_socket: status_socket.unwrap_or_else(|| Some(default_status_socket(context.environment))),
            // One second less than the five in which a gateway must be gone, so that the last word is heard.
            shutdown_timeout: shutdown_timeout.unwrap_or(Duration::from_secs(4)),
            // One carries hundreds of calls.
            media_threads: media_threads.unwrap_or(1) as usize,
            rtp_gather: Duration::from_micros(u64::from(rtp_gather_us.unwrap_or(750))),
        }
    }
}

/// The private networks of RFC 1918 and RFC 4193, and the link-local ones of RFC 3927 and RFC 4291.
fn default_local_networks() -> Vec<IpNet> {
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"]
        .iter()
        .map(|net| net.parse().expect("a network"))
        .collect()
}

/// Where the status socket is when nothing is configured: a directory that belongs to the user alone, so that nobody
/// else can put a socket there first.
///
/// `$XDG_RUNTIME_DIR/voip/status.sock` where that variable names a directory, `/run/voip/status.sock` for root,
/// `/tmp/voip-UID/status.sock` for anyone else; the directory is made with mode 0700 and used only if it belongs to
/// the user.
pub fn default_status_socket(environment: &dyn Environment) -> PathBuf {
    let runtime = environment.variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = match (runtime, environment.user_id()) {
        (Some(runtime), _) => runtime.join("voip"),
        (None, Some(0)) => PathBuf::from("/run/voip"),
        (None, Some(uid)) => PathBuf::from(format!("/tmp/voip-{uid}")),
        (None, None) => Path::new("/tmp").join("voip"),
    };
    directory.join("status.sock")
}

/// One `[[listen]]`.
#[derive(Clone, Debug)]
pub struct Listen {
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// The address and port; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// What a TLS listener presents; always there for TLS, never for the others.
    pub identity: Option<ServerIdentity>,
}

impl Listen {
    pub(super) fn read(section: &mut Section<'_>, context: &Context<'_>) -> Option<Self> {
        section.require("transport", "transport = \"udp\"");
        let transports = [("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls)];
        let transport = section.choice("transport", &transports);
        section.require("bind", "bind = \"0.0.0.0:5060\"");
        let bind = section.parse("bind", "bind = \"0.0.0.0:5060\"", |text| {
            text.parse::<SocketAddr>().map_err(|_| "is not an IP address with a port".to_owned())
        });
        let identity = if transport == Some(Transport::Tls) {
            section.require("certificate", "certificate = \"fullchain.pem\"");
            section.require("private_key", "private_key = \"privkey.pem\"");
            Some(ServerIdentity::read(section, context)?)
        } else {
            for key in ["certificate", "private_key"] {
                if section.take(key).is_some() && transport.is_some() {
                    section.mistake(key, "is for TLS only", "write transport = \"tls\", or leave the key out");
                }
            }
            None
        };
        section.finish();
        Some(Self { transport: transport?, bind: bind?, identity })
    }

    /// UDP and TCP on port 5060 of every IPv4 address: what RFC 3261 §18.2.1 asks of every element.
    pub(super) fn defaults() -> Vec<Self> {
        let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5060));
        [Transport::Udp, Transport::Tcp].map(|transport| Self { transport, bind, identity: None }).into()
    }
}

/// `[media]`, and what a trunk overrides of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Silence on RTP after which a call is ended; `None`: never.
    pub rtp_timeout: Option<Duration>,
    /// The same while a call is on hold.
    pub rtp_timeout_hold: Option<Duration>,
    /// How often something is sent when there is nothing to send; `None`: never.
    pub rtp_keepalive: Option<Duration>,
    /// Send to where packets come from, not to where SDP says.
    pub symmetric: bool,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            rtp_timeout: Some(Duration::from_secs(8)),
            rtp_timeout_hold: Some(Duration::from_secs(12)),
            rtp_keepalive: Some(Duration::from_secs(1)),
            symmetric: true,
        }
    }
}

impl Media {
    /// These values where the section has none of its own.
    pub(super) fn read(&self, section: &mut Section<'_>) -> Self {
        let mut interval = |key, default, example: &str| match section.seconds(key, 0..=86_400, example) {
            Some(Duration::ZERO) => None,
            Some(interval) => Some(interval),
            None => default,
        };
        let rtp_timeout = interval("rtp_timeout", self.rtp_timeout, "rtp_timeout = 8 (0: never)");
        let rtp_timeout_hold = interval("rtp_timeout_hold", self.rtp_timeout_hold, "rtp_timeout_hold = 12 (0: never)");
        let rtp_keepalive = interval("rtp_keepalive", self.rtp_keepalive, "rtp_keepalive = 1 (0: off)");
        let symmetric = section.flag("symmetric").unwrap_or(self.symmetric);
        if let (Some(keepalive), Some(timeout)) = (rtp_keepalive, rtp_timeout)
            && keepalive >= timeout
            && (section.has("rtp_keepalive") || section.has("rtp_timeout"))
        {
            section.warning(
                "rtp_keepalive",
                "is not below rtp_timeout: a peer with the same settings would hang up in between",
                "keepalives every second cost 50 times less than speech",
            );
        }
        Self { rtp_timeout, rtp_timeout_hold, rtp_keepalive, symmetric }
    }
}

/// `[session_timer]` (RFC 4028), and what a trunk overrides of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// The shortest session expiry accepted.
    pub min_se: Duration,
    /// The session expiry asked for.
    pub expires: Duration,
}

impl Default for SessionTimer {
    fn default() -> Self {
        Self { min_se: Duration::from_secs(90), expires: Duration::from_secs(1800) }
    }
}

impl SessionTimer {
    /// These values where the section has none of its own.
    pub(super) fn read(&self, section: &mut Section<'_>) -> Self {
        // RFC 4028 §5: no Min-SE below 90 s.
        let seconds = |number: u32| Duration::from_secs(u64::from(number));
        let min_se = section.whole("min_se", 90..=86_400, "min_se = 90").map_or(self.min_se, seconds);
        let expires = section.whole("expires", 90..=86_400, "expires = 1800").map_or(self.expires, seconds);
        section.finish();
        if expires < min_se {
            section.mistake(
                if section.has("expires") { "expires" } else { "min_se" },
                format!("expires ({} s) is below min_se ({} s)", expires.as_secs(), min_se.as_secs()),
                "write, for example: min_se = 90 and expires = 1800",
            );
        }
        Self { min_se, expires }
    }
}

/// `[limits]`: how much strangers, broken peers and busy hours may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// TCP and TLS connections at the same time; the next one is closed at once.
    pub max_connections: usize,
    /// The same from one address.
    pub max_connections_per_source: usize,
    /// The longest SIP message, bytes.
    pub max_message_size: usize,
    /// SIP transactions at the same time; past them requests get 503.
    pub max_transactions: usize,
    /// How long a connection may be silent.
    pub connection_idle_timeout: Duration,
    /// How long a TLS handshake, the first message of a connection or the rest of a begun message may take.
    pub message_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            // A carrier's border controller uses a few connections, a test tool one for each call.
            max_connections_per_source: 512,
            max_message_size: 65_535,
            max_transactions: 65_536,
            connection_idle_timeout: Duration::from_secs(600),
            message_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let mut count = |key, bounds, default: usize, example: &str| {
            section.whole(key, bounds, example).map_or(default, |number| number as usize)
        };
        let limits = Self {
            max_connections: count("max_connections", 1..=1_000_000, default.max_connections, "max_connections = 1024"),
            max_connections_per_source: count(
                "max_connections_per_source",
                1..=1_000_000,
                default.max_connections_per_source,
                "max_connections_per_source = 512",
            ),
            max_message_size: count(
                "max_message_size",
                // RFC 3261 §18.1.1: messages up to the largest datagram must be received. 4 KiB is a small INVITE.
                4096..=1_048_576,
                default.max_message_size,
                "max_message_size = 65535",
            ),
            max_transactions: count(
                "max_transactions",
                100..=10_000_000,
                default.max_transactions,
                "max_transactions = 65536",
            ),
            connection_idle_timeout: section
                .seconds("connection_idle_timeout", 10..=86_400, "connection_idle_timeout = 600")
                .unwrap_or(default.connection_idle_timeout),
            message_timeout: section
                .seconds("message_timeout", 1..=300, "message_timeout = 10")
                .unwrap_or(default.message_timeout),
        };
        section.finish();
        limits
    }
}

/// One `[[route]]`.
#[derive(Clone, Debug)]
pub struct Route {
    /// The trunk the call comes from.
    pub from: String,
    /// The trunk it goes to.
    pub to: String,
    /// Only calls to these numbers; `None`: all.
    pub matching: Option<NumberPattern>,
    /// What is dialled at `to`; `None`: the number that was dialled. Written the way of `to`.
    pub number: Option<String>,
    /// How long the far side may ring.
    pub ring_timeout: Duration,
    /// How long an answered call may last; `None`: as long as it likes.
    pub max_duration: Option<Duration>,
}

impl Route {
    pub(super) fn read(section: &mut Section<'_>, trunks: &[&str]) -> Option<Self> {
        let mut trunk = |key: &'static str, example: &str| {
            section.require(key, example);
            let name = section.text(key, example)?;
            if trunks.contains(&name) {
                return Some(name.to_owned());
            }
            let advice = if trunks.is_empty() {
                format!("add a section [trunk.{name}]")
            } else {
                one_of(name, trunks.iter().copied())
            };
            section.mistake(key, format!("there is no [trunk.{name}]"), advice);
            None
        };
        let from = trunk("from", "from = \"mango\"");
        let to = trunk("to", "to = \"elevenlabs\"");
        let matching = section.parse("match", "match = \"+7495*\"", NumberPattern::parse);
        let number = section.parse("number", "number = \"+74951234567\"", |text| {
            if values::is_user_part(text) { Ok(text.to_owned()) } else { Err("cannot be dialled".to_owned()) }
        });
        // The transaction layer gives up an INVITE after five minutes.
        let ring_timeout = section.seconds("ring_timeout", 1..=300, "ring_timeout = 90");
        let max_duration = section.seconds("max_duration", 0..=604_800, "max_duration = 3600 (0: unlimited)");
        section.finish();
        Some(Self {
            from: from?,
            to: to?,
            matching,
            number,
            ring_timeout: ring_timeout.unwrap_or(Duration::from_secs(90)),
            max_duration: max_duration.filter(|duration| !duration.is_zero()),
        })
    }
}
