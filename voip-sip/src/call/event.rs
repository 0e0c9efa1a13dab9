//! What a call tells its user.

use super::config::PeerId;
use crate::message::{Request, Response};
use bytes::Bytes;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use voip_core::leg::LegEnd;
use voip_core::net::Transport;

/// Names a call of an endpoint for as long as the endpoint lives; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call-{}", self.0)
    }
}

/// An INVITE that came, from a peer that was identified.
#[derive(Clone, Debug)]
pub struct IncomingCall {
    /// Who sent it.
    pub peer: PeerId,
    /// The INVITE as it came, `received` and `rport` added to its topmost Via.
    pub request: Request,
    /// Its source.
    pub remote: SocketAddr,
    /// The transport it came by.
    pub transport: Transport,
    /// This host's own address as that peer sees it without NAT: where media sockets may be bound.
    pub local: IpAddr,
    /// The address to write into the session description for that peer.
    pub advertised: IpAddr,
    /// The offer; `None` when the INVITE leaves it to us (RFC 3261 §13.2.1).
    pub offer: Option<Bytes>,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The far side.
    Remote,
    /// This side, by its user's wish.
    Local,
    /// A timer or a failure of the network.
    Failure,
}

/// What happened to a call.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// An INVITE came. Its user answers with `trying`, `progress`, `answer`, `hang_up`, or `ignore`.
    Incoming(Box<IncomingCall>),
    /// The target of a call we place is known: its user gives the offer with `offer`.
    Routed {
        /// The first target.
        remote: SocketAddr,
        /// As in [`IncomingCall::local`].
        local: IpAddr,
        /// As in [`IncomingCall::advertised`].
        advertised: IpAddr,
    },
    /// A provisional response above 100 to our INVITE.
    Progress {
        /// 101 to 199.
        status: u16,
        /// The session description that came with it.
        sdp: Option<Bytes>,
    },
    /// Our INVITE was answered; the ACK is on its way.
    Answered {
        /// The answer to our offer, unless it came with a reliable provisional response.
        sdp: Option<Bytes>,
        /// The 2xx.
        response: Box<Response>,
    },
    /// The ACK to our 2xx came.
    Confirmed {
        /// The answer, when the offer was ours.
        sdp: Option<Bytes>,
    },
    /// A re-INVITE or UPDATE came. Its user answers with `accept_offer` or `refuse_offer`.
    Offer {
        /// The offer; `None` when a re-INVITE leaves it to us.
        sdp: Option<Bytes>,
    },
    /// The far side answered the offer of our re-INVITE.
    OfferAnswered {
        /// Its answer.
        sdp: Bytes,
    },
    /// The far side refused our re-INVITE; the session goes on as it was.
    OfferRefused {
        /// The final status.
        status: u16,
    },
    /// A key came by INFO (RFC 6086; `application/dtmf-relay` or `application/dtmf`).
    Dtmf {
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// ms.
        duration_ms: u32,
    },
    /// The call is over; nothing more comes from it.
    Ended {
        /// Why.
        end: LegEnd,
        /// Who ended it.
        by: EndedBy,
        /// The far side's own words, from a Reason header, a Warning, or a reason phrase that is not the usual one.
        words: Option<String>,
    },
}
