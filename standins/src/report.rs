//! What a stand-in tells of a call when it is over.

use crate::compare::{self, Comparison};
use crate::rtp::Recording;
use crate::speech;
use std::time::Instant;
use voip_core::codec::AudioCodec;
use voip_sip::message::{Request, Response};

/// A call as one stand-in saw it.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// Call-ID.
    pub call_id: String,
    /// The INVITE, as it was sent or received last: with credentials, where those were asked for.
    pub invite: Request,
    /// When the first INVITE was sent or received.
    pub started: Instant,
    /// Provisional responses sent or received.
    pub provisional: Vec<(u16, Instant)>,
    /// The final response, as it was sent or received.
    pub response: Option<(Response, Instant)>,
    /// When the answer was acknowledged.
    pub acknowledged: Option<Instant>,
    /// When it ended.
    pub ended: Option<Instant>,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Requests received in the dialog, the BYE that ended it among them.
    pub requests: Vec<(Instant, Request)>,
    /// Responses received to requests in the dialog: method and response.
    pub responses: Vec<(String, Response)>,
    /// How often a 200 to an INVITE was sent again (as callee) or came again (as caller).
    pub repeated_answers: u32,
    /// Audio, when the call came so far.
    pub audio: Option<AudioReport>,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// This stand-in, with BYE or CANCEL, or by rejecting it.
    Us,
    /// The other side.
    Them,
    /// Nobody: no final response, or no answer to our BYE.
    Nobody,
    /// This stand-in, because it heard nothing for too long.
    Silence,
}

/// The audio of a call.
#[derive(Clone, Debug)]
pub struct AudioReport {
    /// The codec that was agreed.
    pub codec: AudioCodec,
    /// Its payload type, as this side expects it.
    pub payload_type: u8,
    /// The payload type of telephone events, as this side expects it.
    pub telephone_event: Option<u8>,
    /// What came and went.
    pub recording: Recording,
}

impl CallReport {
    /// The final status.
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|(response, _)| response.status)
    }

    /// When the first provisional response of that status was sent or received.
    pub fn provisional_at(&self, status: u16) -> Option<Instant> {
        self.provisional.iter().find(|(s, _)| *s == status).map(|(_, at)| *at)
    }

    /// What this side heard against the speech (A-law) that `other` was to send it.
    pub fn heard_of(&self, speech: &[u8], other: &Self) -> Option<Comparison> {
        let (mine, theirs) = (self.audio.as_ref()?, other.audio.as_ref()?);
        // What was sent as µ-law began as A-law: both steps are made here as they were made there.
        let sent = speech::in_law(speech, theirs.codec);
        let expected = speech::between(&sent, theirs.codec, mine.codec);
        let heard = &mine.recording.heard;
        Some(compare::compare(&expected, &theirs.recording.sent, heard, mine.codec, mine.payload_type))
    }

    /// The keys heard, in order: one for each telephone event (RFC 4733), by its timestamp.
    pub fn keys(&self) -> String {
        let Some(audio) = &self.audio else { return String::new() };
        let mut keys = String::new();
        let mut last = None;
        for packet in &audio.recording.heard {
            if Some(packet.payload_type) != audio.telephone_event {
                continue;
            }
            let event = (packet.ssrc, packet.timestamp);
            if last.replace(event) != Some(event)
                && let Some(key) = packet.payload.first().and_then(|e| "0123456789*#ABCD".chars().nth((*e).into()))
            {
                keys.push(key);
            }
        }
        keys
    }

    /// All audio heard, without a break.
    pub fn heard(&self) -> Vec<u8> {
        self.audio
            .as_ref()
            .map_or_else(Vec::new, |audio| compare::codes(&audio.recording.heard, audio.payload_type, audio.codec))
    }

    /// The requests of a method that came in the dialog.
    pub fn requests_of<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Request> {
        let of_method = move |request: &&Request| request.method.as_bytes() == method.as_bytes();
        self.requests.iter().map(|(_, request)| request).filter(of_method)
    }
}
