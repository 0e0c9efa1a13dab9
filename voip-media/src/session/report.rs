//! What a leg tells of itself: policy in, report out.

use std::net::SocketAddr;
use std::time::Duration;
use voip_core::codec::AudioCodec;

/// How a leg treats its peer. Given with each plan; timeouts are usually left out until the call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegPolicy {
    /// Without RTP for so long, the leg reports a timeout. `None`: never.
    pub rtp_timeout: Option<Duration>,
    /// The same while the plan does not receive (the peer is on hold); RTCP counts as life there.
    pub rtp_timeout_hold: Option<Duration>,
    /// While the plan does not send, a packet goes out this often to keep NAT bindings open (RFC 6263).
    pub rtp_keepalive: Option<Duration>,
    /// Send to where media comes from (RFC 4961), by the latching rule; otherwise to the negotiated address only.
    pub symmetric: bool,
}

impl Default for LegPolicy {
    /// What the gateway's configuration has when it says nothing.
    fn default() -> Self {
        Self {
            rtp_timeout: Some(Duration::from_secs(8)),
            rtp_timeout_hold: Some(Duration::from_secs(12)),
            rtp_keepalive: Some(Duration::from_secs(1)),
            symmetric: true,
        }
    }
}

/// Packets that were not accepted or not passed on, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Received: not RTP, truncated, oversized, empty, or before any plan.
    pub malformed: u64,
    /// Received: payload type not negotiated.
    pub unknown_payload_type: u64,
    /// Received: from a source that the leg does not listen to.
    pub foreign_source: u64,
    /// Received: more packets a second than any stream has.
    pub flood: u64,
    /// Received: a sequence number too far from the others, unconfirmed.
    pub suspect_sequence: u64,
    /// Received: came before.
    pub duplicate: u64,
    /// Received: the plan does not receive (hold).
    pub not_receiving: u64,
    /// Received RTCP: broken, or from a host that has no part in the call.
    pub rtcp: u64,
    /// To send: the plan does not send, or there is nowhere to send to.
    pub not_sending: u64,
    /// To send: the peer has no codec that this one can be converted to.
    pub unconvertible: u64,
    /// To send: a telephone event, which the peer did not negotiate.
    pub telephone_event: u64,
    /// To send: comfort noise, which the peer did not negotiate.
    pub comfort_noise: u64,
    /// To send: so late that other packets have taken its place.
    pub late: u64,
    /// To send: the socket did not take it.
    pub send_failed: u64,
}

impl Dropped {
    /// Name and count of each reason, for records and `status`.
    pub const fn by_reason(&self) -> [(&'static str, u64); 14] {
        [
            ("malformed", self.malformed),
            ("unknown-payload-type", self.unknown_payload_type),
            ("foreign-source", self.foreign_source),
            ("flood", self.flood),
            ("suspect-sequence", self.suspect_sequence),
            ("duplicate", self.duplicate),
            ("not-receiving", self.not_receiving),
            ("rtcp", self.rtcp),
            ("not-sending", self.not_sending),
            ("unconvertible", self.unconvertible),
            ("telephone-event", self.telephone_event),
            ("comfort-noise", self.comfort_noise),
            ("late", self.late),
            ("send-failed", self.send_failed),
        ]
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}

/// One leg's media, as of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LegReport {
    /// The codec received last; before that, the one negotiated first.
    pub codec: Option<AudioCodec>,
    /// RTP packets accepted from the peer.
    pub packets_received: u64,
    /// Payload bytes in them.
    pub octets_received: u64,
    /// RTP packets sent to the peer.
    pub packets_sent: u64,
    /// Payload bytes in them.
    pub octets_sent: u64,
    /// Of the packets sent, those that held silence because there was nothing else to send.
    pub silence_sent: u64,
    /// Packets of the peer that never came.
    pub lost: u64,
    /// The same as a fraction of those it sent, 0 to 1.
    pub loss_fraction: f32,
    /// Packets that came more than once.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub out_of_order: u64,
    /// Interarrival jitter of what is received (RFC 3550 §6.4.1), ms.
    pub jitter_ms: f32,
    /// Round trip to the peer, from its RTCP, ms.
    pub round_trip_ms: Option<f32>,
    /// Packets of ours that the peer reports lost.
    pub remote_lost: Option<i32>,
    /// The jitter that the peer reports of our packets, ms.
    pub remote_jitter_ms: Option<f32>,
    /// E-model score of what is received (ITU-T G.107), 1 to 4.5.
    pub mos: Option<f32>,
    /// Where the peer's media comes from.
    pub source: Option<SocketAddr>,
    /// How often the source or its SSRC changed after the first.
    pub source_changes: u64,
    /// What was sent to the peer had to be converted from the other leg's codec.
    pub converted: bool,
    /// RTCP reports sent.
    pub rtcp_sent: u64,
    /// RTCP packets accepted.
    pub rtcp_received: u64,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}
