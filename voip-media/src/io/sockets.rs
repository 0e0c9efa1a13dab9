//! The sockets of a call: bound in pairs, bounded in what the kernel keeps for them, marked as voice.

use crate::ports::PortPair;
use crate::session::Channel;
use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use voip_core::leg::Side;

/// RTP and RTCP socket of one leg.
pub(super) type Pair = [UdpSocket; 2];

/// What the kernel keeps for one socket: over a second of audio, should this program stand still, and no more, should
/// somebody flood it.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// Expedited forwarding, DSCP 46 (RFC 3246), in the place of the type of service: the mark of voice (RFC 4594 §4.1).
const EXPEDITED_FORWARDING: u32 = 46 << 2;

/// Binds both ports of a pair.
pub(super) fn bind_pair(address: IpAddr, pair: PortPair) -> Result<Pair, (SocketAddr, io::Error)> {
    let bind = |port| {
        let address = SocketAddr::new(address, port);
        bind(address).map_err(|error| (address, error))
    };
    Ok([bind(pair.rtp())?, bind(pair.rtcp())?])
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    // A mark that the system refuses is no reason to refuse a call.
    let marked = if address.is_ipv4() {
        socket.set_tos_v4(EXPEDITED_FORWARDING)
    } else {
        socket.set_only_v6(true)?;
        socket.set_tclass_v6(EXPEDITED_FORWARDING)
    };
    if let Err(error) = marked {
        tracing::trace!(%error, "packets go out without a DSCP mark");
    }
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// The four sockets of a call.
#[derive(Debug)]
pub(super) struct CallSockets([Pair; 2]);

impl CallSockets {
    /// Sockets of a call.
    pub(super) const COUNT: usize = 4;

    pub(super) const fn new(caller: Pair, callee: Pair) -> Self {
        Self([caller, callee])
    }

    pub(super) const fn of(&self, side: Side, channel: Channel) -> &UdpSocket {
        &self.0[side.index()][channel as usize]
    }

    /// The sockets, numbered as [`place`] has it.
    pub(super) fn numbered(&mut self) -> impl Iterator<Item = (usize, &mut UdpSocket)> {
        self.0.as_flattened_mut().iter_mut().enumerate()
    }
}

/// Leg and channel of a call's socket by its number, 0 to 3.
pub(super) const fn place(number: usize) -> (Side, Channel) {
    (
        if number < 2 { Side::Caller } else { Side::Callee },
        if number.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp },
    )
}
