//! A line for each thing worth knowing, while it happens.

use super::meter;
use std::io::{self, IsTerminal as _, Write};
use std::pin::pin;
use std::time::{Duration, Instant};
use voip_standins::trace::{Entry, Trace, What};

/// Follows the trace and tells of it.
pub(super) struct Progress {
    trace: Trace,
    told: usize,
    colour: bool,
    /// The loudest that agent and caller heard since the last line of levels, and when that was.
    levels: [Option<f32>; 2],
    level_line: Option<Instant>,
}

impl Progress {
    pub(super) fn new(trace: Trace) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { trace, told: 0, colour, levels: [None; 2], level_line: None }
    }

    /// Runs `task` and tells meanwhile what the stand-ins see.
    pub(super) async fn during<T>(&mut self, out: &mut dyn Write, task: impl Future<Output = T>) -> io::Result<T> {
        let mut task = pin!(task);
        loop {
            let news = self.trace.since(self.told, Duration::from_millis(100));
            tokio::select! {
                done = &mut task => {
                    self.tell(out, &self.trace.since(self.told, Duration::ZERO).await)?;
                    return Ok(done);
                }
                entries = news => self.tell(out, &entries)?,
            }
        }
    }

    /// A line of its own.
    pub(super) fn note(&self, out: &mut dyn Write, who: &str, text: &str) -> io::Result<()> {
        self.line(out, Instant::now(), who, text)
    }

    fn tell(&mut self, out: &mut dyn Write, entries: &[Entry]) -> io::Result<()> {
        for entry in entries {
            self.told += 1;
            if let What::Level { heard, .. } = &entry.what {
                self.level(out, entry, *heard)?;
            } else if let Some(text) = words(entry) {
                self.line(out, entry.at, entry.party, &text)?;
            }
        }
        Ok(())
    }

    fn level(&mut self, out: &mut dyn Write, entry: &Entry, heard: Option<f32>) -> io::Result<()> {
        let level = &mut self.levels[usize::from(entry.party == "carrier")];
        *level = [*level, heard].into_iter().flatten().reduce(f32::max);
        let since = *self.level_line.get_or_insert(entry.at);
        if entry.at.saturating_duration_since(since) >= Duration::from_secs(1) {
            let [agent, caller] = std::mem::take(&mut self.levels).map(meter::bar);
            self.level_line = Some(entry.at);
            self.line(out, entry.at, "talking", &format!("agent hears {agent}   caller hears {caller}"))?;
        }
        Ok(())
    }

    fn line(&self, out: &mut dyn Write, at: Instant, who: &str, text: &str) -> io::Result<()> {
        let seconds = at.saturating_duration_since(self.trace.started()).as_secs_f64();
        let (on, off) = if self.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        writeln!(out, "{seconds:7.3} s  {on}{who:8}{off}  {text}")?;
        out.flush()
    }
}

/// What a person wants to hear of it; most messages are for the ladder only.
fn words(entry: &Entry) -> Option<String> {
    match &entry.what {
        What::Note(text) => Some(text.clone()),
        What::Sip { sent, transport, line, method, status, message, .. } => {
            match (entry.party, *sent, method.as_str(), status) {
                ("carrier", false, "REGISTER", None) => {
                    let text = String::from_utf8_lossy(message);
                    let ends = text.contains("Expires: 0\r\n") || text.contains(";expires=0");
                    Some(format!("the gateway asks to be {}registered over {transport}", if ends { "un" } else { "" }))
                }
                ("carrier", true, "REGISTER", Some(401 | 407)) => Some("asks it for a digest".into()),
                ("carrier", true, "INVITE", None) => Some(format!("calls: {line}")),
                ("agent", false, "INVITE", None) => Some(format!("is called over {transport}: {line}")),
                ("agent", true, "INVITE", Some(407)) => Some("asks for a digest".into()),
                ("agent", true, "INVITE", Some(180)) => Some("rings".into()),
                ("agent", true, "INVITE", Some(200)) => Some("answers".into()),
                ("carrier", false, "INVITE", Some(180)) => Some("hears that it rings".into()),
                ("carrier", false, "INVITE", Some(200)) => Some("hears the answer".into()),
                ("carrier" | "agent", sent, "INVITE", Some(300..)) => {
                    Some(format!("{}: {line}", if sent { "rejects the call" } else { "the call is rejected" }))
                }
                (_, true, "BYE", None) => Some("hangs up".into()),
                (_, false, "BYE", None) => Some("is hung up on".into()),
                _ => None,
            }
        }
        What::FirstAudio { sent: false, .. } => Some("hears the first packet".into()),
        What::FirstAudio { sent: true, .. } | What::Level { .. } => None,
    }
}
