//! One leg of a call: a SIP call with the negotiation of its media (RFC 3264).
//!
//! A leg knows what was agreed with its far side and what may be agreed next; it sends nothing. Which codec the other
//! leg uses comes in as an argument, because media passes through unchanged where both use the same.

use crate::bridge::codecs;
use crate::config;
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use voip_core::codec::AudioCodec;
use voip_core::media::{Direction, MediaPlan};
use voip_core::net::Transport;
use voip_media::LegPolicy;
use voip_sip::call::CallKey;
use voip_sip::sdp::{LocalMedia, MediaCapabilities, Negotiation, RemoteOffer, SdpError};

/// One leg of a call.
#[derive(Debug)]
pub struct Leg {
    /// The endpoint's name for its call.
    pub call: CallKey,
    /// Its trunk, by its place in the gateway's list.
    pub trunk: usize,
    /// Its SIP Call-ID, once it is known.
    pub call_id: String,
    /// The transport to the trunk's server.
    transport: Transport,
    /// The signalling peer, once it is known.
    pub remote: Option<(Transport, SocketAddr)>,
    /// This host's own address towards the peer, and the one to show it.
    pub addresses: Option<(IpAddr, IpAddr)>,
    codecs: Vec<AudioCodec>,
    telephone_event: bool,
    media: config::Media,
    negotiation: Option<Negotiation>,
    /// An offer of ours is out, in a 2xx or in the INVITE.
    offered: bool,
    /// The answer that went out with early media, which the 2xx repeats (RFC 3261 §13.2.1).
    early_answer: Option<Bytes>,
    plan: Option<MediaPlan>,
}

impl Leg {
    /// A leg whose media is not open yet.
    pub fn new(call: CallKey, trunk: usize, config: &config::Trunk) -> Self {
        Self {
            call,
            trunk,
            call_id: String::new(),
            transport: config.server().transport,
            remote: None,
            addresses: None,
            codecs: config.codecs.clone(),
            telephone_event: config.dtmf == config::Dtmf::Rfc4733,
            media: config.media.clone(),
            negotiation: None,
            offered: false,
            early_answer: None,
            plan: None,
        }
    }

    /// The way to its far side is known: the first target, and this host's addresses towards it.
    pub const fn route(&mut self, remote: SocketAddr, local: IpAddr, advertised: IpAddr) {
        self.remote = Some((self.transport, remote));
        self.addresses = Some((local, advertised));
    }

    /// The codecs that it may use, the preferred first.
    pub fn codecs(&self) -> &[AudioCodec] {
        &self.codecs
    }

    /// Leaves it only these codecs, in this order.
    pub fn limit_codecs(&mut self, codecs: Vec<AudioCodec>) {
        self.codecs = codecs;
    }

    /// What was agreed.
    pub const fn plan(&self) -> Option<&MediaPlan> {
        self.plan.as_ref()
    }

    /// The codec it sends to its far side.
    pub fn codec(&self) -> Option<AudioCodec> {
        self.plan.as_ref().map(|plan| plan.sending().codec)
    }

    /// Whether its far side is on hold or holds us.
    pub fn is_held(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.direction != Direction::SendRecv)
    }

    /// How its media is watched: without a limit on silence until the call is answered.
    pub fn policy(&self, answered: bool) -> LegPolicy {
        LegPolicy {
            rtp_timeout: self.media.rtp_timeout.filter(|_| answered),
            rtp_timeout_hold: self.media.rtp_timeout_hold.filter(|_| answered),
            rtp_keepalive: self.media.rtp_keepalive,
            symmetric: self.media.symmetric,
        }
    }

    /// Its ports are open: `rtp` and `rtcp` as this host has them, shown to the far side under the advertised address.
    pub fn open(&mut self, session_id: u64, rtp: SocketAddr, rtcp: SocketAddr) {
        let shown = self.shown(rtp.ip());
        let local = LocalMedia { rtp: SocketAddr::new(shown, rtp.port()), rtcp: SocketAddr::new(shown, rtcp.port()) };
        self.negotiation = Some(Negotiation::new(session_id, local, self.capabilities()));
    }

    fn shown(&self, otherwise: IpAddr) -> IpAddr {
        match self.addresses {
            Some((_, advertised)) => advertised,
            None => otherwise,
        }
    }

    fn capabilities(&self) -> MediaCapabilities {
        MediaCapabilities { telephone_event: self.telephone_event, ..MediaCapabilities::new(self.codecs.clone()) }
    }

    /// What an offer would let us do, read before ports are open.
    ///
    /// # Errors
    /// When it cannot be read or met.
    pub fn examine(&self, offer: &[u8]) -> Result<RemoteOffer, SdpError> {
        let shown = self.shown(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Negotiation::new(0, LocalMedia::new(SocketAddr::new(shown, 0)), self.capabilities()).handle_offer(offer)
    }

    /// Our offer. `far`: the codec that the other leg uses, if it is settled.
    pub fn offer(&mut self, far: Option<AudioCodec>) -> Option<Bytes> {
        let order: Vec<AudioCodec> = match far {
            Some(far) => codecs::to_offer(&self.codecs, &[far]),
            None => self.codecs.clone(),
        };
        let negotiation = self.negotiation.as_mut()?;
        negotiation.set_capabilities_order(&order);
        self.offered = true;
        Some(negotiation.offer(Direction::SendRecv))
    }

    /// The far side answers our offer, or confirms what stands.
    ///
    /// # Errors
    /// When the answer cannot be read or met; what was agreed stands.
    pub fn handle_answer(&mut self, sdp: &[u8]) -> Result<(), SdpError> {
        let negotiation = self.negotiation.as_mut().ok_or(SdpError::NoOffer)?;
        if !self.offered {
            // The endpoint refreshed the session with our last description (RFC 4028 §7.4).
            negotiation.repeat();
        }
        self.plan = Some(negotiation.handle_answer(sdp)?);
        Ok(())
    }

    /// Our answer to the offer that began the call. `far`: the codec that the other leg uses.
    ///
    /// # Errors
    /// When the offer cannot be read, or has no codec that can be joined with `far`.
    pub fn answer(&mut self, offer: &[u8], far: Option<AudioCodec>) -> Result<Bytes, SdpError> {
        if let Some(answer) = &self.early_answer {
            return Ok(answer.clone());
        }
        self.answer_offer(offer, far)
    }

    /// The same, for early media: the answer to the call will be equal.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn early_answer(&mut self, offer: &[u8], far: Option<AudioCodec>) -> Result<Bytes, SdpError> {
        let answer = self.answer(offer, far)?;
        self.early_answer = Some(answer.clone());
        Ok(answer)
    }

    /// Our answer to a later offer: hold, resume, another address, other codecs.
    ///
    /// # Errors
    /// When it cannot be read or met; what was agreed stands.
    pub fn answer_offer(&mut self, offer: &[u8], far: Option<AudioCodec>) -> Result<Bytes, SdpError> {
        let negotiation = self.negotiation.as_mut().ok_or(SdpError::NoOffer)?;
        self.offered = false;
        let remote = negotiation.handle_offer(offer)?;
        let preferred = codecs::to_answer(&remote.codecs, far).ok_or(SdpError::NoCommonCodec)?;
        let (sdp, plan) = negotiation.answer(Some(preferred), Direction::SendRecv)?;
        self.plan = Some(plan);
        Ok(sdp)
    }

    /// Whether the plan expects RTP of the far side.
    pub fn receives(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.direction.receives())
    }
}
