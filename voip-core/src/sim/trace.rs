//! What crossed the network, and its picture as a ladder.

use super::network::{NodeId, SimDatagram};
use bytes::Bytes;
use std::fmt;
use std::time::Instant;

/// A record of everything that crossed a simulated network.
#[derive(Debug)]
pub struct Trace {
    start: Instant,
    seed: u64,
    names: Vec<String>,
    entries: Vec<TraceEntry>,
}

/// One crossing.
#[derive(Clone, Debug)]
pub struct TraceEntry {
    /// When it arrived, or was lost.
    pub at: Instant,
    /// Sender.
    pub from: NodeId,
    /// Receiver; `None` when the address belongs to nobody.
    pub to: Option<NodeId>,
    /// Whether it was lost.
    pub lost: bool,
    /// What was sent.
    pub payload: Bytes,
}

impl TraceEntry {
    pub(super) fn datagram(at: Instant, from: NodeId, to: NodeId, datagram: &SimDatagram) -> Self {
        Self { at, from, to: Some(to), lost: false, payload: datagram.payload.clone() }
    }

    pub(super) fn lost(at: Instant, from: NodeId, to: Option<NodeId>, datagram: &SimDatagram) -> Self {
        Self { at, from, to, lost: true, payload: datagram.payload.clone() }
    }

    pub(super) fn data(at: Instant, from: NodeId, to: NodeId, data: &Bytes) -> Self {
        Self { at, from, to: Some(to), lost: false, payload: data.clone() }
    }

    /// The first line, where the payload is text; its length where not.
    pub fn summary(&self) -> String {
        let line = self.payload.split(|b| *b == b'\r' || *b == b'\n').next().unwrap_or_default();
        match std::str::from_utf8(line) {
            Ok(text) if !text.is_empty() && !text.contains(char::is_control) => text.chars().take(60).collect(),
            _ => format!("{} bytes", self.payload.len()),
        }
    }
}

impl Trace {
    /// Entries kept at the most: what comes later is not recorded.
    const CAPACITY: usize = 100_000;

    pub(super) fn new(start: Instant, seed: u64) -> Self {
        Self { start, seed, names: Vec::new(), entries: Vec::new() }
    }

    pub(super) fn name(&mut self, node: NodeId, name: &str) {
        debug_assert_eq!(node.0, self.names.len(), "nodes are named in the order they are added");
        self.names.push(name.to_owned());
    }

    pub(super) fn push(&mut self, entry: TraceEntry) {
        if self.entries.len() < Self::CAPACITY {
            self.entries.push(entry);
        }
    }

    /// Everything recorded, in order.
    pub fn entries(&self) -> &[TraceEntry] {
        &self.entries
    }
}

impl fmt::Display for Trace {
    /// One column for each node, an arrow for each crossing, its virtual time in ms before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const COLUMN: usize = 36;
        writeln!(f, "seed {}", self.seed)?;
        write!(f, "{:>12}", "ms")?;
        for name in &self.names {
            write!(f, "  {name:<COLUMN$}")?;
        }
        writeln!(f)?;
        for entry in &self.entries {
            let ms = entry.at.duration_since(self.start).as_secs_f64() * 1000.0;
            let to = entry.to.unwrap_or(entry.from).0;
            let (left, right) = (entry.from.0.min(to), entry.from.0.max(to));
            let width = ((right - left).max(1)) * (COLUMN + 2) - 2;
            let label: String = entry.summary().chars().take(width.saturating_sub(6)).collect();
            let fill = "-".repeat(width.saturating_sub(label.chars().count() + 4));
            let mark = if entry.lost { "x" } else { "" };
            let arrow = if entry.from.0 <= to {
                format!("- {label} {fill}{}", if entry.lost { "x" } else { ">" })
            } else {
                format!("{}- {label} {fill}", if entry.lost { "x" } else { "<" })
            };
            writeln!(
                f,
                "{ms:>12.1}  {}{arrow}{}",
                " ".repeat(left * (COLUMN + 2)),
                if mark.is_empty() { "" } else { " lost" }
            )?;
        }
        Ok(())
    }
}
