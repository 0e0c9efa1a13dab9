//! One connection: a task that opens it if it is ours, then reads and writes it until either side has had enough.
//!
//! Reading waits when the machine is behind, so the kernel's window closes and the peer waits too. Writing takes from a
//! bounded queue; the driver closes the connection when that is full, and the task when one write takes too long. A close
//! by the driver sends what was queued before, says so to TLS and TCP, and waits a little for the far side: closing at
//! once would turn unread input into a reset that destroys what is on its way (RFC 1122 §4.2.2.13).

use super::config::DriverConfig;
use super::counters::{add, count, drop_one};
use super::input::{Input, Shared, Stream};
use super::listener::prepare;
use crate::endpoint::Connect;
use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};
use voip_core::net::FlowId;

type Words = Cow<'static, str>;

/// How much is read at once: two or three SIP messages.
const CHUNK: usize = 4096;

/// The driver's end of a connection's write queue.
#[derive(Debug)]
pub(super) struct Writes {
    queue: mpsc::Sender<Bytes>,
    bytes: Arc<AtomicUsize>,
    most_bytes: usize,
}

/// The task's end.
#[derive(Debug)]
pub(super) struct Queued {
    queue: mpsc::Receiver<Bytes>,
    bytes: Arc<AtomicUsize>,
}

/// A write queue.
pub(super) fn write_queue(config: &DriverConfig) -> (Writes, Queued) {
    let (sender, receiver) = mpsc::channel(config.write_queue.max(1));
    let bytes = Arc::new(AtomicUsize::new(0));
    let writes = Writes { queue: sender, bytes: Arc::clone(&bytes), most_bytes: config.write_bytes };
    (writes, Queued { queue: receiver, bytes })
}

impl Writes {
    /// Queues a message; `false` when the queue is full.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let length = message.len();
        if self.bytes.load(Ordering::Relaxed) + length > self.most_bytes {
            return false;
        }
        self.bytes.fetch_add(length, Ordering::Relaxed);
        // A task that has ended has said so, or is about to: its flow is going anyway.
        !matches!(self.queue.try_send(message), Err(mpsc::error::TrySendError::Full(_)))
    }
}

/// Counts a connection as open for as long as it lives.
#[derive(Debug)]
struct Open<'a>(&'a Shared);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        drop_one(&self.0.counters.connections_open);
    }
}

/// Opens a connection, says so, and runs it.
pub(super) async fn connect_and_run(
    connect: Connect,
    source: Option<IpAddr>,
    tls: Option<TlsConnector>,
    queued: Queued,
    shared: Arc<Shared>,
) {
    let flow = connect.flow;
    match open(&connect, source, tls, &shared).await {
        Ok((stream, local)) => {
            count(&shared.counters.connections_open);
            count(&shared.counters.connections_opened);
            let _open = Open(&shared);
            shared.tell(Input::Connected { flow, local }).await;
            run_any(flow, stream, queued, None, &shared).await;
        }
        Err(words) => {
            count(&shared.counters.connections_failed);
            shared.tell(Input::Closed { flow, words: words.into() }).await;
        }
    }
}

/// Runs an accepted connection, which was counted as open when it was accepted.
pub(super) async fn run_accepted(flow: FlowId, stream: Stream, queued: Queued, shared: Arc<Shared>) {
    let _open = Open(&shared);
    let first_bytes = Some(shared.config.first_bytes_timeout);
    run_any(flow, stream, queued, first_bytes, &shared).await;
}

async fn open(
    connect: &Connect,
    source: Option<IpAddr>,
    tls: Option<TlsConnector>,
    shared: &Shared,
) -> Result<(Stream, SocketAddr), String> {
    let remote = connect.remote;
    let connecting = async {
        let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(remote).await
    };
    let stream = timeout(shared.config.connect_timeout, connecting)
        .await
        .map_err(|_| format!("no answer from {remote} to a TCP connection within {:?}", shared.config.connect_timeout))?
        .map_err(|error| format!("no TCP connection to {remote}: {error}"))?;
    let local = stream.local_addr().map_err(|error| format!("the connection to {remote} was lost: {error}"))?;
    prepare(&stream, local, shared);
    let Some(tls) = tls else { return Ok((Stream::Plain(stream), local)) };
    let name = ServerName::try_from(connect.server_name.clone()).map_err(|_| {
        format!(
            "{:?} is neither a DNS name nor an address: no certificate can be checked against it",
            connect.server_name
        )
    })?;
    let stream = shake_hands(tls, name, stream, shared)
        .await
        .map_err(|words| format!("no TLS with {remote} as {}: {words}", connect.server_name))?;
    Ok((stream, local))
}

