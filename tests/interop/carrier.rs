//! sipp as the carrier, with a registrar, and as the agent behind TLS; the audio of both ends is compared.

use super::harness::{Gateway, Program, Talker, contains, free_port, speech, wait_for};
use super::sipp::{LIMIT, Sipp};
use super::tls::Tunnel;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use voip::observe::record::EndedBy;

const GATEWAY: &str = "127.0.0.1";
pub const CARRIER: &str = "127.0.0.2";
pub const AGENT: &str = "127.0.0.3";

fn address(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), free_port(ip))
}

/// Who stands around a gateway in these tests.
pub struct Scene {
    sip: SocketAddr,
    registrar: SocketAddr,
    carrier: SocketAddr,
    pub agent: SocketAddr,
    dir: PathBuf,
    transport: &'static str,
    _tunnel: Tunnel,
    tls: SocketAddr,
    authority: PathBuf,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

impl Scene {
    pub fn new(name: &str, transport: &'static str) -> Self {
        let dir = super::harness::scratch(&format!("{name}-scene"));
        let (agent, tls) = (address(AGENT), address(AGENT));
        let tunnel = Tunnel::start(&dir, tls, agent);
        let authority = tunnel.authority.clone();
        Self {
            sip: address(GATEWAY),
            registrar: address(CARRIER),
            carrier: address(CARRIER),
            agent,
            dir,
            transport,
            _tunnel: tunnel,
            tls,
            authority,
        }
    }

    pub fn config(&self, registers: bool, password: &str) -> String {
        format!(
            r#"
[gateway]
rtp_ports = "30000-32000"

[[listen]]
transport = "udp"
bind = "{sip}"
[[listen]]
transport = "tcp"
bind = "{sip}"

[trunk.mango]
server = "sip:{registrar};transport={transport}"
username = "eleven"
password = "trunk-word"
register = {registers}
identify = ["{CARRIER}"]
number_format = "digits"

[trunk.agent]
server = "sip:{tls};transport=tls"
username = "asterisk_user"
password = "{password}"
codecs = ["pcma", "pcmu"]
tls = {{ extra_roots = "{authority}" }}

[[route]]
from = "mango"
to = "agent"
number = "+74951234567"
ring_timeout = 5
"#,
            sip = self.sip,
            registrar = self.registrar,
            transport = self.transport,
            tls = self.tls,
            authority = self.authority.display(),
        )
    }

    fn sipp_transport(&self) -> &'static str {
        if self.transport == "tcp" { "t1" } else { "u1" }
    }

    /// A sipp agent behind the tunnel, that answers `count` calls by `scenario`.
    pub fn agent(&self, scenario: &str, count: u32) -> Sipp {
        Sipp::new(&self.dir, "agent", scenario, self.agent, "t1").answers(count).pause(200)
    }

    pub fn carrier(&self, scenario: &str, count: u32, rate: u32) -> Sipp {
        Sipp::new(&self.dir, "carrier", scenario, self.carrier, self.sipp_transport()).calls(self.sip, count, rate)
    }

    /// Waits until a sipp that listens does so.
    pub fn listening(&self, program: Program, at: SocketAddr) -> Program {
        wait_for("sipp to listen", Duration::from_secs(10), || std::net::TcpStream::connect(at).ok());
        program
    }
}

