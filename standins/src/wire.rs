//! SIP over sockets for a stand-in: UDP, TCP and TLS listeners, stream framing by Content-Length (RFC 3261 §18.3), and
//! which call a message belongs to. No transactions: a retransmitted request over UDP gets the answer it got before.

use crate::certificate::Identity;
use crate::trace::{Trace, What};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::{TlsAcceptor, TlsConnector, rustls};
use voip_core::net::Transport;
use voip_sip::message::header::{CSeq, Via};
use voip_sip::message::{Message, MessageLimits, Method, Request, Response, header_section_end};

/// A message, and the way it came, which is also the way back.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) message: Message,
    pub(crate) link: Link,
}

/// A way to a peer: a UDP socket with an address, or a connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) transport: Transport,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Datagrams(Arc<UdpSocket>),
    Stream(mpsc::Sender<Bytes>),
}

/// All SIP of one stand-in.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) party: &'static str,
    pub(crate) trace: Trace,
    calls: Mutex<HashMap<String, mpsc::Sender<Received>>>,
    others: mpsc::Sender<Received>,
    /// Answers to requests that came over UDP; `None` while there is none yet.
    answered: Mutex<BTreeMap<Vec<u8>, Option<Bytes>>>,
}

/// Messages that wait for a call or for the stand-in; what comes beyond is dropped, as a full socket would.
const QUEUE: usize = 256;

impl Wire {
    /// With the queue of all that belongs to no call.
    pub(crate) fn new(party: &'static str, trace: Trace) -> (Arc<Self>, mpsc::Receiver<Received>) {
        let (others, queue) = mpsc::channel(QUEUE);
        let (calls, answered) = (Mutex::default(), Mutex::default());
        (Arc::new(Self { party, trace, calls, others, answered }), queue)
    }

    /// From now on the messages of this Call-ID come to the receiver, until it is dropped.
    pub(crate) fn open_call(&self, call_id: &str) -> mpsc::Receiver<Received> {
        let (tx, rx) = mpsc::channel(QUEUE);
        let mut calls = lock(&self.calls);
        calls.retain(|_, call| !call.is_closed());
        calls.insert(call_id.to_owned(), tx);
        rx
    }

    /// Sends a request.
    pub(crate) async fn send(&self, link: &Link, request: &Request) -> Bytes {
        let bytes = request.to_bytes();
        self.note(link.transport, &Message::Request(request.clone()), &bytes, true);
        self.send_again(link, &bytes).await;
        bytes
    }

    /// Sends bytes that were sent before: a retransmission, or the ACK of one.
    pub(crate) async fn send_again(&self, link: &Link, bytes: &Bytes) {
        // A link that is gone shows itself by silence: the calls on it have their own patience.
        let _ = match &link.way {
            Way::Datagrams(socket) => socket.send_to(bytes, link.remote).await.map(drop),
            Way::Stream(queue) => {
                queue.send(bytes.clone()).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
            }
        };
    }

    /// Answers a request the way it came.
    pub(crate) async fn respond(&self, link: &Link, request: &Request, mut response: Response) -> Bytes {
        if let Ok(Some(mut via)) = response.headers.typed::<Via>()
            && link.transport == Transport::Udp
        {
            // RFC 3581 §4.
            via.params = via.params.with("received", Some(&link.remote.ip().to_string()));
            if via.params.has("rport") {
                via.params = via.params.without("rport").with("rport", Some(&link.remote.port().to_string()));
            }
            response.headers.replace_first(&via);
        }
        let bytes = response.to_bytes();
        if link.transport == Transport::Udp
            && let Some(key) = key(request)
        {
            lock(&self.answered).insert(key, Some(bytes.clone()));
        }
        self.note(link.transport, &Message::Response(response), &bytes, true);
        self.send_again(link, &bytes).await;
        bytes
    }

    async fn take(&self, bytes: Bytes, link: &Link) {
        let Ok(message) = Message::parse(bytes.clone(), &MessageLimits::default()) else {
            let start: String = String::from_utf8_lossy(&bytes).chars().take(60).collect();
            if !start.trim().is_empty() {
                self.trace.add(self.party, What::Note(format!("unreadable message: {start:?}")));
            }
            return;
        };
        self.note(link.transport, &message, &bytes, false);
        if let Message::Request(request) = &message
            && link.transport == Transport::Udp
            && request.method != Method::Ack
            && let Some(key) = key(request)
        {
            let again = {
                let mut answered = lock(&self.answered);
                if answered.len() > 10_000 {
                    answered.pop_first();
                }
                let again = answered.get(&key).cloned();
                answered.entry(key).or_insert(None);
                again
            };
            if let Some(answer) = again {
                if let Some(answer) = answer {
                    self.send_again(link, &answer).await;
                }
                return;
            }
        }
        let call_id = message.headers().call_id().map(|id| id.to_string()).unwrap_or_default();
        let call = lock(&self.calls).get(&call_id).filter(|call| !call.is_closed()).cloned();
        let received = Received { message, link: link.clone() };
        let _ = match call {
            Some(call) => call.try_send(received),
            None => self.others.try_send(received),
        };
    }

    fn note(&self, transport: Transport, message: &Message, bytes: &Bytes, sent: bool) {
        let (line, status) = match message {
            Message::Request(request) => (format!("{} {}", request.method, request.uri), None),
            Message::Response(response) => (format!("{} {}", response.status, response.reason), Some(response.status)),
        };
        let headers = message.headers();
        let method = headers.typed::<CSeq>().ok().flatten().map(|c| c.method.to_string()).unwrap_or_default();
        let call_id = headers.call_id().map(|id| id.to_string()).unwrap_or_default();
        let message = bytes.clone();
        self.trace.add(self.party, What::Sip { sent, transport, line, method, status, call_id, message });
    }
}

