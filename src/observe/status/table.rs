//! A status as aligned columns.

use super::Status;
use std::fmt::Write as _;

/// The whole status. Cells come from peers too, so nothing in them can write on the terminal.
pub(super) fn render(status: &Status) -> String {
    let mut text = String::new();
    let usage = &status.usage;
    let _ = writeln!(
        text,
        "voip {}, up {}, process {}{}",
        cell(&status.version),
        span(status.uptime_s),
        status.pid,
        if status.stopping { ", shutting down" } else { "" }
    );
    let _ = writeln!(
        text,
        "calls {} of {}, media ports {} of {}, connections {} of {}, transactions {}, dialogs {}",
        usage.calls,
        usage.max_calls,
        usage.media_ports,
        usage.max_media_ports,
        usage.connections,
        usage.max_connections,
        usage.transactions,
        usage.dialogs
    );

    let mut listeners = Columns::new("Listening", &["TRANSPORT", "ADDRESS"]);
    for listener in &status.listeners {
        listeners.row([&listener.transport, &listener.address]);
    }
    listeners.render(&mut text);

    let mut registrations =
        Columns::new("Registrations", &["TRUNK", "STATE", "FOR", "EXPIRES IN", "NEXT TRY IN", "SERVER", "LAST ERROR"]);
    for registration in &status.registrations {
        registrations.row([
            &registration.trunk,
            &registration.state,
            &span(registration.since_s),
            &optional(registration.expires_in_s.map(span)),
            &optional(registration.next_attempt_in_s.map(span)),
            &registration.server,
            &optional(registration.last_error.clone()),
        ]);
    }
    registrations.render(&mut text);

    let mut trunks =
        Columns::new("Trunks", &["NAME", "CALLS", "LIMIT", "REACHABLE", "ROUND TRIP", "IN", "OUT", "FAILED", "SERVER"]);
    for trunk in &status.trunks {
        let reachable = trunk.reachable.map(|reachable| if reachable { "yes" } else { "no" }.to_owned());
        trunks.row([
            &trunk.name,
            &trunk.calls.to_string(),
            &optional(trunk.max_calls.map(|limit| limit.to_string())),
            &optional(reachable),
            &optional(trunk.round_trip_ms.map(|ms| format!("{ms:.0} ms"))),
            &trunk.calls_in.to_string(),
            &trunk.calls_out.to_string(),
            &trunk.failed.to_string(),
            &trunk.server,
        ]);
    }
    trunks.render(&mut text);

    let mut calls = Columns::new("Calls", &["ID", "FROM", "TO", "CALLER", "CALLED", "STATE", "TIME", "CODECS", "LOSS"]);
    for call in &status.calls {
        let pair = |a: Option<String>, b: Option<String>| match (a, b) {
            (None, None) => "-".to_owned(),
            (a, b) => format!("{} / {}", optional(a), optional(b)),
        };
        let percent = |loss: Option<f64>| loss.map(|loss| format!("{loss:.1} %"));
        calls.row([
            &call.id,
            &call.from_trunk,
            &call.to_trunk,
            &call.caller,
            &call.called,
            &call.state,
            &span(call.talk_s.unwrap_or(call.age_s)),
            &pair(call.caller_codec.clone(), call.callee_codec.clone()),
            &pair(percent(call.caller_loss_percent), percent(call.callee_loss_percent)),
        ]);
    }
    calls.render(&mut text);

    let mut counters = Columns::new("Counters", &["COUNTED SINCE THE START", "NUMBER"]);
    for (name, count) in status.counters.iter().filter(|(_, count)| **count > 0) {
        counters.row([&name.replace('_', " "), &count.to_string()]);
    }
    counters.render(&mut text);
    text
}

/// A block of columns under a title.
struct Columns {
    title: &'static str,
    rows: Vec<Vec<String>>,
}

impl Columns {
    fn new(title: &'static str, names: &[&str]) -> Self {
        Self { title, rows: vec![names.iter().map(|name| (*name).to_owned()).collect()] }
    }

    fn row<const N: usize>(&mut self, cells: [&String; N]) {
        self.rows.push(cells.iter().map(|text| cell(text)).collect());
    }

