//! baresip as the agent and as a caller, in a network namespace of its own, since it refuses loopback. Each side plays a
//! tone of its own, and each hears the other's.

use super::carrier::{AGENT, CARRIER, Scene};
use super::harness::{Gateway, Program, Talker, free_port, program, scratch, wait_for};
use super::sipp::LIMIT;
use std::f64::consts::TAU;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use voip_media::codec::g711::Law;

/// This machine's end of the link, and the phone's.
const HERE: &str = "10.99.77.1";
const PHONE: &str = "10.99.77.2";

/// What the phone plays, and what the other side plays, Hz.
const PHONE_TONE: f64 = 1000.0;
const OUR_TONE: f64 = 440.0;

/// A network namespace with a link to here; both are gone with it.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        let name = format!("voip{}", std::process::id());
        let link = format!("vp{}", std::process::id() % 100_000);
        ip(&["netns", "add", &name]);
        let namespace = Self(name);
        let name = &namespace.0;
        ip(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", name]);
        ip(&["addr", "add", &format!("{HERE}/24"), "dev", &link]);
        ip(&["link", "set", &link, "up"]);
        ip(&["-n", name, "addr", "add", &format!("{PHONE}/24"), "dev", "eth0"]);
        ip(&["-n", name, "link", "set", "eth0", "up"]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
        namespace
    }

    /// baresip in it, with the files of `dir`.
    fn baresip(&self, dir: &Path, options: &[&str]) -> Program {
        let mut command = Command::new(program("ip", "iproute2"));
        command.args(["netns", "exec", &self.0]).arg(program("baresip", "baresip-core")).arg("-f").arg(dir);
        command.args(options);
        Program::start(command, dir, "baresip")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).stderr(Stdio::null()).status();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new(program("ip", "iproute2")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {} needs root: {said}", arguments.join(" "));
}

/// A directory with baresip's configuration: A-law alone, a WAV file for a voice, a recording of both directions.
fn phone(name: &str, account: &str) -> PathBuf {
    let dir = scratch(name);
    let path = dir.display();
    let config = format!(
        "module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
         module_app account.so\nmodule_app menu.so\nsnd_path {path}\naudio_source aufile,{path}/tone.wav\n\
         audio_player aubridge,none\naudio_alert aubridge,none\nrtp_timeout 30\njitter_buffer_delay 2-4\n\
         sip_listen {PHONE}:5060\nnet_interface eth0\n"
    );
    fs::write(dir.join("config"), config).unwrap();
    fs::write(dir.join("accounts"), account).unwrap();
    fs::write(dir.join("contacts"), "").unwrap();
    fs::write(dir.join("tone.wav"), wav(&tone(PHONE_TONE, 15))).unwrap();
    dir
}

fn tone(frequency: f64, seconds: u32) -> Vec<i16> {
    (0..seconds * 8000).map(|n| (8000.0 * (TAU * frequency * f64::from(n) / 8000.0).sin()) as i16).collect()
}

/// A RIFF file of 8 kHz, mono, 16 bits.
fn wav(samples: &[i16]) -> Vec<u8> {
    let length = samples.len() as u32 * 2;
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&8000_u32.to_le_bytes());
    file.extend_from_slice(&16_000_u32.to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&length.to_le_bytes());
    samples.iter().for_each(|sample| file.extend_from_slice(&sample.to_le_bytes()));
    file
}

fn alaw(samples: &[i16]) -> Vec<u8> {
    samples.iter().map(|sample| Law::A.encode(*sample)).collect()
}

/// How much of the energy of the loudest second is at `frequency`, 0 to 1.
fn share_of(samples: &[i16], frequency: f64) -> f64 {
    let energy = |part: &[i16]| part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let loudest = samples.chunks_exact(8000).max_by(|a, b| energy(a).total_cmp(&energy(b))).unwrap_or_default();
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in loudest.iter().enumerate() {
        let phase = TAU * frequency * n as f64 / 8000.0;
        real += f64::from(*sample) * phase.cos();
        imaginary += f64::from(*sample) * phase.sin();
    }
    let total = energy(loudest) * loudest.len() as f64 / 2.0;
    if total > 0.0 { (real * real + imaginary * imaginary) / total } else { 0.0 }
}

