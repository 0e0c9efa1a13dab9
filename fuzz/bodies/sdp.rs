//! A session description (RFC 8866), and a negotiation that takes it as an offer and as an answer (RFC 3264).

use bytes::Bytes;
use std::net::SocketAddr;
use voip_core::codec::AudioCodec;
use voip_core::media::Direction;
use voip_sip::sdp::{LocalMedia, MediaCapabilities, Negotiation, SessionDescription};

pub(crate) fn run(data: &[u8]) {
    if let Ok(description) = SessionDescription::parse(Bytes::copy_from_slice(data)) {
        let written = description.to_bytes();
        let again = SessionDescription::parse(written.clone()).expect("a written description reads");
        assert_eq!(again.to_bytes(), written);
        assert_eq!(again.media.len(), description.media.len());
    }

    let mut negotiation = negotiation();
    if let Ok(offer) = negotiation.handle_offer(data) {
        assert!(!offer.codecs.is_empty(), "an offer that is taken has a codec in common");
        let (answer, plan) = negotiation.answer(None, Direction::SendRecv).expect("an offer that is taken is answered");
        assert!(!plan.codecs.is_empty());
        let answer = SessionDescription::parse(answer).expect("our answer reads");
        let offer = SessionDescription::parse(Bytes::copy_from_slice(data)).expect("their offer was read");
        assert_eq!(answer.media.len(), offer.media.len(), "an answer has a line for each of the offer");
        negotiation.offer(Direction::SendOnly);
        negotiation.offer_refused();
    }

    let mut negotiation = self::negotiation();
    negotiation.offer(Direction::SendRecv);
    if let Ok(plan) = negotiation.handle_answer(data) {
        assert!(!plan.codecs.is_empty());
    }
}

fn negotiation() -> Negotiation {
    let local = LocalMedia::new(SocketAddr::from(([192, 0, 2, 1], 16384)));
    Negotiation::new(1, local, MediaCapabilities::new(AudioCodec::ALL))
}
