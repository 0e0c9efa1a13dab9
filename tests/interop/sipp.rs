//! sipp in its roles, with scenario files of ours.

use super::harness::{Program, program};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// One sipp process to be started.
pub struct Sipp {
    command: Command,
    dir: PathBuf,
    name: String,
}

impl Sipp {
    /// A role by its scenario file, at an address of its own.
    pub fn new(dir: &Path, name: &str, scenario: &str, at: SocketAddr, transport: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/scenarios").join(scenario);
        let mut command = Command::new(program("sipp", "sip-tester"));
        command.arg("-sf").arg(file);
        command.args(["-i", &at.ip().to_string(), "-p", &at.port().to_string(), "-t", transport]);
        command.args(["-nostdin", "-timeout_error", "-timeout", "60s", "-skip_rlimit"]);
        command.args(["-trace_err", "-error_file"]).arg(dir.join(format!("{name}.errors")));
        // An endpoint that gets what it does not expect has failed, not to be helped along.
        command.args(["-default_behaviors", "all,-bye"]);
        Self { command, dir: dir.to_owned(), name: name.to_owned() }
    }

    /// Calls `target` this often, then leaves.
    pub fn calls(mut self, target: SocketAddr, count: u32, per_second: u32) -> Self {
        self.command.arg(target.to_string());
        self.command.args(["-m", &count.to_string(), "-r", &per_second.to_string(), "-l", &count.to_string()]);
        self
    }

    /// Is called this often, then leaves.
    pub fn answers(mut self, count: u32) -> Self {
        self.command.args(["-m", &count.to_string()]);
        self
    }

    /// A word of the scenario and its value.
    pub fn key(mut self, name: &str, value: &str) -> Self {
        self.command.args(["-key", name, value]);
        self
    }

    /// Where its audio is: an end of the test's own.
    pub fn audio_at(self, address: SocketAddr) -> Self {
        self.key("audio_ip", &address.ip().to_string()).key("audio_port", &address.port().to_string())
    }

    /// How long its pauses take, ms.
    pub fn pause(self, ms: u32) -> Self {
        self.option(&["-d", &ms.to_string()])
    }

    pub fn option(mut self, words: &[&str]) -> Self {
        self.command.args(words);
        self
    }

    pub fn start(self) -> Program {
        Program::start(self.command, &self.dir, &self.name)
    }
}

/// How long any one scenario may take.
pub const LIMIT: Duration = Duration::from_secs(60);