    fn render(&self, text: &mut String) {
        if self.rows.len() == 1 {
            let _ = writeln!(text, "\n{}: none", self.title);
            return;
        }
        let _ = writeln!(text, "\n{}", self.title);
        let columns = self.rows[0].len();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, " {cell:width$} ");
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
}

/// A cell that cannot move the cursor and is no longer than a line can bear.
fn cell(text: &str) -> String {
    const LONGEST: usize = 80;
    let safe = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    if text.is_empty() {
        return "-".to_owned();
    }
    let mut shown: String = text.chars().take(LONGEST).map(safe).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn optional(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".to_owned())
}

/// Seconds as a person says them.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        _ => format!("{} d {:02}:{:02}", seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    #[test]
    fn a_status_is_laid_out_in_columns() {
        let status = Status {
            version: "0.1.0".to_owned(),
            pid: 4711,
            uptime_s: 7384,
            usage: Usage {
                calls: 1,
                max_calls: 500,
                media_ports: 4,
                max_media_ports: 10_000,
                connections: 2,
                max_connections: 1000,
                transactions: 3,
                dialogs: 2,
            },
            listeners: vec![ListenerStatus { transport: "udp".to_owned(), address: "0.0.0.0:5060".to_owned() }],
            registrations: vec![RegistrationStatus {
                trunk: "mango".to_owned(),
                state: "registered".to_owned(),
                server: "sip:vpbx400000000.mangosip.ru;transport=tcp".to_owned(),
                since_s: 125,
                expires_in_s: Some(75),
                ..RegistrationStatus::default()
            }],
            trunks: vec![
                TrunkStatus {
                    name: "mango".to_owned(),
                    server: "tcp 81.88.86.11:5060".to_owned(),
                    calls: 1,
                    max_calls: Some(5),
                    reachable: Some(true),
                    round_trip_ms: Some(24.4),
                    calls_in: 12,
                    calls_out: 3,
                    failed: 1,
                },
                TrunkStatus {
                    name: "elevenlabs".to_owned(),
                    server: "tls sip.rtc.elevenlabs.io:5061".to_owned(),
                    calls: 1,
                    ..TrunkStatus::default()
                },
            ],
            calls: vec![CallStatus {
                id: "c-17".to_owned(),
                from_trunk: "mango".to_owned(),
                to_trunk: "elevenlabs".to_owned(),
                caller: "+79150863586".to_owned(),
                called: "\x1b[2J".to_owned(),
                state: "up".to_owned(),
                age_s: 70,
                talk_s: Some(61),
                caller_codec: Some("PCMA".to_owned()),
                callee_codec: Some("PCMU".to_owned()),
                caller_loss_percent: Some(0.25),
                callee_loss_percent: None,
            }],
            counters: BTreeMap::from([("ignored_strangers".to_owned(), 41), ("malformed_messages".to_owned(), 0)]),
            ..Status::default()
        };
        let expected = "\
voip 0.1.0, up 2:03:04, process 4711
calls 1 of 500, media ports 4 of 10000, connections 2 of 1000, transactions 3, dialogs 2

Listening
  TRANSPORT  ADDRESS
  udp        0.0.0.0:5060

Registrations
  TRUNK  STATE       FOR   EXPIRES IN  NEXT TRY IN  SERVER                                       LAST ERROR
  mango  registered  2:05  1:15        -            sip:vpbx400000000.mangosip.ru;transport=tcp  -

Trunks
  NAME        CALLS  LIMIT  REACHABLE  ROUND TRIP  IN  OUT  FAILED  SERVER
  mango       1      5      yes        24 ms       12  3    1       tcp 81.88.86.11:5060
  elevenlabs  1      -      -          -           0   0    0       tls sip.rtc.elevenlabs.io:5061

Calls
  ID    FROM   TO          CALLER        CALLED  STATE  TIME  CODECS       LOSS
  c-17  mango  elevenlabs  +79150863586  \u{fffd}[2J    up     1:01  PCMA / PCMU  0.2 % / -

Counters
  COUNTED SINCE THE START  NUMBER
  ignored strangers        41
";
        assert_eq!(status.to_table(), expected);
    }

    #[test]
    fn an_idle_gateway_says_so() {
        let text = Status::default().to_table();
        assert!(text.contains("Calls: none\n") && text.contains("Registrations: none\n"), "{text}");
    }
}
