//! The call record: one JSON line for each bridged call, at its end.
//!
//! The structs are the format: their fields are the keys, in this order. Times are UTC (RFC 3339), durations
//! milliseconds. Numbers and addresses are whole: a record is for billing and for finding a call again, so its file
//! belongs to the operator alone. Fields are plain data: whoever makes a record translates into them.

use super::line_queue::{LineQueue, Sink};
use crate::config::CallRecords;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;
use voip_core::leg::{HangupCause, LegEnd, Side};

/// One call from trunk to trunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The gateway's name for the call, as in its log and in `X-CALL-ID`.
    pub id: String,
    /// When the INVITE came.
    pub started: String,
    /// When the call was answered.
    pub answered: Option<String>,
    /// When it ended.
    pub ended: String,
    /// From INVITE to the first 180 or 183 of the far side, ms.
    pub ring_delay_ms: Option<u64>,
    /// From INVITE to the answer, or to the failure, ms.
    pub setup_ms: u64,
    /// From the answer to the end, ms; 0 when it was not answered.
    pub talk_ms: u64,
    /// The caller's number, E.164 where it is one.
    pub caller: String,
    /// The number that was dialled, E.164 where it is one.
    pub called: String,
    /// The trunk the call came from.
    pub from_trunk: String,
    /// The trunk it went to, if a route was found.
    pub to_trunk: Option<String>,
    /// What was dialled there.
    pub dialled: Option<String>,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Why: a stable word, see [`HangupCause::name`].
    pub cause: String,
    /// Why, for a person.
    pub reason: String,
    /// The SIP status that said so, if one did.
    pub status: Option<u16>,
    /// The leg of the caller.
    pub caller_leg: LegRecord,
    /// The leg of the called side, if there was one.
    pub callee_leg: Option<LegRecord>,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// The side that called.
    Caller,
    /// The side that was called.
    Callee,
    /// The gateway: a limit, a timeout, a shutdown.
    #[default]
    Gateway,
}

impl From<Option<Side>> for EndedBy {
    fn from(side: Option<Side>) -> Self {
        match side {
            Some(Side::Caller) => Self::Caller,
            Some(Side::Callee) => Self::Callee,
            None => Self::Gateway,
        }
    }
}

/// One leg of a call. "Received" is what the gateway got from the far end of the leg, "sent" what it sent there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LegRecord {
    /// The SIP Call-ID.
    pub call_id: String,
    /// The signalling peer, with its transport: `tcp 81.88.86.11:5060`.
    pub peer: String,
    /// Where RTP was sent in the end.
    pub media_peer: Option<String>,
    /// The codec that was sent last, by its RTP name.
    pub codec_sent: Option<String>,
    /// The codec that was received last.
    pub codec_received: Option<String>,
    /// RTP packets received.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Packets that never came (RFC 3550 A.3).
    pub lost_received: u64,
    /// Packets the far end reports as lost of those sent.
    pub lost_sent: Option<u64>,
    /// Interarrival jitter of what was received, ms (RFC 3550 §6.4.1).
    pub jitter_received_ms: Option<f64>,
    /// The same as the far end reports it of what was sent.
    pub jitter_sent_ms: Option<f64>,
    /// Round trip by RTCP, ms (RFC 3550 §6.4.1).
    pub round_trip_ms: Option<f64>,
    /// Estimated listening quality of what was received, 1 to 4.5 (ITU-T G.107).
    pub mos_received: Option<f64>,
    /// The same of what was sent, from the far end's reports.
    pub mos_sent: Option<f64>,
    /// Packets thrown away, by reason: from strangers, of unknown payload types, malformed. Reasons without any are
    /// left out.
    pub dropped: BTreeMap<String, u64>,
}

impl CallRecord {
    /// Enters how the call ended.
    pub fn end(&mut self, end: &LegEnd, by: Option<Side>) {
        let cause: HangupCause = end.cause;
        cause.name().clone_into(&mut self.cause);
        self.reason = cause.to_string();
        self.status = end.status;
        self.ended_by = by.into();
    }

    /// The record as one line of JSON, with the line break.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("plain data has a JSON form");
        line.push(b'\n');
        line
    }
}

