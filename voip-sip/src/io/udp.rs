//! UDP sockets: read in batches by a task each, written to directly by the driver.
//!
//! When the machine is behind, the newest datagrams are dropped and counted: those that wait are older and closer to
//! their deadlines, and SIP retransmits (RFC 3261 §17). A full socket buffer drops what was to be sent in the same way.

use super::config::{DriverConfig, DriverError};
use super::counters::{add, count};
use super::input::{Input, Shared};
use bytes::Bytes;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::UdpSocket;
use voip_core::net::{FlowId, Transport};

/// Datagrams read before other tasks get their turn.
const BATCH: usize = 64;

/// The longest datagram there is.
const LONGEST: usize = 65_535;

/// Binds a socket. One on an IPv6 address takes IPv6 only, so that `[::]:5060` and `0.0.0.0:5060` can both be bound.
pub(super) fn bind(bind: SocketAddr, config: &DriverConfig) -> Result<UdpSocket, DriverError> {
    let open = || -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))?;
        if bind.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // The system grants what it allows: less than was asked for is no error.
        let _ = socket.set_recv_buffer_size(config.receive_buffer);
        let _ = socket.set_send_buffer_size(config.receive_buffer);
        mark(&socket, bind, config.dscp);
        socket.set_nonblocking(true)?;
        socket.bind(&bind.into())?;
        UdpSocket::from_std(socket.into())
    };
    open().map_err(|source| DriverError::Bind { transport: Transport::Udp, bind, source })
}

/// Marks what a socket sends with a DSCP, the upper six bits of the old TOS octet (RFC 2474 §3).
pub(super) fn mark(socket: &Socket, local: SocketAddr, dscp: Option<u8>) {
    let Some(dscp) = dscp else { return };
    let octet = u32::from(dscp & 63) << 2;
    let marked = if local.is_ipv4() { socket.set_tos_v4(octet) } else { socket.set_tclass_v6(octet) };
    if let Err(error) = marked {
        tracing::warn!(%local, %error, "packets are not marked with the DSCP that was asked for");
    }
}

/// Sends now or not at all.
pub(super) fn send(socket: &UdpSocket, remote: SocketAddr, payload: &[u8], shared: &Shared) {
    // Around tokio's readiness, which says "not yet" of a new socket until its first turn of the reactor.
    match SockRef::from(socket).send_to(payload, &SockAddr::from(remote)) {
        Ok(_) => {
            count(&shared.counters.datagrams_out);
            add(&shared.counters.datagram_bytes_out, payload.len() as u64);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => count(&shared.counters.datagrams_unsent),
        Err(error) => {
            count(&shared.counters.datagram_errors);
            tracing::debug!(%remote, %error, "a datagram was not sent");
        }
    }
}

/// Reads a socket until the driver is gone.
pub(super) async fn read(flow: FlowId, socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut buffer = vec![0; LONGEST];
    loop {
        if let Err(error) = read_ready(flow, &socket, &mut buffer, &shared).await {
            // An ICMP error about something that was sent, or a lack of memory: neither is a reason to stop or to spin.
            count(&shared.counters.datagram_errors);
            tracing::debug!(%flow, %error, "a UDP socket could not be read");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if shared.inputs.is_closed() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn read_ready(flow: FlowId, socket: &UdpSocket, buffer: &mut [u8], shared: &Shared) -> io::Result<()> {
    socket.readable().await?;
    for _ in 0..BATCH {
        match socket.try_recv_from(buffer) {
            Ok((length, remote)) => {
                count(&shared.counters.datagrams_in);
                add(&shared.counters.datagram_bytes_in, length as u64);
                offer(flow, remote, &buffer[..length], shared);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Queues a datagram if there is room.
fn offer(flow: FlowId, remote: SocketAddr, datagram: &[u8], shared: &Shared) {
    let waiting = shared.datagram_bytes.load(Ordering::Relaxed);
    let room = waiting + datagram.len() <= shared.config.datagram_bytes;
    let Some(permit) = room.then(|| shared.inputs.try_reserve().ok()).flatten() else {
        return count(&shared.counters.datagrams_dropped);
    };
    shared.datagram_bytes.fetch_add(datagram.len(), Ordering::Relaxed);
    permit.send(Input::Datagram { flow, remote, payload: Bytes::copy_from_slice(datagram) });
}
