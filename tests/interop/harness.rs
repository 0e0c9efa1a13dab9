//! What every test against another program needs: a gateway process, other programs, RTP of our own, and patience.
//!
//! The gateway runs as its user runs it: the release binary, a configuration file, signals, the status socket. Programs
//! are ended by the handle that started them.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use voip::observe::record::CallRecord;
use voip::observe::status::Status;
use voip::observe::status_socket;

/// A directory of one test.
pub fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("voip-interop-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory for the test");
    dir
}

/// A port that is free for UDP and TCP on `ip` at this moment.
pub fn free_port(ip: &str) -> u16 {
    for _ in 0..100 {
        let tcp = TcpListener::bind((ip, 0)).expect("loopback has free ports");
        let port = tcp.local_addr().expect("a bound socket has an address").port();
        if UdpSocket::bind((ip, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for both UDP and TCP on {ip}");
}

/// Waits until `condition` gives something; says what it waited for when it never does.
pub fn wait_for<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Fails with the name of the Debian package when a program is missing.
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: apt-get install {package}"))
}

/// A gateway process.
pub struct Gateway {
    child: Child,
    pub dir: PathBuf,
    socket: PathBuf,
}

impl Gateway {
    /// Starts the gateway with `config`, to which status socket and record file are added, and waits until it serves.
    pub fn start(name: &str, config: &str) -> Self {
        Self::start_by(name, config, &mut |binary| Command::new(binary))
    }

    /// The same, started by a command of the caller's: in a network namespace, say.
    pub fn start_by(name: &str, config: &str, command: &mut dyn FnMut(&Path) -> Command) -> Self {
        let dir = scratch(name);
        let socket = dir.join("status.sock");
        let config = config.replacen(
            "[gateway]",
            &format!(
                "[gateway]\nstatus_socket = {:?}\ncall_records = {:?}\n",
                socket.display().to_string(),
                dir.join("calls.jsonl").display().to_string()
            ),
            1,
        );
        fs::write(dir.join("gateway.toml"), config).expect("the configuration can be written");
        let log = fs::File::create(dir.join("gateway.log")).expect("the log can be written");
        let child = command(&binary())
            .args(["--log", "info,sip", "--config"])
            .arg(dir.join("gateway.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the gateway starts");
        let mut gateway = Self { child, dir, socket };
        wait_for("the gateway to serve", Duration::from_secs(15), || {
            if let Ok(Some(status)) = gateway.child.try_wait() {
                panic!("the gateway left with {status}:\n{}", gateway.log());
            }
            status_socket::query(&gateway.socket).ok()
        });
        gateway
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("gateway.log")).unwrap_or_default()
    }

    pub fn status(&self) -> Status {
        status_socket::query(&self.socket).unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// Waits until the status is as wanted.
    pub fn wait_status(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        wait_for(what, Duration::from_secs(15), || Some(self.status()).filter(|status| wanted(status)))
    }

    /// The records written so far.
    pub fn records(&self) -> Vec<CallRecord> {
        let text = fs::read_to_string(self.dir.join("calls.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
    }

    /// Waits for `count` records.
    pub fn wait_records(&self, count: usize) -> Vec<CallRecord> {
        wait_for("call records", Duration::from_secs(15), || Some(self.records()).filter(|all| all.len() >= count))
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map(Iterator::count).unwrap_or_default()
    }

    /// Memory in use, kB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or_default()
    }

    /// Nothing of any call is left.
    pub fn assert_idle(&self) {
        self.wait_status("no call, dialog or port to be left", |status| {
            status.usage.calls == 0 && status.usage.dialogs == 0 && status.usage.media_ports == 0
        });
    }

    /// SIGTERM, and how long it took to leave.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        signal("TERM", self.pid());
        let status = wait_for("the gateway to leave", Duration::from_secs(10), || {
            self.child.try_wait().expect("its child can be asked")
        });
        (status, started.elapsed())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the gateway's files are in {}; its log ends:\n{}", self.dir.display(), tail(&self.log(), 60));
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Sends a signal to a process that this test started.
pub fn signal(name: &str, pid: u32) {
    let done = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(done.is_ok_and(|status| status.success()), "{pid} cannot be signalled");
}

pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The binary of the example as the sources are now.
fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let own = std::env::current_exe().expect("a test knows its own path");
        let profile = own.parent().and_then(Path::parent).expect("tests are in target/PROFILE/deps");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--features", "interop", "--example", "mango_elevenlabs", "--target-dir"]);
        cargo.arg(profile.parent().expect("a profile is a folder of target"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().is_ok_and(|status| status.success()), "the example does not build");
        profile.join("examples").join("mango_elevenlabs")
    });
    built.clone()
}

/// Another program, ended with the test.
pub struct Program {
    child: Child,
    name: String,
    output: PathBuf,
}

impl Program {
    /// Starts it; what it prints goes to a file in `dir`.
    pub fn start(mut command: Command, dir: &Path, name: &str) -> Self {
        let output = dir.join(format!("{name}.out"));
        let file = fs::File::create(&output).expect("a test may write into its directory");
        let copy = file.try_clone().expect("a file handle can be copied");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).current_dir(dir).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { child, name: name.to_owned(), output }
    }

    /// What it has printed.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Waits until it has left in success.
    pub fn succeeds_within(&mut self, limit: Duration) {
        let name = self.name.clone();
        let status =
            wait_for(&format!("{name} to finish"), limit, || self.child.try_wait().expect("a child can be asked"));
        let errors = fs::read_to_string(self.output.with_file_name(format!("{name}.errors"))).unwrap_or_default();
        assert!(status.success(), "{name} failed with {status}:\n{}\n{}", tail(&errors, 60), tail(&self.printed(), 40));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One end of a call's audio: hears and keeps what comes, and says its piece once somebody is heard (so it needs no
/// description of where to send: the gateway sends silence as soon as the call is answered).
pub struct Talker {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<u8>>>,
}

impl Talker {
    /// `payload_type` is what is sent; `speech` A-law or µ-law bytes, whole frames of 160.
    pub fn start(ip: &str, payload_type: u8, speech: Vec<u8>) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a port for audio");
        let address = socket.local_addr().expect("a bound socket has an address");
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a time limit is allowed");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || talk(&socket, payload_type, &speech, &stopped));
        Self { address, stop, thread: Some(thread) }
    }

    /// Everything heard, in the order of sequence numbers.
    pub fn heard(mut self) -> Vec<u8> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(|thread| thread.join().expect("the talker does not panic")).unwrap_or_default()
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn talk(socket: &UdpSocket, payload_type: u8, speech: &[u8], stop: &AtomicBool) -> Vec<u8> {
    let mut heard: std::collections::BTreeMap<u32, Vec<u8>> = std::collections::BTreeMap::new();
    let mut first_sequence = None;
    let mut peer = None;
    let mut frames = speech.chunks_exact(160).enumerate();
    let mut next = Instant::now();
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut buffer)
            && length >= 12
            && buffer[0] >> 6 == 2
        {
            let sequence = u32::from(u16::from_be_bytes([buffer[2], buffer[3]]));
            let first = *first_sequence.get_or_insert(sequence);
            // Unwrapped around the first: a test is far shorter than the range.
            heard.insert(sequence.wrapping_sub(first) & 0xffff, buffer[12..length].to_vec());
            if peer.is_none() {
                peer = Some(from);
                next = Instant::now();
            }
        }
        let Some(to) = peer else { continue };
        while next <= Instant::now() {
            let Some((index, frame)) = frames.next() else { break };
            let mut packet = vec![0x80, payload_type | if index == 0 { 0x80 } else { 0 }];
            packet.extend_from_slice(&(1000 + index as u16).to_be_bytes());
            packet.extend_from_slice(&(index as u32 * 160).to_be_bytes());
            packet.extend_from_slice(&0x1234_5678_u32.to_be_bytes());
            packet.extend_from_slice(frame);
            let _ = socket.send_to(&packet, to);
            next += Duration::from_millis(20);
        }
    }
    heard.into_values().flatten().collect()
}

/// `frames` frames of 20 ms that repeat nothing and hold no code of silence.
pub fn speech(frames: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..frames * 160)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = (state >> 24) as u8;
            if matches!(byte, 0xd5 | 0x55 | 0xff | 0x7f) { 0x11 } else { byte }
        })
        .collect()
}

/// Whether `said` is in `heard`, whole and untouched.
pub fn contains(heard: &[u8], said: &[u8]) -> bool {
    heard.len() >= said.len() && heard.windows(said.len()).any(|window| window == said)
}
