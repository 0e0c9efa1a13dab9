//! The driver against real sockets on loopback, with a machine that echoes and tells everything.

use super::*;
use crate::endpoint::{Answer, Connect, Event, Output, Query, ResolveId, TlsProfile};
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use voip_core::net::{FlowId, Transmit, Transport};

#[tokio::test]
async fn datagrams_come_in_and_go_out() {
    let (mut driver, mut machine) = (driver(Transport::Udp), Echo::default());
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(b"OPTIONS", driver.listening()[0].1).unwrap();
    assert_eq!(next(&mut driver, &mut machine).await, "OPTIONS");
    let mut buffer = [0; 100];
    driver.flush(&mut machine);
    assert_eq!(client.recv(&mut buffer).unwrap(), 7);
    let counters = driver.counters();
    assert_eq!((counters.datagrams_in, counters.datagrams_out, counters.datagram_bytes_out), (1, 1, 7));
}

#[tokio::test]
async fn ipv6_and_ipv4_share_a_port() {
    let any = |bind: &str| Listener { transport: Transport::Udp, bind: bind.parse().unwrap(), tls: None };
    let Ok(six) = Driver::bind(vec![any("[::]:0")], Vec::new(), DriverConfig::default()) else {
        return; // A host without IPv6.
    };
    let port = six.listening()[0].1.port();
    if std::net::UdpSocket::bind(("0.0.0.0", port)).is_ok() {
        let four = Driver::bind(vec![any(&format!("0.0.0.0:{port}"))], Vec::new(), DriverConfig::default()).unwrap();
        assert_eq!(four.listening()[0].1.port(), port);
    }
}

#[tokio::test]
async fn the_newest_datagrams_are_dropped_when_the_machine_is_behind() {
    let config = DriverConfig { input_queue: 4, ..DriverConfig::default() };
    let (mut driver, mut machine) = (driver_with(Transport::Udp, config), Echo::default());
    driver.attach(&mut machine);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..100 {
        client.send_to(format!("{n}").as_bytes(), driver.listening()[0].1).unwrap();
    }
    until(|| driver.counters().datagrams_in == 100).await;
    assert_eq!(driver.counters().datagrams_dropped, 96);
    for n in 0..4 {
        assert_eq!(next(&mut driver, &mut machine).await, n.to_string());
    }
}

#[tokio::test]
async fn the_bytes_that_wait_are_bounded_too() {
    let config = DriverConfig { datagram_bytes: 2500, ..DriverConfig::default() };
    let (mut driver, mut machine) = (driver_with(Transport::Udp, config), Echo::default());
    driver.attach(&mut machine);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for round in 1..=3 {
        for _ in 0..5 {
            client.send_to(&[b'x'; 1000], driver.listening()[0].1).unwrap();
        }
        until(|| driver.counters().datagrams_in == round * 5).await;
        assert_eq!(driver.counters().datagrams_dropped, round * 3, "room is given back");
        for _ in 0..2 {
            assert_eq!(next(&mut driver, &mut machine).await.len(), 1000);
        }
    }
}