impl LegRecord {
    /// Rounds what was measured to what is meaningful: hundredths.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        for value in [
            &mut self.jitter_received_ms,
            &mut self.jitter_sent_ms,
            &mut self.round_trip_ms,
            &mut self.mos_received,
            &mut self.mos_sent,
        ] {
            // JSON has no infinity and no NaN: what cannot be said is left out.
            *value = value.filter(|value| value.is_finite()).map(|value| (value * 100.0).round() / 100.0);
        }
        self
    }
}

/// Writes call records without ever holding a call up.
#[derive(Clone, Debug)]
pub struct RecordWriter {
    queue: Option<LineQueue>,
}

impl RecordWriter {
    /// Opens what the configuration names; `stdout` is written to where it names standard output.
    pub fn start(records: &CallRecords, stdout: Box<dyn Write + Send>) -> io::Result<Self> {
        let sink = match records {
            CallRecords::Off => return Ok(Self { queue: None }),
            CallRecords::Stdout => Sink::Stream(stdout),
            CallRecords::File(path) => Sink::File(path.clone()),
        };
        Ok(Self { queue: Some(LineQueue::start("call-records", QUEUE, sink)?) })
    }

    /// Writes a record, or counts it as lost when [`QUEUE`] records already wait.
    pub fn write(&self, record: &CallRecord) {
        if let Some(queue) = &self.queue {
            queue.push(record.to_line());
        }
    }

    /// Records that were not written.
    pub fn lost(&self) -> u64 {
        self.queue.as_ref().map_or(0, LineQueue::lost)
    }

    /// Opens the file anew, after it was rotated.
    pub fn reopen(&self) {
        if let Some(queue) = &self.queue {
            queue.reopen();
        }
    }

    /// Waits until all records are written, for as long as `limit`; says whether they are.
    pub fn flush(&self, limit: Duration) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.flush(limit))
    }
}

/// Records that may wait to be written: the ends of a thousand calls at once.
pub const QUEUE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record() -> CallRecord {
        let leg = LegRecord {
            call_id: "a84b4c76e66710".to_owned(),
            peer: "tcp 81.88.86.11:5060".to_owned(),
            packets_received: 500,
            dropped: BTreeMap::from([("foreign-source".to_owned(), 2)]),
            jitter_received_ms: Some(1.23456),
            mos_received: Some(f64::NAN),
            ..LegRecord::default()
        };
        let mut record = CallRecord {
            id: "c-1".to_owned(),
            started: "2026-11-21T09:30:00.250Z".to_owned(),
            caller: "+79150863586".to_owned(),
            from_trunk: "mango".to_owned(),
            caller_leg: leg.rounded(),
            ..CallRecord::default()
        };
        record.end(&LegEnd { cause: HangupCause::Busy, status: Some(486) }, Some(Side::Callee));
        record
    }

    #[test]
    fn a_record_is_one_line_of_json_that_reads_back() {
        let line = String::from_utf8(record().to_line()).unwrap();
        assert!(line.ends_with("}\n") && line.matches('\n').count() == 1);
        assert!(line.starts_with(r#"{"id":"c-1","started":"2026-11-21T09:30:00.250Z","answered":null,"#), "{line}");
        assert!(line.contains(r#""ended_by":"callee","cause":"busy","reason":"busy","status":486"#), "{line}");
        assert!(line.contains(r#""jitter_received_ms":1.23,"#) && line.contains(r#""mos_received":null"#), "{line}");
        assert!(line.contains(r#""dropped":{"foreign-source":2}"#), "{line}");
        assert_eq!(serde_json::from_str::<CallRecord>(&line).unwrap(), record());
    }

    #[test]
    fn records_reach_standard_output_in_order() {
        let page = Page::default();
        let writer = RecordWriter::start(&CallRecords::Stdout, Box::new(page.clone())).unwrap();
        for id in ["c-1", "c-2"] {
            writer.write(&CallRecord { id: id.to_owned(), ..record() });
        }
        assert!(writer.flush(Duration::from_secs(20)));
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let ids: Vec<_> = text.lines().map(|line| serde_json::from_str::<CallRecord>(line).unwrap().id).collect();
        assert_eq!(ids, ["c-1", "c-2"]);
        assert_eq!(writer.lost(), 0);
    }

    #[test]
    fn records_can_be_switched_off() {
        let page = Page::default();
        let writer = RecordWriter::start(&CallRecords::Off, Box::new(page.clone())).unwrap();
        writer.write(&record());
        assert!(writer.flush(Duration::from_secs(1)) && page.0.lock().unwrap().is_empty());
    }
}
