//! Whatever comes in whatever order: no panic, every key ends once, and the table ends up empty.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::net::{FlowId, Transport};
use voip_sip::message::{HeaderName, Method, Request, Response};
use voip_sip::transaction::{RequestMatch, ServerKey, TransactionConfig, TransactionEvent, Transactions};
use voip_sip::transport::Path;

const METHODS: [Method; 5] = [Method::Invite, Method::Ack, Method::Cancel, Method::Bye, Method::Options];
const STATUSES: [u16; 6] = [100, 180, 200, 401, 486, 603];

#[derive(Clone, Debug)]
enum Operation {
    Send { method: usize, branch: u8, flow: u8 },
    Cancel { nth: usize },
    Request { method: usize, branch: u8, flow: u8 },
    Respond { nth: usize, status: usize },
    Response { method: usize, branch: u8, status: usize },
    FlowFailed { flow: u8 },
    Wait { ms: u64 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let method = || 0..METHODS.len();
    let status = || 0..STATUSES.len();
    prop_oneof![
        (method(), 0..4_u8, 0..2_u8).prop_map(|(method, branch, flow)| Operation::Send { method, branch, flow }),
        (0..8_usize).prop_map(|nth| Operation::Cancel { nth }),
        (method(), 0..4_u8, 0..2_u8).prop_map(|(method, branch, flow)| Operation::Request { method, branch, flow }),
        (0..8_usize, status()).prop_map(|(nth, status)| Operation::Respond { nth, status }),
        (method(), 0..4_u8, status()).prop_map(|(method, branch, status)| Operation::Response {
            method,
            branch,
            status
        }),
        (0..2_u8).prop_map(|flow| Operation::FlowFailed { flow }),
        (0..40_000_u64).prop_map(|ms| Operation::Wait { ms }),
    ]
}

/// Branches 0 and 1 are of RFC 3261, 2 of RFC 2543, 3 has none.
fn request(method: &Method, branch: u8) -> Request {
    let mut request = Request::new(method.clone(), "sip:b@192.0.2.1".parse().unwrap());
    let branch_parameter = match branch {
        0 | 1 => format!(";branch=z9hG4bK{branch}"),
        2 => ";branch=2".into(),
        _ => String::new(),
    };
    request.headers.push(HeaderName::Via, format!("SIP/2.0/UDP 192.0.2.9{branch_parameter}"));
    request.headers.push(HeaderName::From, "<sip:a@h>;tag=a");
    request.headers.push(HeaderName::To, "<sip:b@h>");
    request.headers.push(HeaderName::CallId, format!("call-{}", branch / 2));
    request.headers.push(HeaderName::CSeq, format!("1 {method}"));
    request
}

fn path(flow: u8) -> Path {
    let transport = if flow == 0 { Transport::Udp } else { Transport::Tcp };
    let address: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    Path { flow: FlowId(flow.into()), transport, remote: address, local: address }
}

/// How often each key was issued and terminated.
#[derive(Default)]
struct Ledger {
    balance: BTreeMap<String, (u32, u32)>,
}

impl Ledger {
    fn issue(&mut self, key: impl std::fmt::Debug) {
        self.balance.entry(format!("{key:?}")).or_default().0 += 1;
    }

    fn drain(&mut self, table: &mut Transactions) {
        while table.poll_transmit().is_some() {}
        while let Some(event) = table.poll_event() {
            let (key, over) = match event {
                TransactionEvent::Response { key, .. }
                | TransactionEvent::ClientTimeout { key }
                | TransactionEvent::ClientTransportError { key } => (format!("{key:?}"), false),
                TransactionEvent::ServerTimeout { key, .. } | TransactionEvent::ServerTransportError { key } => {
                    (format!("{key:?}"), false)
                }
                TransactionEvent::ClientTerminated { key } => (format!("{key:?}"), true),
                TransactionEvent::ServerTerminated { key } => (format!("{key:?}"), true),
                TransactionEvent::Stray { .. } => continue,
            };
            let balance = self.balance.entry(key).or_default();
            assert_eq!(balance.1, 0, "an event came after the last one");
            balance.1 += u32::from(over);
        }
    }
}

fn run(origin: Instant, operations: &[Operation]) {
    let config = TransactionConfig { max_transactions: 3, ..TransactionConfig::default() };
    let (mut table, mut ledger, mut now) = (Transactions::new(config), Ledger::default(), origin);
    let (mut clients, mut servers) = (Vec::new(), Vec::<(ServerKey, Request)>::new());
    for operation in operations {
        match *operation {
            Operation::Send { method, branch, flow } => {
                if let Ok(key) = table.send_request(now, request(&METHODS[method], branch), path(flow)) {
                    ledger.issue(key);
                    clients.push(key);
                }
            }
            Operation::Cancel { nth } => {
                if let Some(key) = clients.get(nth) {
                    table.cancel(now, *key, &[]);
                }
            }
            Operation::Request { method, branch, flow } => {
                let request = request(&METHODS[method], branch);
                let key = match table.handle_request(now, &request, path(flow)) {
                    RequestMatch::New(key) | RequestMatch::Merged(key) => Some(key),
                    RequestMatch::Cancel { cancel, .. } => Some(cancel),
                    RequestMatch::Retransmission(_)
                    | RequestMatch::Ack(_)
                    | RequestMatch::AckFor2xx
                    | RequestMatch::Shed
                    | RequestMatch::Malformed(_) => None,
                };
                if let Some(key) = key {
                    ledger.issue(key);
                    servers.push((key, request));
                }
            }
            Operation::Respond { nth, status } => {
                if let Some((key, request)) = servers.get(nth) {
                    table.respond(now, *key, &request.response(STATUSES[status], Some("b")));
                }
            }
            Operation::Response { method, branch, status } => {
                let response: Response = request(&METHODS[method], branch).response(STATUSES[status], Some("b"));
                table.handle_response(now, response, path(0));
            }
            Operation::FlowFailed { flow } => table.handle_flow_failed(FlowId(flow.into())),
            Operation::Wait { ms } => {
                now += Duration::from_millis(ms);
                table.handle_timeout(now);
            }
        }
        ledger.drain(&mut table);
        // Three on each side, a CANCEL for each INVITE besides.
        assert!(table.len() <= 12, "{} transactions", table.len());
    }
    let mut steps = 0;
    while let Some(at) = table.poll_timeout() {
        now = now.max(at);
        table.handle_timeout(now);
        ledger.drain(&mut table);
        steps += 1;
        assert!(steps < 2000, "timers without end");
    }
    assert!(table.is_empty());
    assert!(now.duration_since(origin) < Duration::from_secs(40 * 60 + 400 + 64));
    for (key, balance) in &ledger.balance {
        assert_eq!(*balance, (1, 1), "{key} is issued once and ends once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_transaction_ends_once_and_the_table_ends_up_empty(
        operations in prop::collection::vec(operation(), 0..60),
    ) {
        #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
        run(Instant::now(), &operations);
    }
}