fn assert_tone(who: &str, samples: &[i16], frequency: f64) {
    let share = share_of(samples, frequency);
    assert!(share > 0.9, "{who} heard {frequency} Hz as {share:.3} of {} samples", samples.len());
}

fn decoded(codes: &[u8]) -> Vec<i16> {
    codes.iter().map(|code| Law::A.decode(*code)).collect()
}

/// What baresip wrote of what it heard.
fn recorded(dir: &Path) -> Vec<i16> {
    let file = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    let file = file.filter(|path| path.to_string_lossy().ends_with("dec.wav")).max();
    let bytes = fs::read(file.expect("baresip records what it hears")).unwrap();
    bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn config(scene: &Scene, here: SocketAddr, routes: &str) -> String {
    let listen = format!("\n[[listen]]\ntransport = \"udp\"\nbind = \"{here}\"\n");
    let trunk = format!(
        "\n[trunk.phone]\nserver = \"sip:{PHONE}:5060\"\nidentify = [\"{PHONE}\"]\ncodecs = [\"pcma\"]\n\
         number_format = \"plus\"\n"
    );
    let base = scene.config(false, "agent-word");
    let without_routes = &base[..base.find("[[route]]").unwrap()];
    format!("{without_routes}{trunk}{listen}{routes}")
}

#[test]
fn baresip_answers_a_carriers_call() {
    let scene = Scene::new("answers", "udp");
    let namespace = Namespace::new();
    let here = SocketAddr::new(HERE.parse().unwrap(), free_port(HERE));
    let routes = "\n[[route]]\nfrom = \"mango\"\nto = \"phone\"\nnumber = \"+74951234567\"\n";
    let gateway = Gateway::start("answers", &config(&scene, here, routes));
    let dir =
        phone("answers-phone", &format!("<sip:+74951234567@{PHONE}>;regint=0;answermode=auto;audio_codecs=PCMA\n"));
    let phone = namespace.baresip(&dir, &[]);
    wait_for("baresip to be ready", Duration::from_secs(15), || phone.printed().contains("ready").then_some(()));

    let caller = Talker::start(CARRIER, 8, alaw(&tone(OUR_TONE, 4)));
    let mut calls = scene.carrier("carrier_call.xml", 1, 1).audio_at(caller.address).pause(5000).start();
    calls.succeeds_within(LIMIT);
    assert_tone("the caller", &decoded(&caller.heard()), PHONE_TONE);
    let record = gateway.wait_records(1).remove(0);
    assert_eq!((record.cause.as_str(), record.to_trunk.as_deref()), ("normal", Some("phone")));
    gateway.assert_idle();
    wait_for("baresip to end the call", Duration::from_secs(10), || {
        phone.printed().contains("terminated").then_some(())
    });
    assert_tone("baresip", &recorded(&dir), OUR_TONE);
}

#[test]
fn baresip_calls_an_agent() {
    let scene = Scene::new("calls", "udp");
    let namespace = Namespace::new();
    let here = SocketAddr::new(HERE.parse().unwrap(), free_port(HERE));
    let routes = "\n[[route]]\nfrom = \"phone\"\nto = \"agent\"\nnumber = \"+74951234567\"\n";
    let gateway = Gateway::start("calls", &config(&scene, here, routes));
    let agent = Talker::start(AGENT, 8, alaw(&tone(OUR_TONE, 4)));
    let called = scene.agent("agent_answers.xml", 1).audio_at(agent.address).key("audio_pt", "8").start();
    let mut called = scene.listening(called, scene.agent);
    let dir = phone("calls-phone", &format!("<sip:+79260577653@{PHONE}>;regint=0;audio_codecs=PCMA\n"));
    let dial = format!("/dial sip:84957654321@{here}");
    let phone = namespace.baresip(&dir, &["-e", &dial, "-t", "6"]);
    called.succeeds_within(LIMIT);
    assert_tone("the agent", &decoded(&agent.heard()), PHONE_TONE);
    let record = gateway.wait_records(1).remove(0);
    assert_eq!((record.cause.as_str(), record.caller.as_str()), ("normal", "+79260577653"));
    gateway.assert_idle();
    drop(phone);
    assert_tone("baresip", &recorded(&dir), OUR_TONE);
}
