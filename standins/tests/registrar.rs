//! The carrier's registrar, asked by hand over TCP.

#![expect(clippy::unwrap_used, reason = "a test stops where something is missing")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use voip_standins::digest::{self, Account, Algorithm};
use voip_standins::trace::Trace;
use voip_standins::{Carrier, CarrierConfig};

/// A client that keeps nothing but its connection and a count.
struct Client {
    stream: TcpStream,
    cseq: u32,
    account: Account,
}

impl Client {
    fn new(to: SocketAddr, password: &str) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self { stream, cseq: 0, account: Account::new("eleven", password) }
    }

    /// Sends a REGISTER and gives its response.
    fn register(&mut self, expires: u32, credentials: Option<&str>) -> String {
        self.cseq += 1;
        let local = self.stream.local_addr().unwrap();
        let credentials = credentials.map_or_else(String::new, |value| format!("{value}\r\n"));
        let request = format!(
            "REGISTER sip:carrier SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bK{}\r\nFrom: <sip:eleven@c>;tag=1\r\n\
             To: <sip:eleven@c>\r\nCall-ID: one\r\nCSeq: {} REGISTER\r\nContact: <sip:eleven@{local}>\r\n\
             Expires: {expires}\r\n{credentials}Content-Length: 0\r\n\r\n",
            self.cseq, self.cseq
        );
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut response = [0; 4096];
        let length = self.stream.read(&mut response).unwrap();
        String::from_utf8_lossy(&response[..length]).into_owned()
    }

    /// Registers, answering the challenge that `response` holds.
    fn answer(&mut self, expires: u32, response: &str) -> String {
        let (header, name) = match response.split(' ').nth(1) {
            Some("407") => ("Proxy-Authenticate: ", "Proxy-Authorization"),
            _ => ("WWW-Authenticate: ", "Authorization"),
        };
        let challenge = response.lines().find_map(|line| line.strip_prefix(header)).unwrap();
        let answer = digest::answer(&self.account, challenge, "REGISTER", "sip:carrier", "cn").unwrap();
        self.register(expires, Some(&format!("{name}: {answer}")))
    }
}

async fn carrier(change: impl FnOnce(&mut CarrierConfig)) -> Carrier {
    let mut config = CarrierConfig::new("127.0.0.1:0".parse().unwrap(), Account::new("eleven", "secret"));
    change(&mut config);
    Carrier::start(config, Trace::default()).await.unwrap()
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_needs_a_digest_is_granted_shorter_and_removed() {
    let carrier = carrier(|_| ()).await;
    let mut client = Client::new(carrier.address(), "secret");
    let first = client.register(3600, None);
    assert_eq!(status(&first), 401);
    assert!(!first.contains("qop") && !first.contains("opaque"), "{first}");
    let granted = client.answer(3600, &first);
    assert!(status(&granted) == 200 && granted.contains(";expires=120"), "{granted}");
    let binding = carrier.registered(Duration::from_secs(1)).await.unwrap();
    assert_eq!(binding.remote, client.stream.local_addr().unwrap());
    assert_eq!(status(&client.answer(0, &first)), 200);
    assert!(carrier.unregistered(Duration::from_secs(1)).await);
    assert_eq!(status(&Client::new(carrier.address(), "wrong").answer(120, &first)), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_asks_with_qop_and_sha_256_and_its_nonce_grows_stale() {
    let carrier = carrier(|config| {
        (config.challenge, config.qop, config.algorithm) = (407, true, Algorithm::Sha256);
        config.nonce_uses = Some(1);
    });
    let carrier = carrier.await;
    let mut client = Client::new(carrier.address(), "secret");
    let first = client.register(60, None);
    assert!(status(&first) == 407 && first.contains("SHA-256") && first.contains("qop=\"auth\""), "{first}");
    assert_eq!(status(&client.answer(60, &first)), 200);
    let stale = client.answer(60, &first);
    assert!(status(&stale) == 407 && stale.contains("stale=true"), "{stale}");
    assert_eq!(status(&client.answer(60, &stale)), 200);
    assert_eq!(carrier.registration().unwrap().count, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_wish_is_423_and_refusals_come_first() {
    let carrier = carrier(|config| {
        config.min_expires = Some(90);
        config.refusals = vec![403];
    });
    let carrier = carrier.await;
    let mut client = Client::new(carrier.address(), "secret");
    let first = client.register(60, None);
    assert_eq!(status(&client.answer(60, &first)), 403);
    let brief = client.answer(60, &first);
    assert!(status(&brief) == 423 && brief.contains("Min-Expires: 90"), "{brief}");
    assert_eq!(status(&client.answer(90, &first)), 200);
}
