//! The verdict: what each side heard against what was sent, and what it took. Every line holds or says why not.

use super::{DIALLED, RINGING, Shown};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use voip_sip::message::HeaderName;
use voip_standins::compare::Comparison;
use voip_standins::{CallReport, EndedBy, speech};

/// Writes the report; whether every line holds.
pub(super) fn write(out: &mut dyn Write, shown: &Shown, saved: &[PathBuf]) -> io::Result<bool> {
    writeln!(out, "\nReport")?;
    let mut lines = Lines { out, failed: Vec::new() };
    match &shown.registered {
        Some(r) => lines.line("registration", true, &format!("over {}, granted for {} s", r.transport, r.expires))?,
        None => lines.line("registration", false, "the gateway did not register with the carrier")?,
    }
    match (&shown.caller, &shown.agent) {
        (Some(caller), Some(agent)) => call(&mut lines, caller, agent)?,
        (Some(caller), None) => {
            lines.line("call", false, &format!("never reached the agent; {}", end_of(caller)))?;
        }
        (None, _) => lines.line("call", false, "could not be placed: nobody was registered")?,
    }
    let bye = if shown.unregistered { "the binding was removed" } else { "the binding is still there" };
    let stop = if shown.stopped { "the gateway stopped" } else { "the gateway did not stop within 6 s" };
    lines.line("farewell", shown.unregistered && shown.stopped, &format!("{bye}, {stop}"))?;
    let failed = std::mem::take(&mut lines.failed);
    for (index, path) in saved.iter().enumerate() {
        writeln!(lines.out, "  {:14} {:6}  {}", if index == 0 { "saved" } else { "" }, "", path.display())?;
    }
    if failed.is_empty() {
        writeln!(lines.out, "\nAll of it holds.")?;
    } else {
        writeln!(lines.out, "\nDid not hold: {}.", failed.join(", "))?;
    }
    Ok(failed.is_empty())
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    failed: Vec<&'static str>,
}

impl Lines<'_> {
    fn line(&mut self, name: &'static str, holds: bool, text: &str) -> io::Result<()> {
        if !holds {
            self.failed.push(name);
        }
        let verdict = if holds { "ok" } else { "FAILED" };
        writeln!(self.out, "  {name:14} {verdict:6}  {text}")
    }

    fn more(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "  {:14} {:6}  {text}", "", "")
    }
}

fn call(lines: &mut Lines<'_>, caller: &CallReport, agent: &CallReport) -> io::Result<()> {
    let answered = caller.status() == Some(200) && agent.status() == Some(200);
    let since = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(caller.started));
    let ringing = since(caller.provisional_at(180));
    let answer = since(caller.response.as_ref().map(|(_, at)| *at));
    let text = format!("INVITE to 180: {}, to 200: {}", ms(ringing), ms(answer));
    lines.line("set-up", answered && ringing.is_some(), &text)?;
    if answered {
        let agent_answer = agent.response.as_ref().map(|(_, at)| *at);
        let there = since(Some(agent.started));
        let back = caller.response.as_ref().zip(agent_answer).map(|((_, at), sent)| at.saturating_duration_since(sent));
        lines.more(&format!(
            "the agent rang for {} ms; the gateway reached it in {} (TLS, digest)",
            RINGING.as_millis(),
            ms(there)
        ))?;
        lines.more(&format!("and passed its answer back in {}", ms(back)))?;
    } else {
        lines.more(&end_of(caller))?;
    }
    announced(lines, caller, agent)?;
    heard(lines, "agent heard", agent.heard_of(&speech::caller(), caller))?;
    heard(lines, "caller heard", caller.heard_of(&speech::agent(), agent))?;
    let keys = agent.keys();
    lines.line("keys", keys == "5", &format!("the caller pressed 5, the agent received \"{keys}\" (RFC 4733)"))?;
    let ended = caller.ended_by == EndedBy::Us && agent.ended_by == EndedBy::Them;
    let passed_on = agent.ended.zip(caller.ended).map(|(there, here)| there.saturating_duration_since(here));
    lines.line("hang-up", ended, &format!("{}; the agent was told {} later", end_of(caller), ms(passed_on)))
}

/// Who calls, as the agent is told.
fn announced(lines: &mut Lines<'_>, caller: &CallReport, agent: &CallReport) -> io::Result<()> {
    let header = |name: &'static str| {
        agent.invite.headers.value(&HeaderName::other(name)).map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    let (caller_id, call_id) = (header("X-CALLER-ID"), header("X-CALL-ID"));
    let digits: String = caller_id.chars().filter(char::is_ascii_digit).collect();
    let dialled = caller.invite.uri.user_name().as_deref() == Some(DIALLED);
    let holds = digits == "79260577653" && call_id != "none" && dialled;
    lines.line("caller id", holds, &format!("X-CALLER-ID: {caller_id}, X-CALL-ID: {call_id}"))
}

fn heard(lines: &mut Lines<'_>, name: &'static str, comparison: Option<Comparison>) -> io::Result<()> {
    let Some(c) = comparison else { return lines.line(name, false, "nothing: the call had no audio") };
    let seconds = c.samples as f64 / 8000.0;
    let text = format!("{seconds:.2} s of speech, {} samples: {}", c.samples, c.finding);
    lines.line(name, c.is_perfect(), &text)?;
    if c.noise > 0 {
        lines.more(&format!("{} samples beside the speech are not silence", c.noise))?;
    }
    lines.more(&format!(
        "{} packets, {} lost, {} twice; jitter {:.2} ms, largest gap {:.1} ms",
        c.packets, c.lost, c.duplicated, c.jitter_ms, c.largest_gap_ms
    ))?;
    match c.delay {
        Some(d) => lines.more(&format!(
            "added delay {:.2} ms in the middle, {:.2} ms at 95 %, {:.2} ms at most",
            d.median, d.p95, d.max
        )),
        None => Ok(()),
    }
}

fn end_of(report: &CallReport) -> String {
    match (report.status(), report.ended_by) {
        (None, _) => "no final response came".into(),
        (Some(200), EndedBy::Us) => "the caller hung up".into(),
        (Some(200), EndedBy::Them) => "the gateway hung up on the caller".into(),
        (Some(200), EndedBy::Nobody) => "the caller's BYE was not answered".into(),
        (Some(200), EndedBy::Silence) => "the caller heard nothing for too long".into(),
        (Some(status), _) => format!("the call was rejected with {status}"),
    }
}

fn ms(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "never".into(), |duration| format!("{:.1} ms", duration.as_secs_f64() * 1000.0))
}
