//! What a driver is told: what to listen on, how TLS is done, how much of anything is enough; and why it refuses.

use rustls::pki_types::pem;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};
use voip_core::net::Transport;

/// A socket to listen on.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Udp, Tcp or Tls.
    pub transport: Transport,
    /// The address; port 0 takes any.
    pub bind: SocketAddr,
    /// The certificate, for Tls.
    pub tls: Option<ServerTls>,
}

/// A TLS server's files, in PEM.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// The certificate, and after it those that lead to its root.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1.
    pub private_key: PathBuf,
}

/// How connections that we open do TLS.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Whether the server must show a certificate for its name from an authority that is trusted. Without it anybody
    /// between can read and change everything, credentials included.
    pub verify: bool,
    /// Authorities that are trusted besides the system's, a PEM file.
    pub extra_roots: Option<PathBuf>,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self { verify: true, extra_roots: None }
    }
}

/// The bounds of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverConfig {
    /// Inputs that wait for the machine at most. Past it datagrams are dropped, and connections wait to be read.
    pub input_queue: usize,
    /// Bytes of datagrams that wait for the machine at most.
    pub datagram_bytes: usize,
    /// Messages that wait to be written to one connection at most. Past it the connection is closed.
    pub write_queue: usize,
    /// Bytes that wait to be written to one connection at most. Past it the connection is closed.
    pub write_bytes: usize,
    /// Accepted connections at once, TLS handshakes included. Past it new ones are closed on arrival.
    pub max_connections: usize,
    /// The same, from one IPv4 address or one IPv6 /64: a single host cannot take all the room.
    pub max_connections_per_address: usize,
    /// Connections opened by us at once; accepted ones take nothing of this room.
    pub max_outgoing: usize,
    /// How long opening a TCP connection may take.
    pub connect_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How soon the first bytes must come on an accepted connection.
    pub first_bytes_timeout: Duration,
    /// How long one message may take to be written.
    pub write_timeout: Duration,
    /// How long a closing connection may take to send what was queued and to see the far side close.
    pub linger: Duration,
    /// How long a look-up may take.
    pub lookup_timeout: Duration,
    /// Look-ups at once. Past it they are answered with nothing.
    pub max_lookups: usize,
    /// The kernel's receive buffer of each UDP socket, bytes; it grants what `net.core.rmem_max` allows.
    pub receive_buffer: usize,
    /// DSCP to mark what is sent with, 0 to 63; RFC 4594 §4.1 wants CS5 (40) for signalling. `None`: unmarked.
    pub dscp: Option<u8>,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            // A second of input at ten times the load of a thousand calls.
            input_queue: 4096,
            datagram_bytes: 16 << 20,
            // A peer that leaves 256 messages unread has stopped reading.
            write_queue: 256,
            write_bytes: 1 << 20,
            max_connections: 1024,
            // A carrier's border controller uses a few; a test tool with a connection for each call, a few hundred.
            max_connections_per_address: 512,
            max_outgoing: 256,
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(10),
            first_bytes_timeout: Duration::from_secs(30),
            // Below the 32 s after which SIP transactions give up (RFC 3261 §17.1.1.2), so that the cause is seen.
            write_timeout: Duration::from_secs(20),
            linger: Duration::from_secs(1),
            lookup_timeout: Duration::from_secs(5),
            max_lookups: 64,
            receive_buffer: 4 << 20,
            dscp: None,
        }
    }
}

/// Why a driver did not come up: which setting, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// A socket could not be bound.
    #[error("cannot listen on {transport} {bind}: {source}; {}", advice(source, *bind))]
    Bind {
        /// Its transport.
        transport: Transport,
        /// Its address.
        bind: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A transport that this driver has no listener for.
    #[error("cannot listen on {transport} {bind}: the driver has udp, tcp and tls; use one of them")]
    UnsupportedTransport {
        /// The transport.
        transport: Transport,
        /// The address.
        bind: SocketAddr,
    },
    /// A TLS listener without a certificate.
    #[error("tls {bind} has no certificate; set `certificate` and `private_key` to PEM files")]
    MissingCertificate {
        /// The listener.
        bind: SocketAddr,
    },
    /// A file could not be read.
    #[error("cannot read the {what} {}: {source}; check the path and that this user may read it", path.display())]
    Unreadable {
        /// What it was to hold.
        what: PemFile,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds nothing of what it was to hold.
    #[error("the {what} file {} holds no {what}; it must hold PEM sections `{}`", path.display(), what.sections())]
    NotInFile {
        /// What was looked for.
        what: PemFile,
        /// Where.
        path: PathBuf,
    },
    /// A file is broken.
    #[error("the {what} file {} is not valid PEM: {source}", path.display())]
    BadPem {
        /// What it was to hold.
        what: PemFile,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// A certificate and its key are no pair, or either is of a kind that TLS does not take.
    #[error(
        "the certificate {} cannot be used with the private key {}: {source}; the key must be the one the certificate \
         was issued for",
        certificate.display(), private_key.display()
    )]
    BadCertificate {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        private_key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// An authority's certificate cannot be used.
    #[error("a certificate in {} cannot be an authority: {source}", path.display())]
    BadRoot {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// TLS cannot be set up at all.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
}

/// What a PEM file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemFile {
    /// A certificate chain.
    Certificate,
    /// A private key.
    PrivateKey,
    /// Certificates of authorities.
    Roots,
}

impl PemFile {
    const fn sections(self) -> &'static str {
        match self {
            Self::Certificate | Self::Roots => "BEGIN CERTIFICATE",
            Self::PrivateKey => "BEGIN PRIVATE KEY",
        }
    }
}

impl fmt::Display for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::PrivateKey => "private key",
            Self::Roots => "extra roots",
        })
    }
}

/// What a person does about a socket that cannot be bound.
fn advice(error: &io::Error, bind: SocketAddr) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        format!("another program has port {}: stop it, or set another `bind`", bind.port())
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!("no interface of this host has {}: set one of its own addresses, or 0.0.0.0", bind.ip())
    } else if kind == io::ErrorKind::PermissionDenied {
        "ports below 1024 need root or CAP_NET_BIND_SERVICE: grant it, or set a higher port".to_owned()
    } else {
        "set another `bind`".to_owned()
    }
}