async fn shake_hands(
    tls: TlsConnector,
    name: ServerName<'static>,
    stream: TcpStream,
    shared: &Shared,
) -> Result<Stream, String> {
    match timeout(shared.config.handshake_timeout, tls.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(TlsStream::Client(stream)))),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the handshake was not done within {:?}", shared.config.handshake_timeout)),
    }
}

async fn run_any(flow: FlowId, stream: Stream, queued: Queued, first_bytes: Option<Duration>, shared: &Arc<Shared>) {
    match stream {
        Stream::Plain(stream) => run(flow, stream, queued, first_bytes, shared).await,
        Stream::Tls(stream) => run(flow, *stream, queued, first_bytes, shared).await,
    }
}

/// How a connection came to its end.
enum End {
    /// The driver has closed it, and everything is written.
    ByDriver,
    /// Reading ended: the far side closed, or the connection broke.
    Read(Words),
    /// Writing failed.
    Write(Words),
}

async fn run<S: AsyncRead + AsyncWrite>(
    flow: FlowId,
    stream: S,
    mut queued: Queued,
    first_bytes: Option<Duration>,
    shared: &Arc<Shared>,
) {
    let (mut reader, mut writer) = split(stream);
    let end = {
        let reading = pin!(read_all(flow, &mut reader, first_bytes, shared));
        let writing = pin!(write_all(&mut writer, &mut queued, shared));
        tokio::select! {
            words = reading => End::Read(words),
            result = writing => match result {
                Ok(()) => End::ByDriver,
                Err(words) => End::Write(words),
            },
        }
    };
    match end {
        End::ByDriver => {
            let _ = timeout(shared.config.linger, discard(&mut reader)).await;
        }
        End::Write(words) => shared.tell(Input::Closed { flow, words }).await,
        End::Read(words) => {
            shared.tell(Input::Closed { flow, words }).await;
            // A peer that closed its half after its request still gets the answer.
            let _ = timeout(shared.config.linger, write_all(&mut writer, &mut queued, shared)).await;
        }
    }
}

/// Reads until there is nothing more, and says why.
async fn read_all<R: AsyncRead + Unpin>(
    flow: FlowId,
    reader: &mut R,
    mut first_bytes: Option<Duration>,
    shared: &Arc<Shared>,
) -> Words {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK);
        let reading = reader.read_buf(&mut buffer);
        let read = match first_bytes.take() {
            None => reading.await,
            Some(limit) => match timeout(limit, reading).await {
                Ok(read) => read,
                Err(_) => {
                    count(&shared.counters.connections_silent);
                    return "nothing came on it".into();
                }
            },
        };
        match read {
            Ok(0) => return "closed by the far side".into(),
            Ok(length) => {
                add(&shared.counters.stream_bytes_in, length as u64);
                shared.tell(Input::Stream { flow, bytes: buffer.split().freeze() }).await;
            }
            // TCP was closed and TLS was not (RFC 8446 §6.1): framing by Content-Length shows what is missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return "closed by the far side".into(),
            Err(error) => return format!("broken: {error}").into(),
        }
    }
}

/// Writes what is queued until the driver closes the queue, then closes the connection.
async fn write_all<W: AsyncWrite + Unpin>(writer: &mut W, queued: &mut Queued, shared: &Shared) -> Result<(), Words> {
    let limit = shared.config.write_timeout;
    while let Some(message) = queued.queue.recv().await {
        let last = queued.queue.is_empty();
        let writing = async {
            writer.write_all(&message).await?;
            if last { writer.flush().await } else { Ok(()) }
        };
        match timeout(limit, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(format!("broken: {error}").into()),
            Err(_) => {
                count(&shared.counters.connections_slow);
                return Err(format!("the far side read nothing for {limit:?}").into());
            }
        }
        queued.bytes.fetch_sub(message.len(), Ordering::Relaxed);
        add(&shared.counters.stream_bytes_out, message.len() as u64);
    }
    // The far side may be gone already; then nobody misses the farewell.
    let _ = timeout(shared.config.linger, writer.shutdown()).await;
    Ok(())
}

/// Reads to the end for nothing.
async fn discard<R: AsyncRead + Unpin>(reader: &mut R) {
    let mut buffer = [0; 1024];
    while reader.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}
