//! Listeners for TCP and TLS: accept, refuse what is too much, shake hands, hand over.
//!
//! A failure to accept backs off and never ends the listener: descriptors come back (`accept(2)` names the errors). A
//! handshake runs in a task of its own with a deadline, so that nobody waits for a client that says nothing.

use super::admission::{Admission, Admitted};
use super::config::DriverError;
use super::counters::{count, drop_one};
use super::input::{Accepted, Input, Shared, Stream};
use super::tls::ServerCertificate;
use super::udp::mark;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};
use voip_core::net::Transport;

/// The first and the longest pause after a failure to accept.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 1024;

/// A bound listener.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    pub(super) listener: TcpListener,
    pub(super) tls: Option<ServerCertificate>,
}

/// Binds a listener.
pub(super) fn bind(transport: Transport, bind: SocketAddr) -> Result<TcpListener, DriverError> {
    let open = || -> io::Result<TcpListener> {
        let socket = if bind.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if bind.is_ipv6() {
            SockRef::from(&socket).set_only_v6(true)?;
        }
        // Connections of a former process that the kernel still remembers do not make the port busy.
        socket.set_reuseaddr(true)?;
        socket.bind(bind)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|source| DriverError::Bind { transport, bind, source })
}

/// Sets up an open connection: no delay, a DSCP, keepalives that find a dead peer within two minutes.
pub(super) fn prepare(stream: &TcpStream, local: SocketAddr, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    let _ = socket.set_tcp_keepalive(&keepalive.with_retries(4));
    mark(&socket, local, shared.config.dscp);
}

/// Accepts until the driver is gone.
pub(super) async fn accept(mut bound: Bound, admission: Admission, shared: Arc<Shared>) {
    let mut handshakes = JoinSet::new();
    let mut backoff = BACKOFF.0;
    while !shared.inputs.is_closed() {
        while handshakes.try_join_next().is_some() {}
        let (stream, remote) = match bound.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                count(&shared.counters.accept_errors);
                if concerns_one_connection(&error) {
                    continue;
                }
                tracing::warn!(
                    transport = %bound.transport, local = %bound.local, %error, pause = ?backoff,
                    "connections cannot be accepted for now"
                );
                sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF.1);
                continue;
            }
        };
        backoff = BACKOFF.0;
        let Some(admitted) = admission.admit(remote.ip()) else {
            count(&shared.counters.connections_refused);
            tracing::debug!(%remote, "a connection too many was closed");
            refuse(&stream);
            continue;
        };
        let local = stream.local_addr().unwrap_or(bound.local);
        prepare(&stream, local, &shared);
        count(&shared.counters.connections_open);
        let arrival = Arrival { transport: bound.transport, local, remote, admitted };
        match &mut bound.tls {
            None => arrival.hand_over(Stream::Plain(stream), &shared).await,
            Some(tls) => {
                handshakes.spawn(shake_hands(tls.current(), stream, arrival, Arc::clone(&shared)));
            }
        }
    }
}

/// A connection on its way to the machine.
struct Arrival {
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    admitted: Admitted,
}

impl Arrival {
    async fn hand_over(self, stream: Stream, shared: &Arc<Shared>) {
        let Self { transport, local, remote, admitted } = self;
        shared.tell(Input::Accepted(Box::new(Accepted { transport, local, remote, stream, admitted }))).await;
    }
}

async fn shake_hands(tls: TlsAcceptor, stream: TcpStream, arrival: Arrival, shared: Arc<Shared>) {
    let words = match timeout(shared.config.handshake_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            return arrival.hand_over(Stream::Tls(Box::new(TlsStream::Server(stream))), &shared).await;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "too slow".to_owned(),
    };
    count(&shared.counters.handshakes_failed);
    drop_one(&shared.counters.connections_open);
    tracing::debug!(remote = %arrival.remote, error = words, "a TLS handshake failed");
}

/// Closes at once, with a reset: a connection that was refused leaves nothing in the kernel.
pub(super) fn refuse(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Whether an error of `accept` is about the connection, and not about this host.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted].contains(&error.kind())
}
