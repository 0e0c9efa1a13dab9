//! The gateway's configuration for the demonstration: the same keys as a user's file, free ports on loopback.

use super::{AGENT, Agent, Carrier};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

/// The gateway's place and configuration.
pub(super) struct Setting {
    /// Where the gateway listens, UDP and TCP.
    pub(super) gateway: SocketAddr,
    /// The configuration.
    pub(super) toml: String,
}

impl Setting {
    pub(super) fn new(carrier: &Carrier, agent: &Agent) -> io::Result<Self> {
        let gateway = free_port()?;
        let carrier = carrier.address();
        let agent = agent.tls_address().ok_or_else(|| io::Error::other("the agent serves no TLS"))?;
        let carrier_ip = carrier.ip();
        let toml = format!(
            r#"[gateway]
rtp_ports = "20000-20399"
user_agent = "voip"
call_records = "calls.jsonl"
status_socket = "off"

[[listen]]
transport = "udp"
bind = "{gateway}"
[[listen]]
transport = "tcp"
bind = "{gateway}"

[trunk.mango]
server = "sip:{carrier};transport=tcp"
username = "eleven"
password = "mango-secret"
register = true
identify = ["{carrier_ip}/32"]
codecs = ["pcma", "pcmu"]
dtmf = "rfc4733"
max_calls = 5
number_format = "digits"
called_number_from = ["diversion", "to", "request-uri"]

[trunk.elevenlabs]
server = "sip:{agent};transport=tls"
username = "asterisk_user"
password = "agent-secret"
codecs = ["pcma", "pcmu"]
tls = {{ verify = true, extra_roots = "ca.pem" }}
identify_by = "credentials"
srtp = "disabled"

[[route]]
from = "mango"
to = "elevenlabs"
number = "{AGENT}"
ring_timeout = 90
"#
        );
        Ok(Self { gateway, toml })
    }

    /// Writes the configuration and the authority behind the agent's certificate; the path of the former.
    pub(super) fn write(&self, directory: &Path, agent: &Agent) -> io::Result<PathBuf> {
        if let Some(identity) = agent.identity() {
            std::fs::write(directory.join("ca.pem"), &identity.authority_pem)?;
        }
        let path = directory.join("gateway.toml");
        std::fs::write(&path, &self.toml)?;
        Ok(path)
    }
}

/// A port that is free for UDP and TCP now, and very probably in a moment.
fn free_port() -> io::Result<SocketAddr> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..50 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = tcp.local_addr()?;
        match UdpSocket::bind(address) {
            Ok(_) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(last)
}
