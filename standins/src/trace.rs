//! What a stand-in saw and did, and when: for progress lines, ladders and the messages of failing tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use voip_core::net::Transport;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// To whom: `carrier` or `agent`.
    pub party: &'static str,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A SIP message crossed the wire.
    Sip {
        /// The party sent it; else it received it.
        sent: bool,
        /// The transport it went over.
        transport: Transport,
        /// Method and Request-URI, or status and reason.
        line: String,
        /// The method of the request, or of the request that the response answers.
        method: String,
        /// The status, for a response.
        status: Option<u16>,
        /// Call-ID.
        call_id: String,
        /// The message as bytes: for whoever wants to see all of it.
        message: bytes::Bytes,
    },
    /// The first RTP packet of a call left or came.
    FirstAudio {
        /// The party sent it; else it received it.
        sent: bool,
        /// Call-ID.
        call_id: String,
    },
    /// How loud it is now: peaks of the last while in dB below full scale; `None` for silence.
    Level {
        /// Call-ID.
        call_id: String,
        /// What the party hears.
        heard: Option<f32>,
    },
    /// Something a person should read.
    Note(String),
}

/// A shared log of entries in the order of time; the oldest are kept when it is full.
#[derive(Clone, Debug)]
pub struct Trace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    entries: Mutex<Vec<Entry>>,
    grown: Notify,
}

/// More than any demonstration or test fills.
const CAPACITY: usize = 200_000;

impl Default for Trace {
    fn default() -> Self {
        Self(Arc::new(Inner { started: Instant::now(), entries: Mutex::default(), grown: Notify::new() }))
    }
}

impl Trace {
    /// When the trace began.
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// All entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// The entries from the one with index `from` on; waits up to `limit` for one to come.
    pub async fn since(&self, from: usize, limit: Duration) -> Vec<Entry> {
        let grown = self.0.grown.notified();
        if self.lock().len() <= from {
            let _ = tokio::time::timeout(limit, grown).await;
        }
        self.lock().get(from..).unwrap_or_default().to_vec()
    }

    /// The start lines of the messages that `party` sent and received, an arrow before each.
    pub fn lines(&self, party: &str) -> Vec<String> {
        let of_party = self.entries().into_iter().filter(|e| e.party == party);
        of_party
            .filter_map(|e| match e.what {
                What::Sip { sent, line, method, status, .. } => {
                    let arrow = if sent { "->" } else { "<-" };
                    Some(if status.is_some() {
                        format!("{arrow} {line} ({method})")
                    } else {
                        format!("{arrow} {line}")
                    })
                }
                What::FirstAudio { .. } | What::Level { .. } | What::Note(_) => None,
            })
            .collect()
    }

    pub(crate) fn add(&self, party: &'static str, what: What) {
        let mut entries = self.lock();
        if entries.len() < CAPACITY {
            entries.push(Entry { at: Instant::now(), party, what });
        }
        drop(entries);
        self.0.grown.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
