//! The call as a ladder: who said what to whom, and when. Three lifelines in 100 columns of plain text.

use super::Shown;
use std::io::{self, Write};
use std::time::Instant;
use voip_standins::CallReport;
use voip_standins::trace::{Entry, What};

/// Columns between two lifelines.
const SPAN: usize = 42;

/// The longest label of an arrow.
const LABEL: usize = SPAN - 8;

/// One arrow.
struct Rung {
    at: Instant,
    /// Between carrier and gateway; else between gateway and agent.
    left: bool,
    /// From left to right.
    rightward: bool,
    audio: bool,
    label: String,
}

/// Draws registration, call and farewell, each with a clock of its own.
pub(super) fn draw(out: &mut dyn Write, entries: &[Entry], shown: &Shown) -> io::Result<()> {
    let mut rungs: Vec<Rung> = entries.iter().filter_map(|entry| rung(entry, shown)).collect();
    rungs.sort_by_key(|rung| rung.at);
    let first = rungs.iter().position(|r| r.left && r.rightward && r.label.starts_with("INVITE"));
    let last = rungs.iter().rposition(|r| r.label.contains("(BYE)"));
    let call = first.unwrap_or(rungs.len())..last.map_or(rungs.len(), |last| last + 1).max(first.unwrap_or(0));
    for (title, part) in [
        ("Registration", &rungs[..call.start]),
        ("Call", &rungs[call.clone()]),
        ("Farewell", &rungs[call.end.min(rungs.len())..]),
    ] {
        section(out, title, part)?;
    }
    Ok(())
}

fn section(out: &mut dyn Write, title: &str, rungs: &[Rung]) -> io::Result<()> {
    let Some(first) = rungs.first() else { return Ok(()) };
    writeln!(out, "\n{title}")?;
    writeln!(out, "      ms  carrier{}gateway{}agent", " ".repeat(SPAN - 9), " ".repeat(SPAN - 7))?;
    for rung in rungs {
        let ms = rung.at.saturating_duration_since(first.at).as_secs_f64() * 1000.0;
        let arrow = arrow(rung);
        let empty = " ".repeat(SPAN);
        let (left, right) = if rung.left { (arrow, empty) } else { (empty, arrow) };
        writeln!(out, "{ms:8.1}  |{left}|{right}|")?;
    }
    Ok(())
}

fn arrow(rung: &Rung) -> String {
    let stroke = if rung.audio { '=' } else { '-' };
    let label: String = rung.label.chars().take(LABEL).collect();
    let strokes = SPAN - 3 - label.chars().count();
    let (before, after) = (strokes / 2, strokes - strokes / 2);
    let line = |count: usize| stroke.to_string().repeat(count);
    if rung.rightward {
        format!("{} {label} {}>", line(before), line(after))
    } else {
        format!("<{} {label} {}", line(before), line(after))
    }
}

fn rung(entry: &Entry, shown: &Shown) -> Option<Rung> {
    let left = entry.party == "carrier";
    let (sent, label, audio) = match &entry.what {
        What::Sip { sent, line, method, status, .. } => {
            let label = if status.is_some() { response(line, method) } else { request(line, method) };
            (*sent, label, false)
        }
        What::FirstAudio { sent, .. } => {
            let report = if left { &shown.caller } else { &shown.agent };
            (*sent, flow(report.as_ref()?, *sent)?, true)
        }
        What::Level { .. } | What::Note(_) => return None,
    };
    Some(Rung { at: entry.at, left, rightward: left == sent, audio, label })
}

/// A request line: within a dialog the method says it all, and where the host does not fit the user does.
fn request(line: &str, method: &str) -> String {
    let fits = line.chars().count() <= LABEL;
    match method {
        "INVITE" | "REGISTER" if !fits => line.split('@').next().unwrap_or(line).to_owned(),
        "INVITE" | "REGISTER" => line.to_owned(),
        _ => method.to_owned(),
    }
}

/// A status line, with the method that it answers where there is room.
fn response(line: &str, method: &str) -> String {
    let full = format!("{line} ({method})");
    if full.chars().count() <= LABEL { full } else { line.to_owned() }
}

/// What went over one leg in one direction.
fn flow(report: &CallReport, sent: bool) -> Option<String> {
    let audio = report.audio.as_ref()?;
    let packets = if sent { audio.recording.sent.len() } else { audio.recording.heard.len() };
    Some(format!("RTP {}: {packets} packets", audio.codec))
}