/// A call from registration to removal, with speech both ways.
fn whole_call(name: &str, transport: &'static str, agents_law: u8) {
    let scene = Scene::new(name, transport);
    let mut registrar = Sipp::new(&scene.dir, "registrar", "registrar.xml", scene.registrar, scene.sipp_transport())
        .answers(2)
        .option(&["-deadcall_wait", "0"])
        .start();
    if transport == "tcp" {
        registrar = scene.listening(registrar, scene.registrar);
    }
    let gateway = Gateway::start(name, &scene.config(true, "agent-word"));
    gateway.wait_status("the registration", |s| s.registrations.iter().any(|r| r.state == "registered"));

    let (said_by_caller, said_by_agent) = (speech(120, 1), speech(120, 2));
    let caller = Talker::start(CARRIER, 8, said_by_caller.clone());
    let agent = Talker::start(AGENT, agents_law, said_by_agent.clone());
    let pt = agents_law.to_string();
    let called = scene.agent("agent_answers.xml", 1).audio_at(agent.address).key("audio_pt", &pt).start();
    let mut called = scene.listening(called, scene.agent);
    let mut calls = scene.carrier("carrier_call.xml", 1, 1).audio_at(caller.address).pause(3500).start();
    calls.succeeds_within(LIMIT);
    called.succeeds_within(LIMIT);

    let (heard_by_caller, heard_by_agent) = (caller.heard(), agent.heard());
    if agents_law == 8 {
        assert!(contains(&heard_by_agent, &said_by_caller), "the agent heard the caller bit by bit");
        assert!(contains(&heard_by_caller, &said_by_agent), "the caller heard the agent bit by bit");
    } else {
        use voip_media::codec::g711::Law;
        let converted = |from: Law, codes: &[u8]| {
            let mut codes = codes.to_vec();
            from.convert_to_other(&mut codes);
            codes
        };
        assert!(contains(&heard_by_agent, &converted(Law::A, &said_by_caller)), "A-law came as µ-law");
        assert!(contains(&heard_by_caller, &converted(Law::Mu, &said_by_agent)), "µ-law came as A-law");
    }

    let record = gateway.wait_records(1).remove(0);
    assert_eq!((record.cause.as_str(), record.ended_by), ("normal", EndedBy::Caller));
    assert_eq!((record.caller.as_str(), record.dialled.as_deref()), ("+79260577653", Some("+74951234567")));
    let callee = record.callee_leg.expect("a call that was answered has both legs");
    for leg in [&record.caller_leg, &callee] {
        assert!(leg.packets_received >= 120 && leg.packets_sent >= 120 && leg.lost_received == 0, "{leg:?}");
    }
    gateway.assert_idle();
    let (status, took) = gateway.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    registrar.succeeds_within(LIMIT);
}

#[test]
fn a_call_over_udp_is_answered_behind_tls() {
    whole_call("udp", "udp", 8);
}

#[test]
fn a_call_over_tcp_is_answered_behind_tls() {
    whole_call("tcp", "tcp", 8);
}

#[test]
fn an_agent_that_speaks_the_other_law_is_understood() {
    whole_call("law", "udp", 0);
}

#[test]
fn two_hundred_calls_at_twenty_a_second_leave_nothing_behind() {
    let scene = Scene::new("load", "udp");
    let gateway = Gateway::start("load", &scene.config(false, "agent-word"));
    let (caller, agent) = (Talker::start(CARRIER, 8, Vec::new()), Talker::start(AGENT, 8, Vec::new()));
    let called = scene.agent("agent_answers.xml", 200).audio_at(agent.address).key("audio_pt", "8").start();
    let mut called = scene.listening(called, scene.agent);
    let before = gateway.descriptors();
    let mut calls = scene.carrier("carrier_call.xml", 200, 20).audio_at(caller.address).pause(1500).start();
    calls.succeeds_within(LIMIT);
    called.succeeds_within(LIMIT);
    let records = gateway.wait_records(200);
    let bad: Vec<_> = records.iter().filter(|record| record.cause != "normal").collect();
    assert!(bad.is_empty(), "{} of {} calls did not end well: {:?}", bad.len(), records.len(), bad.first());
    gateway.assert_idle();
    // The connection to the agent stays open for the next call.
    assert!(gateway.descriptors() <= before + 1, "{before} descriptors before, {} after", gateway.descriptors());
    assert!(caller.heard().len() > 160 * 50 && agent.heard().len() > 160 * 50, "silence was sent to both");
}