#[tokio::test]
async fn cancelling_loses_nothing() {
    let (mut driver, mut machine) = (driver(Transport::Udp), Echo::default());
    driver.attach(&mut machine);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..100 {
        client.send_to(format!("{n}").as_bytes(), driver.listening()[0].1).unwrap();
    }
    let mut told = Vec::new();
    until(|| {
        // Polled once and dropped, each time.
        let mut next = Box::pin(driver.next_event(&mut machine));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let Poll::Ready(event) = next.as_mut().poll(&mut context) {
            told.push(words(event));
        }
        told.len() == 100
    })
    .await;
    assert_eq!(told, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let (mut driver, mut machine) = (driver(Transport::Udp), Echo::default());
    machine.deadline = Some(clock::now() + Duration::from_millis(20));
    assert_eq!(next(&mut driver, &mut machine).await, "timeout");
}

#[tokio::test]
async fn a_stream_is_passed_on_however_it_is_cut() {
    let (mut driver, mut machine) = (driver(Transport::Tcp), Echo::default());
    let mut client = TcpStream::connect(driver.listening()[0].1).await.unwrap();
    assert_eq!(next(&mut driver, &mut machine).await, "accepted");
    let mut text = String::new();
    for piece in ["INVITE sip:x SI", "P/2.0\r\n", "\r\nOPTIONS"] {
        client.write_all(piece.as_bytes()).await.unwrap();
        while !text.ends_with(piece) {
            text += &next(&mut driver, &mut machine).await;
        }
    }
    assert_eq!(text, "INVITE sip:x SIP/2.0\r\n\r\nOPTIONS");
    driver.flush(&mut machine);
    let mut echoed = vec![0; text.len()];
    timeout(LIMIT, client.read_exact(&mut echoed)).await.unwrap().unwrap();
    assert_eq!(echoed, text.as_bytes());
    drop(client);
    assert_eq!(next(&mut driver, &mut machine).await, "closed: closed by the far side");
}

#[tokio::test]
async fn a_peer_that_closes_its_half_still_gets_its_answer() {
    let (mut driver, mut machine) = (driver(Transport::Tcp), Echo::default());
    let mut client = TcpStream::connect(driver.listening()[0].1).await.unwrap();
    client.write_all(b"OPTIONS").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(next(&mut driver, &mut machine).await, "accepted");
    assert_eq!(next(&mut driver, &mut machine).await, "OPTIONS");
    assert_eq!(next(&mut driver, &mut machine).await, "closed: closed by the far side");
    let mut answer = Vec::new();
    timeout(LIMIT, client.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"OPTIONS");
}

#[tokio::test]
async fn closing_sends_what_was_sent_before() {
    let (mut driver, mut machine) = (driver(Transport::Tcp), Echo::default());
    let mut client = TcpStream::connect(driver.listening()[0].1).await.unwrap();
    // Unread input would turn a plain close into a reset.
    client.write_all(&[b'x'; 3000]).await.unwrap();
    assert_eq!(next(&mut driver, &mut machine).await, "accepted");
    let flow = machine.last_flow();
    for _ in 0..100 {
        machine.transmit(flow, client.local_addr().unwrap(), vec![b'y'; 5000]);
    }
    machine.outputs.push_back(Output::Close(flow));
    driver.flush(&mut machine);
    let mut all = Vec::new();
    timeout(LIMIT, client.read_to_end(&mut all)).await.unwrap().unwrap();
    assert_eq!(all.len(), 500_000);
    drop(client);
    until(|| driver.counters().connections_open == 0).await;
    machine.transmit(flow, driver.listening()[0].1, b"late".to_vec());
    driver.flush(&mut machine);
    assert_eq!(driver.counters().transmits_without_flow, 1);
}

#[tokio::test]
async fn shutting_down_sends_what_was_sent_before() {
    let (mut driver, mut machine) = (driver(Transport::Tcp), Echo::default());
    let mut client = TcpStream::connect(driver.listening()[0].1).await.unwrap();
    assert_eq!(next(&mut driver, &mut machine).await, "accepted");
    machine.transmit(machine.last_flow(), client.local_addr().unwrap(), b"BYE".to_vec());
    driver.flush(&mut machine);
    let mut all = Vec::new();
    let (read, ()) = tokio::join!(timeout(LIMIT, client.read_to_end(&mut all)), driver.shutdown(LIMIT));
    assert_eq!((read.unwrap().unwrap(), all.as_slice()), (3, &b"BYE"[..]));
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed_and_named() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut driver, mut machine) = (driver(Transport::Udp), Echo::default());
    let remote = server.local_addr().unwrap();
    let flow = machine.connect(Transport::Tcp, remote, "");
    assert_eq!(next(&mut driver, &mut machine).await, "connected");
    let _never_read = server.accept().await.unwrap();
    let mut told = String::new();
    for _ in 0..4000 {
        machine.transmit(flow, remote, vec![b'x'; 60_000]);
        machine.outputs.push_back(Output::Resolve(ResolveId(0), Query::Addresses("127.0.0.1".to_owned())));
        told = next(&mut driver, &mut machine).await;
        if told.starts_with("closed") {
            break;
        }
    }
    assert!(told.contains("does not read"), "{told}");
    assert_eq!(driver.counters().connections_slow, 1);
    until(|| driver.counters().connections_open == 0).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let config = DriverConfig { first_bytes_timeout: Duration::from_millis(20), ..DriverConfig::default() };
    let (mut driver, mut machine) = (driver_with(Transport::Tcp, config), Echo::default());
    let mut client = TcpStream::connect(driver.listening()[0].1).await.unwrap();
    assert_eq!(next(&mut driver, &mut machine).await, "accepted");
    assert_eq!(next(&mut driver, &mut machine).await, "closed: nothing came on it");
    assert_eq!(timeout(LIMIT, client.read(&mut [0])).await.unwrap().unwrap(), 0);
    assert_eq!(driver.counters().connections_silent, 1);
}

