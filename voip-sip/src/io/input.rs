//! What the tasks of a driver tell it, and what they share.

use super::admission::Admitted;
use super::config::DriverConfig;
use super::counters::Cells;
use crate::endpoint::{Answer, ResolveId};
use bytes::Bytes;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsStream;
use voip_core::net::{FlowId, Transport};

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Input {
    Datagram { flow: FlowId, remote: SocketAddr, payload: Bytes },
    Accepted(Box<Accepted>),
    Connected { flow: FlowId, local: SocketAddr },
    Stream { flow: FlowId, bytes: Bytes },
    Closed { flow: FlowId, words: Cow<'static, str> },
    Resolved(ResolveId, Answer),
}

/// A connection that waits for the machine to want it.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) stream: Stream,
    pub(super) admitted: Admitted,
}

/// An open connection.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What every task of a driver holds.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: DriverConfig,
    pub(super) counters: Cells,
    pub(super) inputs: mpsc::Sender<Input>,
    /// Bytes of the datagrams in `inputs`.
    pub(super) datagram_bytes: AtomicUsize,
}

impl Shared {
    /// Tells the driver, waiting for room. A driver that is gone needs to know nothing.
    pub(super) async fn tell(&self, input: Input) {
        let _ = self.inputs.send(input).await;
    }
}