/// What tells a retransmission from a new request (RFC 3261 §17.2.3).
fn key(request: &Request) -> Option<Vec<u8>> {
    let branch = request.headers.typed::<Via>().ok().flatten()?.branch()?;
    Some([branch.as_bytes(), b" ", request.method.as_bytes()].concat())
}

/// Receives datagrams until it is dropped.
pub(crate) async fn serve_udp(wire: Arc<Wire>, socket: Arc<UdpSocket>) {
    let mut buffer = vec![0; 65_535];
    loop {
        // An error is a port unreachable that an earlier datagram ran into: the socket goes on.
        let Ok((length, remote)) = socket.recv_from(&mut buffer).await else { continue };
        let Ok(link) = udp_link(&socket, remote) else { continue };
        wire.take(Bytes::copy_from_slice(&buffer[..length]), &link).await;
    }
}

/// A way to `remote` over a UDP socket.
pub(crate) fn udp_link(socket: &Arc<UdpSocket>, remote: SocketAddr) -> io::Result<Link> {
    let way = Way::Datagrams(Arc::clone(socket));
    Ok(Link { transport: Transport::Udp, local: socket.local_addr()?, remote, way })
}

/// Accepts connections until it is dropped, which also ends them; with an identity over TLS.
pub(crate) async fn serve_streams(wire: Arc<Wire>, listener: TcpListener, identity: Option<Identity>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, remote)) = listener.accept().await else { continue };
        let (wire, acceptor) = (Arc::clone(&wire), identity.as_ref().map(|i| TlsAcceptor::from(i.server())));
        let Ok(local) = stream.local_addr() else { continue };
        let _ = stream.set_nodelay(true);
        connections.spawn(async move {
            match acceptor {
                None => {
                    let (link, queue) = stream_link(Transport::Tcp, local, remote);
                    serve_stream(wire, stream, link, queue).await;
                }
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => {
                        let (link, queue) = stream_link(Transport::Tls, local, remote);
                        serve_stream(wire, stream, link, queue).await;
                    }
                    Err(error) => wire.trace.add(wire.party, What::Note(format!("TLS handshake failed: {error}"))),
                },
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Opens a connection, over TLS when `roots` (PEM) says whom to trust; the task serves it until it is dropped.
pub(crate) async fn connect(
    wire: Arc<Wire>,
    remote: SocketAddr,
    roots: Option<&str>,
) -> io::Result<(Link, impl Future<Output = ()> + Send + use<>)> {
    let stream = TcpStream::connect(remote).await?;
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let transport = if roots.is_some() { Transport::Tls } else { Transport::Tcp };
    let (link, queue) = stream_link(transport, local, remote);
    let stream: Box<dyn Stream> = match roots {
        None => Box::new(stream),
        Some(pem) => {
            let mut store = rustls::RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                store.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_root_certificates(store)
                .with_no_client_auth();
            let name = ServerName::IpAddress(remote.ip().into());
            Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
        }
    };
    let served = link.clone();
    Ok((link, async move { serve_stream(wire, stream, served, queue).await }))
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

fn stream_link(transport: Transport, local: SocketAddr, remote: SocketAddr) -> (Link, mpsc::Receiver<Bytes>) {
    let (tx, rx) = mpsc::channel(QUEUE);
    (Link { transport, local, remote, way: Way::Stream(tx) }, rx)
}

async fn serve_stream(wire: Arc<Wire>, mut stream: impl Stream, link: Link, mut queue: mpsc::Receiver<Bytes>) {
    let mut buffer = BytesMut::new();
    loop {
        tokio::select! {
            read = stream.read_buf(&mut buffer) => {
                if !matches!(read, Ok(1..)) || buffer.len() > 1 << 20 {
                    return;
                }
                while let Some(message) = cut(&mut buffer) {
                    wire.take(message, &link).await;
                }
            }
            Some(bytes) = queue.recv() => {
                if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Takes the first whole message off a stream; empty lines between messages are keepalives.
fn cut(buffer: &mut BytesMut) -> Option<Bytes> {
    let blank = buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let _ = buffer.split_to(blank);
    let head = header_section_end(buffer)?;
    let lines = buffer[..head].split(|b| *b == b'\n').filter_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
    });
    let length = lines
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l"))
        .find_map(|(_, value)| std::str::from_utf8(value).ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    let whole = head.checked_add(length)?;
    (buffer.len() >= whole).then(|| buffer.split_to(whole).freeze())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time in a form that tokio sleeps until.
pub(crate) fn until(at: Instant) -> tokio::time::Instant {
    tokio::time::Instant::from_std(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_out_of_a_stream_as_their_length_says() {
        let one = "OPTIONS sip:a SIP/2.0\r\nContent-Length : 3\r\n\r\nabc";
        let two = "SIP/2.0 200 OK\r\nl:0\r\n\r\n";
        let mut buffer = BytesMut::from(format!("\r\n\r\n{one}{two}SIP/2.0").as_bytes());
        assert_eq!(cut(&mut buffer).unwrap(), one);
        assert_eq!(cut(&mut buffer).unwrap(), two);
        assert_eq!(cut(&mut buffer), None);
        assert_eq!(&buffer[..], b"SIP/2.0");
    }
}