#[tokio::test]
async fn connections_too_many_are_closed_on_arrival() {
    let config = DriverConfig { max_connections: 2, ..DriverConfig::default() };
    let (mut driver, mut machine) = (driver_with(Transport::Tcp, config), Echo::default());
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(TcpStream::connect(driver.listening()[0].1).await.unwrap());
    }
    for _ in 0..2 {
        assert_eq!(next(&mut driver, &mut machine).await, "accepted");
    }
    until(|| driver.counters().connections_refused == 1).await;
    let read = timeout(LIMIT, clients[2].read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    drop(clients.swap_remove(0));
    assert!(next(&mut driver, &mut machine).await.starts_with("closed"));
    until(|| driver.counters().connections_open == 1).await;
    clients.push(TcpStream::connect(driver.listening()[0].1).await.unwrap());
    assert_eq!(next(&mut driver, &mut machine).await, "accepted");
}

#[tokio::test]
async fn a_connection_that_the_machine_refuses_is_closed() {
    let (mut driver, mut machine) = (driver(Transport::Tcp), Echo { refuse: true, ..Echo::default() });
    let mut client = TcpStream::connect(driver.listening()[0].1).await.unwrap();
    assert_eq!(next(&mut driver, &mut machine).await, "refused");
    let read = timeout(LIMIT, client.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert_eq!((driver.counters().connections_unwanted, driver.counters().connections_open), (1, 0));
}

#[tokio::test]
async fn connections_leave_no_descriptor() {
    let (mut driver, mut machine) = (driver(Transport::Tcp), Echo::default());
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    driver.attach(&mut machine);
    let before = descriptors();
    for _ in 0..20 {
        let mut clients = Vec::new();
        for _ in 0..100 {
            clients.push(TcpStream::connect(driver.listening()[0].1).await.unwrap());
        }
        for _ in 0..100 {
            assert_eq!(next(&mut driver, &mut machine).await, "accepted");
        }
        drop(clients);
        for _ in 0..100 {
            assert!(next(&mut driver, &mut machine).await.starts_with("closed"));
        }
    }
    until(|| driver.counters().connections_open == 0).await;
    assert_eq!(driver.counters().connections_accepted, 2000);
    // Other tests of this process have a few open meanwhile.
    until(|| descriptors() < before + 200).await;
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_told_with_its_cause() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (mut driver, mut machine) = (driver(Transport::Udp), Echo::default());
    machine.connect(Transport::Tcp, gone, "");
    let told = next(&mut driver, &mut machine).await;
    assert!(told.contains("no TCP connection to 127.0.0.1") && told.contains("refused"), "{told}");
    machine.connect(Transport::Ws, gone, "");
    assert!(next(&mut driver, &mut machine).await.contains("tcp and tls only"));
    assert_eq!(driver.counters().connections_failed, 1);
}

#[tokio::test]
async fn tls_round_trip_is_verified_by_name_and_authority() {
    let files = Files::new("round-trip", &["sip.example.com", "127.0.0.1"]);
    let trusting = ClientTls { extra_roots: Some(files.certificate()), ..ClientTls::default() };
    let careless = ClientTls { verify: false, ..ClientTls::default() };
    let (server, client) = tls_pair(&files, vec![trusting, ClientTls::default(), careless]);
    let remote = server.listening()[0].1;
    let serving = tokio::spawn(serve(server));
    let mut session = (client, Echo::quiet());
    for (profile, name, good) in [
        (0, "sip.example.com", true),
        (0, "127.0.0.1", true),
        (0, "other.example.com", false),
        (0, "127.0.0.2", false),
        (1, "sip.example.com", false),
        (2, "whatever.example.com", true),
        (0, "not a name", false),
        (7, "sip.example.com", false),
    ] {
        let (driver, machine) = &mut session;
        let flow = machine.connect_with(Transport::Tls, remote, name, TlsProfile(profile));
        let told = next(driver, machine).await;
        assert_eq!(told == "connected", good, "profile {profile}, {name}: {told}");
        if good {
            machine.transmit(flow, remote, b"INVITE".to_vec());
            assert_eq!(next(driver, machine).await, "INVITE", "echoed");
            machine.outputs.push_back(Output::Close(flow));
        } else {
            assert!(told.starts_with("closed: "), "{told}");
        }
    }
    serving.abort();
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let (old, new) = (Files::new("renewal-old", &["localhost"]), Files::new("renewal-new", &["localhost"]));
    let trusting_new = ClientTls { extra_roots: Some(new.certificate()), ..ClientTls::default() };
    let (server, mut client) = tls_pair(&old, vec![trusting_new]);
    let remote = server.listening()[0].1;
    let serving = tokio::spawn(serve(server));
    let mut machine = Echo::quiet();
    let replace = |from: PathBuf, to: PathBuf, later: u64| {
        std::fs::copy(from, &to).unwrap();
        let file = std::fs::File::options().append(true).open(to).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(2_000_000_000 + later)).unwrap();
    };
    machine.connect(Transport::Tls, remote, "localhost");
    assert!(next(&mut client, &mut machine).await.starts_with("closed: no TLS"), "the old one is not trusted");
    replace(new.certificate(), old.certificate(), 1);
    machine.connect(Transport::Tls, remote, "localhost");
    assert!(next(&mut client, &mut machine).await.starts_with("closed: no TLS"), "the key is still the old one");
    replace(new.key(), old.key(), 2);
    for _ in 0..2 {
        machine.connect(Transport::Tls, remote, "localhost");
        assert_eq!(next(&mut client, &mut machine).await, "connected");
        replace(old.certificate(), old.key(), 3);
    }
    serving.abort();
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_given_up() {
    let files = Files::new("handshake", &["localhost"]);
    let config = DriverConfig { handshake_timeout: Duration::from_millis(20), ..DriverConfig::default() };
    let listener = Listener { transport: Transport::Tls, bind: LOOPBACK, tls: Some(files.server()) };
    let mut driver = Driver::bind(vec![listener], Vec::new(), config).unwrap();
    driver.attach(&mut Echo::default());
    let mut silent = TcpStream::connect(driver.listening()[0].1).await.unwrap();
    let mut noisy = TcpStream::connect(driver.listening()[0].1).await.unwrap();
    noisy.write_all(b"OPTIONS sip:x SIP/2.0\r\n\r\n").await.unwrap();
    assert_eq!(timeout(LIMIT, silent.read(&mut [0])).await.unwrap().unwrap(), 0);
    until(|| driver.counters().handshakes_failed == 2 && driver.counters().connections_open == 0).await;
}

#[tokio::test]
async fn a_busy_port_is_named() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let first = driver(transport);
        let busy = first.listening()[0].1;
        let again = Listener { transport, bind: busy, tls: None };
        let error = Driver::bind(vec![again], Vec::new(), DriverConfig::default()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {transport} {busy}: ")), "{error}");
        assert!(error.ends_with("stop it, or set another `bind`"), "{error}");
    }
    let foreign = Listener { transport: Transport::Udp, bind: "192.0.2.1:5060".parse().unwrap(), tls: None };
    let error = Driver::bind(vec![foreign], Vec::new(), DriverConfig::default()).unwrap_err().to_string();
    assert!(error.contains("no interface of this host has 192.0.2.1"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_named() {
    let files = Files::new("errors", &["localhost"]);
    let other = Files::new("errors-other", &["localhost"]);
    let error = |certificate: PathBuf, private_key: PathBuf| {
        let tls = Some(ServerTls { certificate, private_key });
        let listener = Listener { transport: Transport::Tls, bind: LOOPBACK, tls };
        Driver::bind(vec![listener], Vec::new(), DriverConfig::default()).unwrap_err().to_string()
    };
    let missing = error(files.directory.join("missing.pem"), files.key());
    assert!(missing.contains("cannot read the certificate") && missing.contains("missing.pem"), "{missing}");
    let swapped = error(files.certificate(), files.certificate());
    assert!(swapped.contains("holds no private key"), "{swapped}");
    let strange = error(files.certificate(), other.key());
    assert!(strange.contains("the key must be the one the certificate was issued for"), "{strange}");
    let listener = Listener { transport: Transport::Tls, bind: LOOPBACK, tls: None };
    let none = Driver::bind(vec![listener], Vec::new(), DriverConfig::default()).unwrap_err();
    assert!(matches!(none, DriverError::MissingCertificate { .. }), "{none}");
    let roots = ClientTls { extra_roots: Some(files.key()), ..ClientTls::default() };
    let empty = Driver::bind(Vec::new(), vec![roots], DriverConfig::default()).unwrap_err().to_string();
    assert!(empty.contains("holds no extra roots"), "{empty}");
}

#[tokio::test]
async fn localhost_is_resolved_and_look_ups_are_bounded() {
    let config = DriverConfig { max_lookups: 0, ..DriverConfig::default() };
    let (mut driver, mut machine) = (driver_with(Transport::Udp, config), Echo::default());
    let mut ask = |id, name: &str| {
        machine.outputs.push_back(Output::Resolve(ResolveId(id), Query::Addresses(name.to_owned())));
    };
    ask(1, "localhost");
    ask(2, "sip.example.com");
    let told = next(&mut driver, &mut machine).await;
    assert!(told.starts_with("1 ") && told.contains("127.0.0.1"), "{told}");
    assert_eq!(next(&mut driver, &mut machine).await, "2 Addresses([])");
    assert_eq!(driver.counters().lookups_refused, 1);
}

const LIMIT: Duration = Duration::from_secs(20);
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Sends back whatever comes, and tells each input as an event.
#[derive(Default)]
struct Echo {
    outputs: VecDeque<Output>,
    flows: u64,
    deadline: Option<Instant>,
    refuse: bool,
    quiet: bool,
}

impl Echo {
    /// One that sends nothing back.
    fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    fn tell(&mut self, words: impl Into<Bytes>) {
        let event = Event::Stranger { remote: LOOPBACK, transport: Transport::Udp, method: words.into() };
        self.outputs.push_back(Output::Event(event));
    }

    fn flow(&mut self) -> FlowId {
        self.flows += 1;
        self.last_flow()
    }

    fn last_flow(&self) -> FlowId {
        FlowId(self.flows)
    }

    fn transmit(&mut self, flow: FlowId, remote: SocketAddr, payload: impl Into<Bytes>) {
        self.outputs.push_back(Output::Transmit(Transmit { flow, remote, payload: payload.into() }));
    }

    fn connect(&mut self, transport: Transport, remote: SocketAddr, name: &str) -> FlowId {
        self.connect_with(transport, remote, name, TlsProfile(0))
    }

    fn connect_with(&mut self, transport: Transport, remote: SocketAddr, name: &str, tls: TlsProfile) -> FlowId {
        let flow = self.flow();
        let server_name = name.to_owned();
        self.outputs.push_back(Output::Connect(Connect { flow, transport, remote, server_name, tls }));
        flow
    }

    fn echo(&mut self, flow: FlowId, remote: SocketAddr, bytes: Bytes) {
        if !self.quiet {
            self.transmit(flow, remote, bytes.clone());
        }
        self.tell(bytes);
    }
}

impl Machine for Echo {
    fn bind_udp(&mut self, _local: SocketAddr) -> FlowId {
        self.flow()
    }

    fn listen(&mut self, _transport: Transport, _local: SocketAddr) {}

    fn handle_accepted(
        &mut self,
        _now: Instant,
        _transport: Transport,
        _local: SocketAddr,
        _remote: SocketAddr,
    ) -> Option<FlowId> {
        self.tell(if self.refuse { "refused" } else { "accepted" });
        if self.refuse { None } else { Some(self.flow()) }
    }

    fn handle_connected(&mut self, _now: Instant, _flow: FlowId, _local: SocketAddr) {
        self.tell("connected");
    }

    fn handle_closed(&mut self, _now: Instant, _flow: FlowId, words: &str) {
        self.tell(format!("closed: {words}"));
    }

    fn handle_datagram(&mut self, _now: Instant, flow: FlowId, remote: SocketAddr, payload: Bytes) {
        self.echo(flow, remote, payload);
    }

    fn handle_stream(&mut self, _now: Instant, flow: FlowId, bytes: Bytes) {
        self.echo(flow, LOOPBACK, bytes);
    }

    fn handle_resolved(&mut self, _now: Instant, id: ResolveId, answer: Answer) {
        self.tell(format!("{} {answer:?}", id.0));
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.take_if(|deadline| *deadline <= now).is_some() {
            self.tell("timeout");
        }
    }

    fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Timeout(self.deadline))
    }
}

/// A certificate and its key on disk.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn new(test: &str, names: &[&str]) -> Self {
        let directory = std::env::temp_dir().join(format!("voip-sip-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let files = Self { directory };
        std::fs::write(files.certificate(), made.cert.pem()).unwrap();
        std::fs::write(files.key(), made.signing_key.serialize_pem()).unwrap();
        files
    }

    fn certificate(&self) -> PathBuf {
        self.directory.join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }

    fn server(&self) -> ServerTls {
        ServerTls { certificate: self.certificate(), private_key: self.key() }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn driver(transport: Transport) -> Driver {
    driver_with(transport, DriverConfig::default())
}

fn driver_with(transport: Transport, config: DriverConfig) -> Driver {
    Driver::bind(vec![Listener { transport, bind: LOOPBACK, tls: None }], Vec::new(), config).unwrap()
}

fn tls_pair(files: &Files, profiles: Vec<ClientTls>) -> (Driver, Driver) {
    let listener = Listener { transport: Transport::Tls, bind: LOOPBACK, tls: Some(files.server()) };
    let server = Driver::bind(vec![listener], Vec::new(), DriverConfig::default()).unwrap();
    (server, Driver::bind(Vec::new(), profiles, DriverConfig::default()).unwrap())
}

/// Echoes for as long as it is polled.
async fn serve(mut driver: Driver) {
    let mut machine = Echo::default();
    loop {
        driver.next_event(&mut machine).await;
    }
}

/// What the machine tells next.
async fn next(driver: &mut Driver, machine: &mut Echo) -> String {
    words(timeout(LIMIT, driver.next_event(machine)).await.unwrap())
}

fn words(event: Event) -> String {
    let Event::Stranger { method, .. } = event else { panic!("another event: {event:?}") };
    String::from_utf8(method.to_vec()).unwrap()
}

/// Lets other tasks run until a condition holds.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = poll_fn(|context| {
        if holds() {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    });
    timeout(LIMIT, waiting).await.expect("the condition is not met in time");
}
