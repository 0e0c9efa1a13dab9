//! Who a stand-in is: its name, its manners, and its sockets.

use crate::certificate::Identity;
use crate::rtp;
use crate::trace::Trace;
use crate::wire::{self, Received, Wire};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use voip_core::codec::AudioCodec;
use voip_sip::message::{HeaderName, Headers, Method, Response};

/// The manners of a stand-in.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// `carrier` or `agent`.
    pub(crate) name: &'static str,
    /// User-Agent and Server.
    pub(crate) user_agent: &'static str,
    /// Allow.
    pub(crate) allow: &'static str,
    /// Supported.
    pub(crate) supported: Option<&'static str>,
    /// Answered 405, whatever Allow says.
    pub(crate) refused: &'static [Method],
    /// Contact, `<..>` included.
    pub(crate) contact: String,
    /// The host in From of a call it places.
    pub(crate) domain: String,
    /// Codecs it takes, in the order in which it prefers them when it offers.
    pub(crate) codecs: Vec<AudioCodec>,
    /// Sends nothing before it heard a packet, or for a second.
    pub(crate) listens_first: bool,
    /// Answers a re-INVITE with the description it answered first, and leaves codec and direction as they are.
    pub(crate) fixed_description: bool,
    /// The status for an offer without a common codec.
    pub(crate) no_codec: u16,
    /// How long it bears silence: before the first packet, and after it.
    pub(crate) patience: Option<(Duration, Duration)>,
    /// A 200 to an INVITE is sent again after this, each time after twice as long, up to the second.
    pub(crate) repeat_answer: (Duration, Duration),
    /// A 180 is sent again after this.
    pub(crate) repeat_ringing: Option<Duration>,
}

/// A stand-in at work.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) profile: Profile,
    pub(crate) wire: Arc<Wire>,
    pub(crate) ip: IpAddr,
}

impl Party {
    /// A response's own headers.
    pub(crate) fn sign(&self, response: &mut Response) {
        response.headers.push(HeaderName::Server, self.profile.user_agent);
    }

    /// A request's own headers.
    pub(crate) fn introduce(&self, headers: &mut Headers) {
        headers.push(HeaderName::UserAgent, self.profile.user_agent);
        headers.push(HeaderName::Allow, self.profile.allow);
        if let Some(supported) = self.profile.supported {
            headers.push(HeaderName::Supported, supported);
        }
    }
}

/// The sockets of a stand-in. Dropped, it is gone: no socket stays open, no task runs on.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) tasks: JoinSet<()>,
    pub(crate) udp: Option<Arc<UdpSocket>>,
    /// UDP and TCP are on the same port.
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
}

/// Opens a UDP and a TCP socket on one port of `ip` (0: any), and a TLS socket on another when there is an identity.
pub(crate) async fn open(
    name: &'static str,
    trace: Trace,
    bind: SocketAddr,
    identity: Option<Identity>,
) -> io::Result<(Sockets, Arc<Wire>, mpsc::Receiver<Received>)> {
    let (wire, queue) = Wire::new(name, trace);
    let (udp, tcp) = bind_both(bind).await?;
    let address = tcp.local_addr()?;
    let mut tasks = JoinSet::new();
    tasks.spawn(wire::serve_udp(Arc::clone(&wire), Arc::clone(&udp)));
    tasks.spawn(wire::serve_streams(Arc::clone(&wire), tcp, None));
    let mut tls = None;
    if let Some(identity) = identity {
        let listener = TcpListener::bind((bind.ip(), 0)).await?;
        tls = Some(listener.local_addr()?);
        tasks.spawn(wire::serve_streams(Arc::clone(&wire), listener, Some(identity)));
    }
    Ok((Sockets { tasks, udp: Some(udp), address, tls }, wire, queue))
}

async fn bind_both(bind: SocketAddr) -> io::Result<(Arc<UdpSocket>, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..50 {
        let tcp = TcpListener::bind(bind).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((Arc::new(udp), tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A word that nobody used before: a tag, a branch, a Call-ID.
pub(crate) fn word() -> String {
    rtp::random().iter().take(8).map(|b| format!("{b:02x}")).collect()
}
