#![expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]

use super::*;
use crate::auth::Credentials;
use crate::endpoint::ServerAddress;
use voip_core::net::Transport;
use voip_core::redact::Secret;

const SECOND: Duration = Duration::from_secs(1);

fn server(host: &str) -> ServerAddress {
    ServerAddress { host: host.into(), port: None, transport: Transport::Tcp }
}

fn registration(servers: &[&str]) -> Registration {
    let config = RegistrationConfig {
        servers: servers.iter().map(|host| server(host)).collect(),
        user: "eleven".into(),
        domain: None,
        credentials: Some(Credentials::new("eleven", Secret::new("pw"))),
        expires: 120,
        retry_interval: 60 * SECOND,
        forbidden_retry_interval: 600 * SECOND,
    };
    Registration::new(config, Rng::from_number(1))
}

fn contact() -> Uri {
    "sip:eleven@203.0.113.10:5060;transport=tcp".parse().unwrap()
}

fn response(status: u16, headers: &[(&'static str, &str)]) -> Response {
    let mut response = Response::new(status);
    for (name, value) in headers {
        response.headers.push(HeaderName::other(name), *value);
    }
    response
}

fn granted(seconds: u32) -> Response {
    response(200, &[("Contact", &format!("<sip:other@192.0.2.1>;expires=9, <{}>;expires={seconds}", contact()))])
}

const CHALLENGE: (&str, &str) = ("WWW-Authenticate", "Digest realm=\"mango\", nonce=\"n1\"");

#[test]
fn it_refreshes_for_a_day_between_half_and_three_quarters_of_what_was_granted() {
    let (mut now, mut r) = (Instant::now(), registration(&["a"]));
    let end = now + 86_400 * SECOND;
    r.register(now);
    let mut call_ids = std::collections::BTreeSet::new();
    let mut sequence = 0;
    while now < end {
        let request = r.poll_request().expect("a REGISTER is sent whenever it is time").request;
        call_ids.insert(request.headers.call_id().unwrap().to_string());
        let number = request.headers.required::<CSeq>().unwrap().number;
        assert!(number > sequence);
        sequence = number;
        r.handle_response(now, &granted(100), &contact());
        assert_eq!(r.state(), RegistrationState::Registered);
        let next = r.poll_timeout().unwrap();
        let wait = next - now;
        assert!((50 * SECOND..=75 * SECOND).contains(&wait), "{wait:?}");
        now = next;
        r.handle_timeout(now);
        assert_eq!(r.state(), RegistrationState::Refreshing);
    }
    assert_eq!(call_ids.len(), 1);
}

#[test]
fn a_challenge_is_answered_and_a_second_one_is_final_for_now() {
    let (now, mut r) = (Instant::now(), registration(&["a"]));
    r.register(now);
    let first = r.poll_request().unwrap().request;
    assert!(first.headers.value(&HeaderName::Authorization).is_none());
    r.handle_response(now, &response(401, &[CHALLENGE]), &contact());
    let second = r.poll_request().unwrap().request;
    let authorization = second.headers.value(&HeaderName::Authorization).unwrap().to_string();
    assert!(authorization.contains("username=\"eleven\"") && !authorization.contains("pw"));
    assert_eq!(second.headers.required::<CSeq>().unwrap().number, 2);
    r.handle_response(now, &response(401, &[CHALLENGE]), &contact());
    assert!(r.poll_request().is_none());
    assert_eq!((r.state(), r.poll_timeout()), (RegistrationState::Backoff, Some(now + 600 * SECOND)));
    assert_eq!(r.status(now).last_failure.as_deref(), Some("401 Unauthorized"));
}

#[test]
fn a_brief_interval_is_raised_as_423_says() {
    let (now, mut r) = (Instant::now(), registration(&["a"]));
    r.register(now);
    r.poll_request().unwrap();
    r.handle_response(now, &response(423, &[("Min-Expires", "300")]), &contact());
    let again = r.poll_request().unwrap().request;
    assert_eq!(again.headers.required::<Expires>().unwrap(), Expires(300));
    r.handle_response(now, &granted(300), &contact());
    assert_eq!(r.status(now).expires_in, Some(300 * SECOND));
}

#[test]
fn forbidden_waits_long_and_retry_after_is_obeyed() {
    let (now, mut r) = (Instant::now(), registration(&["a"]));
    r.register(now);
    r.poll_request().unwrap();
    r.handle_response(now, &response(403, &[]), &contact());
    assert_eq!(r.poll_timeout(), Some(now + 600 * SECOND));
    let later = now + 600 * SECOND;
    r.handle_timeout(later);
    r.poll_request().unwrap();
    r.handle_response(later, &response(503, &[("Retry-After", "42 (busy)")]), &contact());
    assert_eq!(r.poll_timeout(), Some(later + 42 * SECOND));
}

#[test]
fn the_next_server_is_tried_at_once_and_a_round_of_failures_waits_longer_each_time() {
    let (mut now, mut r) = (Instant::now(), registration(&["a", "b"]));
    r.register(now);
    let mut waits = Vec::new();
    for _ in 0..4 {
        assert_eq!(r.poll_request().unwrap().server, 0);
        r.handle_failure(now, RequestFailure::Timeout);
        assert_eq!(r.poll_timeout(), Some(now));
        r.handle_timeout(now);
        assert_eq!(r.poll_request().unwrap().server, 1);
        r.handle_failure(now, RequestFailure::TransportError);
        let next = r.poll_timeout().unwrap();
        waits.push((next - now).as_secs());
        now = next;
        r.handle_timeout(now);
    }
    for (wait, least) in waits.iter().zip([60, 120, 240, 480]) {
        assert!((least..=least * 6 / 5).contains(wait), "{waits:?}");
    }
    r.poll_request().unwrap();
    r.handle_response(now, &granted(120), &contact());
    assert_eq!((r.state(), r.server()), (RegistrationState::Registered, 0));
}

#[test]
fn a_lost_connection_is_replaced_soon() {
    let (now, mut r) = (Instant::now(), registration(&["a"]));
    r.register(now);
    r.poll_request().unwrap();
    r.handle_response(now, &granted(120), &contact());
    r.handle_flow_lost(now);
    let next = r.poll_timeout().unwrap();
    assert!(next <= now + 2 * SECOND && next > now);
}

#[test]
fn removal_asks_for_nothing_and_happens_once() {
    let (now, mut r) = (Instant::now(), registration(&["a"]));
    r.register(now);
    r.unregister(now);
    assert!(r.poll_request().is_some() && r.poll_request().is_none());
    r.handle_response(now, &granted(120), &contact());
    let removal = r.poll_request().unwrap().request;
    assert_eq!(removal.headers.required::<Expires>().unwrap(), Expires(0));
    r.handle_response(now, &response(200, &[]), &contact());
    assert_eq!((r.state(), r.poll_timeout()), (RegistrationState::Unregistered, None));
}

#[test]
fn a_binding_that_is_not_in_the_200_is_not_kept() {
    let (now, mut r) = (Instant::now(), registration(&["a"]));
    r.register(now);
    r.poll_request().unwrap();
    r.handle_response(now, &response(200, &[("Contact", "<sip:other@192.0.2.1>;expires=60")]), &contact());
    assert_eq!(r.state(), RegistrationState::Backoff);
}
