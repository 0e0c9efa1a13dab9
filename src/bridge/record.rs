//! A bridge that is over, as a call record.

use super::Bridge;
use crate::leg::Leg;
use crate::observe::record::{CallRecord, LegRecord};
use std::time::{Duration, Instant};
use voip_core::codec::AudioCodec;
use voip_core::leg::{HangupCause, LegEnd, Side};
use voip_core::time::ClockPair;
use voip_media::LegReport;
use voip_media::mos::Impairments;
use voip_sip::b2bua::EndingParty;

impl Bridge {
    /// The record of the call, as of its end; before that, as of `now`.
    pub fn record(&self, now: Instant, clock: &ClockPair) -> CallRecord {
        let times = &self.times;
        let ended = times.ended.unwrap_or(now);
        let wall = |at: Instant| clock.wall_at(at).rfc3339();
        let report = |side: Side| self.reports.as_ref().map(|reports| &reports[side.index()]);
        let mut record = CallRecord {
            id: self.id.clone(),
            started: wall(times.started),
            answered: times.answered.map(wall),
            ended: wall(ended),
            ring_delay_ms: times.ringing.map(|at| millis(times.started, at)),
            setup_ms: millis(times.started, times.answered.unwrap_or(ended)),
            talk_ms: times.answered.map_or(0, |at| millis(at, ended)),
            caller: self.parties.caller.to_string(),
            called: self.parties.called.as_ref().map(ToString::to_string).unwrap_or_default(),
            from_trunk: self.parties.from_trunk.clone(),
            to_trunk: Some(self.parties.to_trunk.clone()),
            dialled: Some(self.parties.dialled.clone()),
            caller_leg: leg_record(self.leg(Side::Caller), report(Side::Caller)),
            callee_leg: Some(leg_record(self.leg(Side::Callee), report(Side::Callee))),
            ..CallRecord::default()
        };
        if let Some(outcome) = self.outcome() {
            let by = match outcome.by {
                EndingParty::Leg(side) => Some(side),
                EndingParty::Gateway => None,
            };
            enter_end(&mut record, &outcome.end, by, self.words.as_deref());
        }
        record
    }
}

/// Enters how a call ended, with the words of whoever ended it.
pub(crate) fn enter_end(record: &mut CallRecord, end: &LegEnd, by: Option<Side>, words: Option<&str>) {
    record.end(end, by);
    // Of a plain hang-up there is nothing to explain.
    if let Some(words) = words.filter(|words| !words.is_empty() && end.cause != HangupCause::Normal) {
        record.reason = format!("{}: {words}", record.reason);
    }
}

fn leg_record(leg: &Leg, report: Option<&LegReport>) -> LegRecord {
    let mut record = LegRecord {
        call_id: leg.call_id.clone(),
        peer: leg.remote.map(|(transport, remote)| format!("{transport} {remote}")).unwrap_or_default(),
        media_peer: leg.plan().map(|plan| plan.remote_rtp.to_string()),
        codec_sent: leg.codec().map(|codec| codec.encoding_name().to_owned()),
        ..LegRecord::default()
    };
    if let Some(report) = report {
        if let Some(source) = report.source {
            record.media_peer = Some(source.to_string());
        }
        record.codec_received = report.codec.map(|codec| codec.encoding_name().to_owned());
        record.packets_received = report.packets_received;
        record.packets_sent = report.packets_sent;
        record.lost_received = report.lost;
        record.lost_sent = report.remote_lost.map(|lost| u64::try_from(lost).unwrap_or(0));
        record.jitter_received_ms = (report.packets_received > 0).then_some(f64::from(report.jitter_ms));
        record.jitter_sent_ms = report.remote_jitter_ms.map(f64::from);
        record.round_trip_ms = report.round_trip_ms.map(f64::from);
        record.mos_received = report.mos.map(f64::from);
        record.mos_sent = leg.codec().and_then(|codec| score_of_sent(report, codec)).map(f64::from);
        let reasons = report.dropped.by_reason().into_iter().filter(|(_, count)| *count > 0);
        record.dropped = reasons.map(|(reason, count)| (reason.to_owned(), count)).collect();
    }
    record.rounded()
}

/// The quality of what was sent, by what the far end reports of it. `None` without its reports (RFC 3550 §6.4.1).
fn score_of_sent(report: &LegReport, codec: AudioCodec) -> Option<f32> {
    let (lost, jitter_ms) = (report.remote_lost?, report.remote_jitter_ms?);
    let sent = report.packets_sent.max(1) as f32;
    // A jitter buffer of twice the jitter, one packet, half the round trip: as for what is received.
    let buffered = Duration::from_secs_f32((jitter_ms * 2.0).clamp(20.0, 1000.0) / 1000.0);
    let travel = Duration::from_secs_f32(report.round_trip_ms.unwrap_or(0.0).clamp(0.0, 10_000.0) / 2000.0);
    let delay = travel + Duration::from_millis(20) + buffered;
    Impairments { loss: (lost.max(0) as f32 / sent).min(1.0), delay, codec }.mos()
}

fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_scored_by_the_far_ends_reports_alone() {
        let silent = LegReport { packets_sent: 1000, ..LegReport::default() };
        assert_eq!(score_of_sent(&silent, AudioCodec::Pcma), None);
        let score = |lost| {
            let report = LegReport { remote_lost: Some(lost), remote_jitter_ms: Some(1.0), ..silent.clone() };
            score_of_sent(&report, AudioCodec::Pcma).unwrap()
        };
        let (clean, lossy) = (score(0), score(50));
        assert!(clean > 4.3 && lossy < clean - 0.3, "{clean} {lossy}");
    }
}
