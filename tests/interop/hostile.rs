//! Bad input to the real process while a call is up: it neither falls, nor grows, nor disturbs the call.

use super::harness::Gateway;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Broken and binary datagrams, from the carrier's own address and from a stranger's.
pub fn datagrams(to: SocketAddr) {
    for from in ["127.0.0.2:0", "127.0.0.66:0"] {
        let socket = UdpSocket::bind(from).unwrap();
        let noise = super::harness::speech(8, 7);
        let whole = "INVITE sip:1@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bKx\r\nContent-Length: 99999\r\n\r\nx";
        let endless = format!("OPTIONS sip:a SIP/2.0\r\n{}", "a: b\r\n".repeat(9000));
        for _ in 0..200 {
            for length in [0, 1, 20, 400, 1280] {
                let _ = socket.send_to(&noise[..length], to);
            }
            let _ = socket.send_to(whole.as_bytes(), to);
            let _ = socket.send_to(&endless.as_bytes()[..50_000], to);
            for cut in (0..whole.len()).step_by(7) {
                let _ = socket.send_to(&whole.as_bytes()[..cut], to);
            }
        }
    }
}

/// Streams that lie about their length, never end their headers, or say half a message and nothing more.
pub fn streams(to: SocketAddr) {
    let opening = "INVITE sip:1@127.0.0.1 SIP/2.0\r\nContent-Length: ";
    let rude = [
        format!("{opening}-1\r\n\r\n"),
        format!("{opening}4000000000\r\n\r\n"),
        format!("{opening}10\r\nContent-Length: 11\r\n\r\n"),
        "OPTIONS sip:a SIP/2.0\r\n\r\n".to_owned(),
        "x".repeat(200_000),
        format!("OPTIONS sip:a SIP/2.0\r\n{}", "a: b\r\n".repeat(50_000)),
        format!("{opening}500\r\n\r\nhalf"),
    ];
    for text in rude.iter().cycle().take(70) {
        let Ok(mut stream) = TcpStream::connect(to) else { continue };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.read(&mut [0; 512]);
    }
}

/// Ten thousand connections that say nothing, as many open at once as this process may have.
pub fn connections(to: SocketAddr) {
    let mut open = Vec::new();
    for count in 0..10_000 {
        if let Ok(stream) = TcpStream::connect_timeout(&to, Duration::from_secs(5)) {
            open.push(stream);
        }
        if open.len() >= 700 {
            open.drain(..350);
        }
        if count % 1000 == 0 {
            std::thread::yield_now();
        }
    }
}

/// Everything at once; what the gateway holds afterwards is what it held before, within a few MB of buffers.
pub fn all(gateway: &Gateway, sip: SocketAddr) {
    let before = gateway.memory();
    datagrams(sip);
    streams(sip);
    connections(sip);
    let after = gateway.memory();
    assert!(after < before + 64 * 1024, "{before} kB before, {after} kB after");
    let status = gateway.status();
    assert!(status.counters.values().any(|count| *count > 100), "what came is counted: {:?}", status.counters);
}
