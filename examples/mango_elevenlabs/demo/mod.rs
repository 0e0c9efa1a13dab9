//! The demonstration: one call through the gateway, between a carrier and an agent that stand in for the real ones.
//!
//! The gateway is the one that `--config` runs, from a configuration of the same kind. The carrier demands registration
//! over TCP, then calls and plays recorded speech; the agent sits behind TLS and digest, and answers with other speech.
//! Everything stays on loopback. The verdict compares what each side heard with what the other one sent.

mod configuration;
mod ladder;
mod meter;
mod progress;
mod report;

use configuration::Setting;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use voip::gateway::ExitReason;
use voip_standins::digest::Account;
use voip_standins::trace::{Trace, What};
use voip_standins::{
    Action, Agent, AgentConfig, AnswerPlan, CallPlan, CallReport, Carrier, CarrierConfig, HangUp, Registration, Talk,
    speech,
};

/// Where the recordings go.
const OUTPUT: &str = "demo-output";
/// The number that the world dials, as the carrier writes it.
const DIALLED: &str = "74957654321";
/// The number of the agent, as ElevenLabs wants it.
const AGENT: &str = "+74951234567";

/// Runs the demonstration; whether all of it held.
pub(crate) async fn run(out: &mut dyn Write) -> io::Result<bool> {
    let trace = Trace::default();
    let (carrier, agent) = stand_ins(&trace).await?;
    let directory = Temporary::new()?;
    let setting = Setting::new(&carrier, &agent)?;
    let file = setting.write(directory.path(), &agent)?;
    introduce(out, &carrier, &agent, &setting)?;

    let mut progress = progress::Progress::new(trace.clone());
    let gateway = crate::gateway::start(&file)?;
    progress.note(out, "gateway", "started")?;
    let registered = progress.during(out, carrier.registered(Duration::from_secs(8))).await?;
    let mut shown = Shown { registered, ..Shown::default() };
    if shown.registered.is_some() {
        let calling = async {
            let placed = carrier.call_registered(caller_plan()).await;
            // The agent's end is there at once, unless the gateway left it alone: that is a line of the report.
            (placed, agent.finished_call(Duration::from_secs(2)).await)
        };
        let (placed, answered) = progress.during(out, calling).await?;
        shown.caller = Some(placed?);
        shown.agent = answered;
    }
    let stopping = tokio::time::timeout(Duration::from_secs(6), gateway.shut_down());
    shown.stopped = progress.during(out, stopping).await? == Ok(ExitReason::Finished);
    shown.unregistered = carrier.unregistered(Duration::from_millis(200)).await;
    progress.note(out, "gateway", if shown.stopped { "stopped" } else { "did not stop in time" })?;

    // What the gateway itself wrote down of the call.
    shown.record = std::fs::read_to_string(directory.path().join("calls.jsonl")).unwrap_or_default();

    let entries = trace.entries();
    ladder::draw(out, &entries, &shown)?;
    let output = PathBuf::from(OUTPUT);
    let saved = save(&output, &shown, &entries, &setting)?;
    report::write(out, &shown, &saved)
}

/// All that there is to report on.
#[derive(Default)]
struct Shown {
    registered: Option<Registration>,
    caller: Option<CallReport>,
    agent: Option<CallReport>,
    stopped: bool,
    unregistered: bool,
    record: String,
}

/// How long the agent lets it ring.
const RINGING: Duration = Duration::from_millis(1200);
/// When the caller begins to speak: while the agent's greeting ends, as people do.
const CALLER_SPEAKS: Duration = Duration::from_millis(3600);

async fn stand_ins(trace: &Trace) -> io::Result<(Carrier, Agent)> {
    // An address each, so that every packet shows whose it is; where loopback has only one, they share it.
    let own = |last: u8| {
        let own = Ipv4Addr::new(127, 0, 0, last);
        let free = std::net::UdpSocket::bind((own, 0)).is_ok();
        SocketAddr::new(IpAddr::V4(if free { own } else { Ipv4Addr::LOCALHOST }), 0)
    };
    let carrier = CarrierConfig::new(own(2), Account::new("eleven", "mango-secret"));
    let answer = AnswerPlan {
        ring: RINGING,
        talk: Talk { speech: Some(speech::agent()), ..Talk::default() },
        ..AnswerPlan::default()
    };
    let account = Account::new("asterisk_user", "agent-secret");
    let agent = AgentConfig { answer, ..AgentConfig::new(own(3), AGENT, Some(account)) };
    Ok((Carrier::start(carrier, trace.clone()).await?, Agent::start(agent, trace.clone()).await?))
}

fn caller_plan() -> CallPlan {
    let talk = Talk {
        speech: Some(speech::caller()),
        speak_after: CALLER_SPEAKS,
        actions: vec![(Duration::from_millis(3000), Action::Press('5', Duration::from_millis(120)))],
        hang_up: HangUp::AfterSpeech(Duration::from_millis(400)),
        ..Talk::default()
    };
    let called = voip_standins::Called::RequestUri(DIALLED.into());
    CallPlan { called, talk, patience: Duration::from_secs(8), ..CallPlan::default() }
}

fn introduce(out: &mut dyn Write, carrier: &Carrier, agent: &Agent, setting: &Setting) -> io::Result<()> {
    let tls = agent.tls_address().map_or_else(String::new, |address| address.to_string());
    writeln!(out, "A call through the gateway, all of it on this machine and nothing on the network.\n")?;
    writeln!(out, "  carrier   {:21} stands in for Mango Office: registrar and trunk over TCP", carrier.address())?;
    writeln!(out, "  gateway   {:21} the real one, from a configuration like yours", setting.gateway)?;
    writeln!(out, "  agent     {tls:21} stands in for ElevenLabs: TLS, digest, G.711")?;
    writeln!(out)?;
    out.flush()
}

/// Saves both directions as WAV, every SIP message as text, and the configuration; returns their paths.
fn save(
    directory: &Path,
    shown: &Shown,
    entries: &[voip_standins::trace::Entry],
    setting: &Setting,
) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)?;
    let mut saved = Vec::new();
    for (name, report) in [("agent-heard.wav", &shown.agent), ("caller-heard.wav", &shown.caller)] {
        let Some(report) = report else { continue };
        let Some(audio) = &report.audio else { continue };
        let path = directory.join(name);
        speech::write_wav(&path, audio.codec, &report.heard())?;
        saved.push(path);
    }
    let mut text = String::new();
    let start = entries.first().map(|e| e.at);
    for entry in entries {
        let What::Sip { sent, transport, message, .. } = &entry.what else { continue };
        let at = start.map_or(0.0, |start| (entry.at - start).as_secs_f64() * 1000.0);
        let direction = if *sent { "sends to" } else { "receives from" };
        text.push_str(&format!("---- {at:.1} ms: {} {direction} the gateway over {transport}\n", entry.party));
        text.push_str(&String::from_utf8_lossy(message).replace("\r\n", "\n"));
        text.push('\n');
    }
    for (name, text) in
        [("messages.txt", text.as_str()), ("gateway.toml", &setting.toml), ("calls.jsonl", &shown.record)]
    {
        let path = directory.join(name);
        std::fs::write(&path, text)?;
        saved.push(path);
    }
    Ok(saved)
}

/// A directory that is gone when this is.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("voip-demonstration-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed is three small files in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