#[test]
fn hostile_input_does_not_disturb_a_call() {
    let scene = Scene::new("hostile", "udp");
    let gateway = Gateway::start("hostile", &scene.config(false, "agent-word"));
    let (said_by_caller, said_by_agent) = (speech(900, 1), speech(900, 2));
    let caller = Talker::start(CARRIER, 8, said_by_caller.clone());
    let agent = Talker::start(AGENT, 8, said_by_agent.clone());
    let called = scene.agent("agent_answers.xml", 1).audio_at(agent.address).key("audio_pt", "8").start();
    let mut called = scene.listening(called, scene.agent);
    let mut calls = scene.carrier("carrier_call.xml", 1, 1).audio_at(caller.address).pause(20_000).start();
    gateway.wait_status("the call to be up", |s| s.calls.iter().any(|call| call.talk_s.is_some()));
    super::hostile::all(&gateway, scene.sip);
    calls.succeeds_within(LIMIT);
    called.succeeds_within(LIMIT);
    assert!(contains(&agent.heard(), &said_by_caller) && contains(&caller.heard(), &said_by_agent));
    let record = gateway.wait_records(1).remove(0);
    assert_eq!((record.cause.as_str(), record.caller_leg.lost_received), ("normal", 0));
    gateway.assert_idle();
}

/// A call that the agent does not take, as the carrier is told of it.
fn refused(name: &str, password: &str, agent: &str, carrier: &str, cause: &str) {
    let scene = Scene::new(name, "udp");
    let gateway = Gateway::start(name, &scene.config(false, password));
    let called = scene.agent(agent, 1).key("audio_pt", "8").audio_at(address(AGENT)).start();
    let _called = scene.listening(called, scene.agent);
    let mut calls = scene.carrier(carrier, 1, 1).audio_at(address(CARRIER)).pause(1500).start();
    calls.succeeds_within(LIMIT);
    assert_eq!(gateway.wait_records(1)[0].cause, cause);
    gateway.assert_idle();
}

#[test]
fn a_wrong_password_is_told_as_a_bad_gateway() {
    refused("password", "another-word", "agent_answers.xml", "carrier_refused_502.xml", "authentication-failed");
}

#[test]
fn a_busy_agent_is_told_as_busy() {
    refused("busy", "agent-word", "agent_busy.xml", "carrier_refused_486.xml", "busy");
}

#[test]
fn a_caller_that_gives_up_cancels_the_agent() {
    refused("cancel", "agent-word", "agent_cancelled.xml", "carrier_cancels.xml", "cancelled");
}

#[test]
fn an_agent_that_rings_too_long_is_given_up() {
    refused("ring", "agent-word", "agent_cancelled.xml", "carrier_refused_480.xml", "no-answer");
}

#[test]
fn hold_resume_and_an_ack_that_comes_late_are_survived() {
    let scene = Scene::new("hold", "udp");
    let gateway = Gateway::start("hold", &scene.config(false, "agent-word"));
    let (caller, agent) = (Talker::start(CARRIER, 8, speech(300, 1)), Talker::start(AGENT, 8, speech(300, 2)));
    let called = scene.agent("agent_answers.xml", 1).audio_at(agent.address).key("audio_pt", "8").start();
    let mut called = scene.listening(called, scene.agent);
    let mut calls = scene.carrier("carrier_holds.xml", 1, 1).audio_at(caller.address).pause(1500).start();
    calls.succeeds_within(LIMIT);
    called.succeeds_within(LIMIT);
    assert_eq!(gateway.wait_records(1)[0].cause, "normal");
    gateway.assert_idle();
}

#[test]
fn a_signal_ends_a_call_on_both_sides() {
    let scene = Scene::new("signal", "udp");
    let gateway = Gateway::start("signal", &scene.config(false, "agent-word"));
    let (caller, agent) = (Talker::start(CARRIER, 8, speech(50, 1)), Talker::start(AGENT, 8, speech(50, 2)));
    let called = scene.agent("agent_answers.xml", 1).audio_at(agent.address).key("audio_pt", "8").start();
    let mut called = scene.listening(called, scene.agent);
    let mut calls = scene.carrier("carrier_hung_up.xml", 1, 1).audio_at(caller.address).start();
    gateway.wait_status("the call to be up", |s| s.calls.iter().any(|call| call.talk_s.is_some()));
    let records = gateway.dir.join("calls.jsonl");
    let kept = scene.dir.join("calls.jsonl");
    std::fs::hard_link(&records, &kept).unwrap();
    let (status, took) = gateway.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    calls.succeeds_within(LIMIT);
    called.succeeds_within(LIMIT);
    assert!(std::fs::read_to_string(kept).unwrap().contains("\"cause\":\"shutdown\""));
}
