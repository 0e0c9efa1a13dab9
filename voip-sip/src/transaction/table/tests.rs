//! The table's rules, one at a time; whole exchanges are in `tests/transaction_*.rs`.

use super::*;
use crate::message::{Message, MessageLimits, Uri};
use crate::transaction::ServerTimeout;
use std::time::Duration;
use voip_core::net::Transport;

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn origin() -> Instant {
    Instant::now()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn path(transport: Transport) -> Path {
    let (remote, local) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.9:5060".parse().unwrap());
    Path { flow: FlowId(1), transport, remote, local }
}

fn udp() -> Path {
    path(Transport::Udp)
}

fn request(method: Method, branch: &str) -> Request {
    let mut request = Request::new(method.clone(), "sip:bob@192.0.2.1".parse::<Uri>().unwrap());
    request.headers.push(HeaderName::Via, format!("SIP/2.0/UDP 192.0.2.9:5060;branch={branch}"));
    request.headers.push(HeaderName::Route, "<sip:proxy;lr>");
    request.headers.push(HeaderName::From, "<sip:alice@192.0.2.9>;tag=a");
    request.headers.push(HeaderName::To, "<sip:bob@192.0.2.1>");
    request.headers.push(HeaderName::CallId, "call-1");
    request.headers.push(HeaderName::CSeq, format!("7 {method}"));
    request
}

fn invite() -> Request {
    request(Method::Invite, "z9hG4bKinv")
}

/// The INVITE's ACK as its client transaction writes it.
fn ack_of(invite: &Request) -> Request {
    let mut ack = invite.clone();
    ack.method = Method::Ack;
    ack.headers.set(HeaderName::CSeq, "7 ACK");
    ack.headers.set(HeaderName::To, "<sip:bob@192.0.2.1>;tag=b");
    ack
}

fn sent(table: &mut Transactions) -> Vec<Message> {
    std::iter::from_fn(|| table.poll_transmit())
        .map(|t| Message::parse(t.payload, &MessageLimits::default()).unwrap())
        .collect()
}

/// Start lines of what was sent: `INVITE` or `200`.
fn names(table: &mut Transactions) -> Vec<String> {
    sent(table)
        .into_iter()
        .map(|m| match m {
            Message::Request(request) => request.method.to_string(),
            Message::Response(response) => response.status.to_string(),
        })
        .collect()
}

fn events(table: &mut Transactions) -> Vec<TransactionEvent> {
    std::iter::from_fn(|| table.poll_event()).collect()
}

/// Runs all timers up to `until`; when, in ms after `start`, something was sent and what.
fn run(table: &mut Transactions, start: Instant, until: Duration) -> Vec<(u128, String)> {
    let mut log = Vec::new();
    while let Some(at) = table.poll_timeout().filter(|at| *at <= start + until) {
        table.handle_timeout(at);
        log.extend(names(table).into_iter().map(|name| ((at - start).as_millis(), name)));
    }
    log
}

fn times(log: &[(u128, String)]) -> Vec<u128> {
    log.iter().map(|(at, _)| *at).collect()
}

fn client(path: Path, request: Request) -> (Transactions, Instant, ClientKey) {
    let (mut table, t0) = (Transactions::new(TransactionConfig::default()), origin());
    let key = table.send_request(t0, request, path).unwrap();
    assert_eq!(names(&mut table).len(), 1);
    (table, t0, key)
}

fn server(path: Path, request: &Request) -> (Transactions, Instant, ServerKey) {
    let (mut table, t0) = (Transactions::new(TransactionConfig::default()), origin());
    let RequestMatch::New(key) = table.handle_request(t0, request, path) else { panic!("not new") };
    (table, t0, key)
}

#[test]
fn timers_a_and_b_an_unanswered_invite_is_sent_seven_times_in_32_seconds() {
    let (mut table, t0, key) = client(udp(), invite());
    let log = run(&mut table, t0, ms(60_000));
    assert_eq!(times(&log), [500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(
        events(&mut table),
        [TransactionEvent::ClientTimeout { key }, TransactionEvent::ClientTerminated { key }]
    );
    assert!(table.is_empty() && table.poll_timeout().is_none());
}

#[test]
fn timers_e_and_f_intervals_are_capped_at_t2() {
    let (mut table, t0, key) = client(udp(), request(Method::Bye, "z9hG4bKbye"));
    let log = run(&mut table, t0, ms(60_000));
    // RFC 3261 §17.1.2.2: 500 ms, 1 s, 2 s, 4 s, 4 s, ...
    assert_eq!(times(&log), [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(events(&mut table)[0], TransactionEvent::ClientTimeout { key });
}

#[test]
fn after_a_provisional_response_a_request_is_sent_every_t2() {
    let bye = request(Method::Bye, "z9hG4bKbye");
    let (mut table, t0, _) = client(udp(), bye.clone());
    table.handle_response(t0 + ms(100), bye.response(100, None), udp());
    assert_eq!(times(&run(&mut table, t0, ms(13_000))), [500, 4500, 8500, 12_500]);
}

#[test]
fn nothing_is_retransmitted_over_a_reliable_transport() {
    for method in [Method::Invite, Method::Bye] {
        let (mut table, t0, key) = client(path(Transport::Tls), request(method, "z9hG4bK1"));
        assert_eq!(run(&mut table, t0, ms(31_999)), []);
        assert_eq!(run(&mut table, t0, ms(32_000)), []);
        assert_eq!(events(&mut table)[0], TransactionEvent::ClientTimeout { key });
    }
}

#[test]
fn timer_b_stops_at_a_provisional_response_and_the_limit_cancels() {
    let (mut table, t0, key) = client(udp(), invite());
    table.handle_response(t0 + ms(100), invite().response(180, Some("b")), udp());
    assert!(matches!(events(&mut table)[..], [TransactionEvent::Response { .. }]));
    let log = run(&mut table, t0, ms(300_100));
    assert_eq!(log, [(300_100, "CANCEL".into())]);
    // Neither CANCEL nor INVITE is answered: CANCEL is retransmitted, and 64*T1 later it is over.
    run(&mut table, t0, ms(400_000));
    assert_eq!(
        events(&mut table),
        [TransactionEvent::ClientTimeout { key }, TransactionEvent::ClientTerminated { key }]
    );
    assert!(table.is_empty());
}

#[test]
fn timer_d_a_retransmitted_final_response_is_acknowledged_again_for_32_seconds() {
    let (mut table, t0, key) = client(udp(), invite());
    let busy = invite().response(486, Some("b"));
    table.handle_response(t0, busy.clone(), udp());
    let Some(Message::Request(ack)) = sent(&mut table).pop() else { panic!("no ACK") };
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(ack.uri, invite().uri);
    // RFC 3261 §17.1.1.3.
    for (name, value) in [
        (HeaderName::Via, "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKinv"),
        (HeaderName::Route, "<sip:proxy;lr>"),
        (HeaderName::From, "<sip:alice@192.0.2.9>;tag=a"),
        (HeaderName::To, "<sip:bob@192.0.2.1>;tag=b"),
        (HeaderName::CallId, "call-1"),
        (HeaderName::CSeq, "7 ACK"),
        (HeaderName::MaxForwards, "70"),
    ] {
        assert_eq!(ack.headers.values(&name).collect::<Vec<_>>(), [value], "{name}");
    }
    assert_eq!(events(&mut table).len(), 1);
    table.handle_response(t0 + ms(31_000), busy, udp());
    assert_eq!(names(&mut table), ["ACK"]);
    assert_eq!(events(&mut table), []);
    run(&mut table, t0, ms(32_000));
    assert_eq!(events(&mut table), [TransactionEvent::ClientTerminated { key }]);
    assert!(table.is_empty());
}

#[test]
fn timer_d_is_zero_over_a_reliable_transport() {
    let tcp = path(Transport::Tcp);
    let (mut table, t0, key) = client(tcp, invite());
    table.handle_response(t0, invite().response(486, Some("b")), tcp);
    assert_eq!(names(&mut table), ["ACK"]);
    assert_eq!(events(&mut table).last(), Some(&TransactionEvent::ClientTerminated { key }));
    assert!(table.is_empty());
}

#[test]
fn timer_m_every_2xx_passes_up_for_64_t1_and_then_is_a_stray() {
    let (mut table, t0, key) = client(udp(), invite());
    for tag in ["b", "b", "fork"] {
        table.handle_response(t0, invite().response(200, Some(tag)), udp());
    }
    assert_eq!(names(&mut table), Vec::<String>::new(), "the ACK for 2xx is the UA core's");
    assert_eq!(events(&mut table).len(), 3);
    table.handle_response(t0, invite().response(486, Some("late")), udp());
    assert_eq!(events(&mut table), []);
    run(&mut table, t0, ms(32_000));
    assert_eq!(events(&mut table), [TransactionEvent::ClientTerminated { key }]);
    table.handle_response(t0, invite().response(200, Some("b")), udp());
    assert!(matches!(events(&mut table)[..], [TransactionEvent::Stray { .. }]));
    assert_eq!(table.counters().stray_responses, 1);
}

#[test]
fn timer_k_absorbs_retransmitted_final_responses_for_t4() {
    let bye = request(Method::Bye, "z9hG4bKbye");
    let (mut table, t0, _) = client(udp(), bye.clone());
    table.handle_response(t0, bye.response(200, None), udp());
    assert_eq!(events(&mut table).len(), 1);
    table.handle_response(t0 + ms(4999), bye.response(200, None), udp());
    assert_eq!(events(&mut table), []);
    assert_eq!(table.poll_timeout(), Some(t0 + ms(5000)));
    run(&mut table, t0, ms(5000));
    assert!(table.is_empty());
}

#[test]
fn timers_g_and_h_a_final_response_is_repeated_up_to_t2_until_64_t1() {
    let (mut table, t0, key) = server(udp(), &invite());
    assert!(table.respond(t0, key, &invite().response(486, Some("b"))));
    assert_eq!(names(&mut table), ["486"]);
    let log = run(&mut table, t0, ms(60_000));
    assert_eq!(times(&log), [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(
        events(&mut table),
        [
            TransactionEvent::ServerTimeout { key, timeout: ServerTimeout::NoAck },
            TransactionEvent::ServerTerminated { key }
        ]
    );
    assert!(table.is_empty());
}

#[test]
fn timer_h_runs_over_a_reliable_transport_too() {
    let tcp = path(Transport::Tcp);
    let (mut table, t0, key) = server(tcp, &invite());
    table.respond(t0, key, &invite().response(486, Some("b")));
    names(&mut table);
    assert_eq!(run(&mut table, t0, ms(32_000)), []);
    assert_eq!(events(&mut table).len(), 2);
    assert!(table.is_empty());
}

#[test]
fn timer_i_the_ack_ends_retransmission_and_further_acks_are_absorbed_for_t4() {
    let (mut table, t0, key) = server(udp(), &invite());
    table.respond(t0, key, &invite().response(486, Some("b")));
    names(&mut table);
    assert_eq!(table.handle_request(t0, &ack_of(&invite()), udp()), RequestMatch::Ack(key));
    assert_eq!(table.handle_request(t0, &ack_of(&invite()), udp()), RequestMatch::Ack(key));
    assert_eq!(table.poll_timeout(), Some(t0 + ms(5000)));
    assert_eq!(run(&mut table, t0, ms(5000)), []);
    assert!(table.is_empty());

    let tcp = path(Transport::Tcp);
    let (mut table, t0, key) = server(tcp, &invite());
    table.respond(t0, key, &invite().response(486, Some("b")));
    assert_eq!(table.handle_request(t0, &ack_of(&invite()), tcp), RequestMatch::Ack(key));
    assert!(table.is_empty());
}

#[test]
fn timer_j_repeats_the_answer_for_64_t1_over_udp_and_not_at_all_over_tcp() {
    let options = request(Method::Options, "z9hG4bKopt");
    let (mut table, t0, key) = server(udp(), &options);
    assert_eq!(table.handle_request(t0, &options, udp()), RequestMatch::Retransmission(key));
    assert_eq!(names(&mut table), Vec::<String>::new(), "nothing to repeat before the user answers");
    table.respond(t0, key, &options.response(200, Some("b")));
    names(&mut table);
    assert_eq!(table.handle_request(t0 + ms(31_000), &options, udp()), RequestMatch::Retransmission(key));
    assert_eq!(names(&mut table), ["200"]);
    assert_eq!(table.poll_timeout(), Some(t0 + ms(32_000)));
    assert!(!table.respond(t0, key, &options.response(500, Some("b"))));

    let tcp = path(Transport::Tcp);
    let (mut table, t0, key) = server(tcp, &options);
    table.respond(t0, key, &options.response(200, Some("b")));
    assert_eq!(names(&mut table), ["200"]);
    assert!(table.is_empty());
}

#[test]
fn timer_l_an_accepted_invite_absorbs_retransmissions_and_passes_its_ack_up() {
    let (mut table, t0, key) = server(udp(), &invite());
    table.respond(t0, key, &invite().response(200, Some("b")));
    assert_eq!(names(&mut table), ["200"]);
    assert_eq!(table.handle_request(t0, &invite(), udp()), RequestMatch::Retransmission(key));
    assert_eq!(names(&mut table), Vec::<String>::new());
    assert_eq!(table.handle_request(t0, &ack_of(&invite()), udp()), RequestMatch::AckFor2xx);
    assert_eq!(table.poll_timeout(), Some(t0 + ms(32_000)));
    run(&mut table, t0, ms(32_000));
    assert_eq!(events(&mut table), [TransactionEvent::ServerTerminated { key }]);
    assert!(table.is_empty());
}

#[test]
fn an_invite_gets_no_answer_until_the_user_gives_one_and_then_the_last_one_again() {
    let (mut table, t0, key) = server(udp(), &invite());
    table.handle_request(t0, &invite(), udp());
    assert_eq!(names(&mut table), Vec::<String>::new());
    let mut invite = invite();
    invite.headers.push(HeaderName::Timestamp, "54");
    let trying = trying(&invite);
    assert_eq!(trying.headers.value(&HeaderName::Timestamp).unwrap(), &"54");
    table.respond(t0, key, &trying);
    table.respond(t0, key, &invite.response(180, Some("b")));
    assert_eq!(names(&mut table), ["100", "180"]);
    table.handle_request(t0, &invite, udp());
    assert_eq!(names(&mut table), ["180"]);
}

#[test]
fn an_invite_that_the_user_forgets_does_not_live_forever() {
    let (mut table, t0, key) = server(udp(), &invite());
    run(&mut table, t0, ms(360_000));
    let timeout = ServerTimeout::NoFinalResponse;
    assert_eq!(events(&mut table), [TransactionEvent::ServerTimeout { key, timeout }]);
    assert!(table.is_proceeding(key), "it can still be answered");
    run(&mut table, t0, ms(392_000));
    assert_eq!(events(&mut table), [TransactionEvent::ServerTerminated { key }]);
    assert!(table.is_empty());

    let (mut table, t0, _) = server(udp(), &request(Method::Options, "z9hG4bKopt"));
    run(&mut table, t0, ms(32_000));
    assert!(table.is_empty());
}

#[test]
fn cancel_waits_for_a_provisional_response_and_copies_the_invite() {
    let (mut table, t0, key) = client(udp(), invite());
    let reason = Header { name: HeaderName::Reason, value: "SIP;cause=200".into() };
    assert_eq!(table.cancel(t0, key, &[reason]), CancelOutcome::HeldBack);
    assert_eq!(names(&mut table), Vec::<String>::new());
    table.handle_response(t0, invite().response(100, None), udp());
    let Some(Message::Request(cancel)) = sent(&mut table).pop() else { panic!("no CANCEL") };
    assert_eq!((cancel.method.clone(), cancel.uri.clone()), (Method::Cancel, invite().uri));
    for (name, value) in [
        (HeaderName::Via, "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKinv"),
        (HeaderName::Route, "<sip:proxy;lr>"),
        (HeaderName::To, "<sip:bob@192.0.2.1>"),
        (HeaderName::CSeq, "7 CANCEL"),
        (HeaderName::Reason, "SIP;cause=200"),
    ] {
        assert_eq!(cancel.headers.values(&name).collect::<Vec<_>>(), [value], "{name}");
    }
    assert_eq!(table.cancel(t0, key, &[]), CancelOutcome::TooLate);
    events(&mut table);
    table.handle_response(t0, cancel.response(200, Some("b")), udp());
    assert_eq!(events(&mut table), [], "the CANCEL's own response is nobody's business");
    table.handle_response(t0, invite().response(487, Some("b")), udp());
    assert!(matches!(&events(&mut table)[..],
        [TransactionEvent::Response { response, .. }] if response.status == 487));
    assert_eq!(names(&mut table), ["ACK"]);
}

#[test]
fn a_held_back_cancel_is_dropped_when_the_first_response_is_final() {
    let (mut table, t0, key) = client(udp(), invite());
    table.cancel(t0, key, &[]);
    table.handle_response(t0, invite().response(200, Some("b")), udp());
    assert_eq!(names(&mut table), Vec::<String>::new());
    assert_eq!(table.cancel(t0, key, &[]), CancelOutcome::TooLate);
}

#[test]
fn a_received_cancel_finds_its_invite() {
    let (mut table, t0, key) = server(udp(), &invite());
    let mut cancel = request(Method::Cancel, "z9hG4bKinv");
    let RequestMatch::Cancel { invite: Some(found), cancel: own } = table.handle_request(t0, &cancel, udp()) else {
        panic!("no match")
    };
    assert_eq!(found, key);
    assert_eq!(table.handle_request(t0, &cancel, udp()), RequestMatch::Retransmission(own));
    cancel = request(Method::Cancel, "z9hG4bKother");
    assert!(matches!(table.handle_request(t0, &cancel, udp()), RequestMatch::Cancel { invite: None, .. }));
}

#[test]
fn branches_of_different_hosts_and_methods_are_different_transactions() {
    let (mut table, t0, _) = server(udp(), &request(Method::Options, "z9hG4bK1"));
    let mut other_host = request(Method::Options, "z9hG4bK1");
    other_host.headers.set(HeaderName::Via, "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1");
    other_host.headers.set(HeaderName::CallId, "call-2");
    assert!(matches!(table.handle_request(t0, &other_host, udp()), RequestMatch::New(_)));
    assert!(matches!(table.handle_request(t0, &request(Method::Info, "z9hG4bK1"), udp()), RequestMatch::New(_)));
}

#[test]
fn a_peer_of_rfc_2543_is_matched_by_its_call() {
    let mut invite = invite();
    invite.headers.set(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=1");
    let (mut table, t0, key) = server(udp(), &invite);
    assert_eq!(table.handle_request(t0, &invite, udp()), RequestMatch::Retransmission(key));
    table.respond(t0, key, &invite.response(486, Some("b")));
    assert_eq!(table.handle_request(t0, &ack_of(&invite), udp()), RequestMatch::Ack(key));
    // The same branch in another call is another transaction.
    invite.headers.set(HeaderName::CallId, "call-2");
    assert!(matches!(table.handle_request(t0, &invite, udp()), RequestMatch::New(_)));
}

#[test]
fn a_request_that_came_by_two_ways_is_merged_unless_it_is_within_a_dialog() {
    let (mut table, t0, first) = server(udp(), &invite());
    let other_way = request(Method::Invite, "z9hG4bKother");
    let RequestMatch::Merged(key) = table.handle_request(t0, &other_way, udp()) else { panic!("not merged") };
    table.respond(t0, key, &other_way.response(482, Some("b")));
    assert_eq!(names(&mut table), ["482"]);
    assert_eq!(table.handle_request(t0, &invite(), udp()), RequestMatch::Retransmission(first));
    let mut within = request(Method::Invite, "z9hG4bKthird");
    within.headers.set(HeaderName::To, "<sip:bob@192.0.2.1>;tag=b");
    assert!(matches!(table.handle_request(t0, &within, udp()), RequestMatch::New(_)));
}

#[test]
fn a_failed_flow_ends_requests_on_it_and_only_on_it() {
    let (mut table, t0, key) = client(udp(), invite());
    let other = Path { flow: FlowId(2), ..udp() };
    let other_key = table.send_request(t0, request(Method::Bye, "z9hG4bKbye"), other).unwrap();
    table.handle_unreachable(FlowId(1), "198.51.100.1:5060".parse().unwrap());
    assert_eq!(events(&mut table), []);
    table.handle_flow_failed(FlowId(1));
    assert_eq!(
        events(&mut table),
        [TransactionEvent::ClientTransportError { key }, TransactionEvent::ClientTerminated { key }]
    );
    table.handle_unreachable(FlowId(2), udp().remote);
    assert_eq!(events(&mut table)[0], TransactionEvent::ClientTransportError { key: other_key });
    assert!(table.is_empty());

    let (mut table, _, key) = server(udp(), &invite());
    table.handle_flow_failed(FlowId(1));
    assert_eq!(events(&mut table), [TransactionEvent::ServerTransportError { key }]);
}

#[test]
fn the_table_is_bounded_and_a_cancel_still_gets_in() {
    let config = TransactionConfig { max_transactions: 1, ..TransactionConfig::default() };
    let (mut table, t0) = (Transactions::new(config), origin());
    assert!(matches!(table.handle_request(t0, &invite(), udp()), RequestMatch::New(_)));
    assert_eq!(table.handle_request(t0, &request(Method::Bye, "z9hG4bK2"), udp()), RequestMatch::Shed);
    let cancel = request(Method::Cancel, "z9hG4bKinv");
    assert!(matches!(table.handle_request(t0, &cancel, udp()), RequestMatch::Cancel { invite: Some(_), .. }));
    table.send_request(t0, invite(), udp()).unwrap();
    assert_eq!(table.send_request(t0, request(Method::Bye, "z9hG4bK3"), udp()), Err(SendError::TableFull));
    let counters = table.counters();
    assert_eq!((counters.shed_servers, counters.shed_clients), (1, 1));
}

#[test]
fn what_cannot_be_matched_is_counted_and_leaves_nothing() {
    let (mut table, t0) = (Transactions::new(TransactionConfig::default()), origin());
    let mut broken = invite();
    broken.headers.set(HeaderName::CSeq, "7 BYE");
    assert!(matches!(table.handle_request(t0, &broken, udp()), RequestMatch::Malformed(_)));
    broken = invite();
    broken.headers.remove(&HeaderName::Via);
    assert!(matches!(table.handle_request(t0, &broken, udp()), RequestMatch::Malformed(_)));
    assert!(matches!(table.send_request(t0, broken, udp()), Err(SendError::Incomplete(_))));
    assert_eq!(table.send_request(t0, ack_of(&invite()), udp()), Err(SendError::Ack));
    let mut two_vias = invite().response(200, Some("b"));
    two_vias.headers.push(HeaderName::Via, "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK9");
    table.handle_response(t0, two_vias, udp());
    assert_eq!((table.counters().malformed_requests, table.counters().malformed_responses), (2, 1));
    assert!(table.is_empty() && events(&mut table).is_empty());
    table.send_request(t0, invite(), udp()).unwrap();
    assert_eq!(table.send_request(t0, invite(), udp()), Err(SendError::BranchInUse));
}

#[test]
fn a_response_goes_by_via_from_the_socket_the_request_came_in_by() {
    let mut invite = invite();
    invite.headers.set(HeaderName::Via, "SIP/2.0/UDP 10.0.0.1:4540;branch=z9hG4bK1");
    let from = Path { flow: FlowId(9), remote: "203.0.113.7:7777".parse().unwrap(), ..udp() };
    via::stamp(&mut invite, from.remote).unwrap();
    let (mut table, t0, key) = server(from, &invite);
    table.respond(t0, key, &trying(&invite));
    let transmit = table.poll_transmit().unwrap();
    assert_eq!((transmit.flow, transmit.remote), (FlowId(9), "203.0.113.7:4540".parse().unwrap()));
}
