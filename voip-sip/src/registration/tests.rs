use super::*;
use crate::auth::{Challenger, Credentials, DigestResponse};
use crate::message::TypedHeader;
use crate::message::header::Via;
use crate::transport::ServerAddress;
use RegistrationState::{Backoff, Refreshing, Registered, Registering, Unregistered, Unregistering};
use voip_core::net::Transport;
use voip_core::redact::Secret;

/// A registration, the clock, and the REGISTER last polled.
struct Scene {
    now: Instant,
    machine: Registration,
    sent: Request,
    server: usize,
}

const CONTACT: &str = "sip:eleven@198.51.100.7:5060";
const CHALLENGE: &str = r#"Digest realm="mango", nonce="n1", qop="auth""#;

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn scene(servers: usize, seed: u64) -> Scene {
    let server = |i: usize| ServerAddress { host: format!("s{i}.example.com"), port: None, transport: Transport::Udp };
    let config = RegistrationConfig {
        servers: (0..servers).map(server).collect(),
        user: "eleven".into(),
        domain: None,
        credentials: Some(Credentials::new("eleven", Secret::new("pw"))),
        expires: 120,
        retry_interval: Duration::from_secs(60),
        forbidden_retry_interval: Duration::from_secs(600),
    };
    let machine = Registration::new(config, Rng::from_number(seed));
    let sent = Request::new(Method::Register, "sip:nobody".parse().unwrap());
    Scene { now: Instant::now(), machine, sent, server: 0 }
}

/// One that is registered for 120 s at the first of its servers.
fn registered(servers: usize, seed: u64) -> Scene {
    let mut scene = scene(servers, seed);
    scene.machine.register(scene.now);
    assert!(scene.polled());
    scene.ok(&format!("<{CONTACT}>;expires=120"));
    assert_eq!(scene.machine.state(), Registered);
    scene
}

impl Scene {
    /// Takes the request, as the endpoint does; whether there was one.
    fn polled(&mut self) -> bool {
        let Some(next) = self.machine.poll_request() else { return false };
        assert!(next.request.headers.value(&HeaderName::Contact).is_none());
        self.sent = next.request;
        self.server = next.server;
        true
    }

    fn cseq(&self) -> u32 {
        self.sent.headers.required::<CSeq>().unwrap().number
    }

    fn expires(&self) -> u32 {
        self.sent.headers.required::<Expires>().unwrap().0
    }

    fn respond(&mut self, status: u16, headers: &[(HeaderName, &str)]) {
        let mut response = self.sent.response(status, Some("t"));
        for (name, value) in headers {
            response.headers.push(name.clone(), *value);
        }
        self.machine.handle_response(self.now, &response, &CONTACT.parse().unwrap());
    }

    fn ok(&mut self, contacts: &str) {
        self.respond(200, &[(HeaderName::Contact, contacts)]);
    }

    /// Seconds until the machine wants to be called, for a retry or a refresh.
    fn wait(&self) -> f64 {
        self.machine.status(self.now).next_attempt_in.unwrap().as_secs_f64()
    }

    /// Lets the next timer fire.
    fn fire(&mut self) {
        self.now = self.machine.poll_timeout().unwrap();
        self.machine.handle_timeout(self.now);
    }

    /// Lets time pass until a request is polled.
    fn fire_until_request(&mut self) {
        for _ in 0..3 {
            self.fire();
            if self.polled() {
                return;
            }
        }
        panic!("no request");
    }

    fn states(&mut self) -> Vec<RegistrationState> {
        std::iter::from_fn(|| self.machine.poll_event())
            .filter_map(|event| match event {
                RegistrationEvent::StateChanged { to, .. } => Some(to),
                RegistrationEvent::SeenAs(_) | RegistrationEvent::Lapsed => None,
            })
            .collect()
    }
}

#[test]
fn it_registers_refreshes_and_unregisters_with_one_call_id_and_rising_cseq() {
    let mut scene = registered(1, 1);
    let call_id = scene.sent.headers.call_id().unwrap().clone();
    let from = scene.sent.headers.value(&HeaderName::From).unwrap().clone();
    assert_eq!((scene.cseq(), scene.expires()), (1, 120));
    assert_eq!(scene.sent.uri.to_string(), "sip:s0.example.com");
    scene.fire_until_request();
    assert_eq!(scene.machine.state(), Refreshing);
    assert_eq!((scene.cseq(), scene.expires()), (2, 120));
    scene.ok(&format!("<{CONTACT}>;expires=120"));
    scene.machine.unregister(scene.now);
    assert!(scene.polled());
    assert_eq!((scene.cseq(), scene.expires()), (3, 0));
    assert_eq!(scene.sent.headers.call_id().unwrap(), &call_id);
    assert_eq!(scene.sent.headers.value(&HeaderName::From).unwrap(), &from);
    scene.respond(200, &[]);
    assert_eq!(scene.machine.poll_timeout(), None);
    assert_eq!(scene.states(), [Registering, Registered, Refreshing, Registered, Unregistering, Unregistered]);
}

#[test]
fn the_refresh_is_at_a_random_point_between_half_and_three_quarters_of_the_grant() {
    let points: Vec<f64> = (0..200).map(|seed| registered(1, seed).wait()).collect();
    assert!(points.iter().all(|at| (60.0..=90.0).contains(at)), "{points:?}");
    assert!(points.iter().any(|at| *at < 65.0) && points.iter().any(|at| *at > 85.0), "{points:?}");
}

#[test]
fn the_grant_is_that_of_our_contact_then_expires_then_what_was_asked() {
    let lifetime = |headers: &[(HeaderName, &str)]| {
        let mut scene = scene(1, 1);
        scene.machine.register(scene.now);
        assert!(scene.polled());
        scene.respond(200, headers);
        scene.machine.status(scene.now).expires_in.map(|left| left.as_secs())
    };
    let contact = |text: &'static str| (HeaderName::Contact, text);
    let expires = (HeaderName::Expires, "50");
    assert_eq!(lifetime(&[contact("<sip:eleven@198.51.100.7:5060>;expires=40"), expires.clone()]), Some(40));
    assert_eq!(lifetime(&[contact("<sip:eleven@198.51.100.7:5060>"), expires.clone()]), Some(50));
    assert_eq!(lifetime(std::slice::from_ref(&expires)), Some(50));
    assert_eq!(lifetime(&[]), Some(120));
    // The bindings of other devices, of this user and of others, before and after ours.
    let others = "<sip:eleven@192.0.2.9>;expires=3000, <sip:eleven@198.51.100.7:5060>;expires=70, <sip:x@y>;expires=9";
    assert_eq!(lifetime(&[contact(others), expires]), Some(70));
    // Ours by its host, when neither port nor transport is what was sent.
    let host = "<sip:eleven@192.0.2.9>;expires=3000, <sip:eleven@198.51.100.7:31000;transport=tcp>;expires=71";
    assert_eq!(lifetime(&[contact(host)]), Some(71));
    // Rewritten by a NAT helper.
    assert_eq!(lifetime(&[contact("<sip:eleven@203.0.113.4:31000>;expires=33")]), Some(33));
}

#[test]
fn the_binding_at_the_address_that_was_seen_is_ours() {
    let mut scene = scene(1, 1);
    scene.machine.register(scene.now);
    assert!(scene.polled());
    let via = "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1;rport=31000;received=203.0.113.4";
    scene.sent.headers.push_front(HeaderName::Via, Via::parse(&ByteStr::from(via)).unwrap().to_value());
    scene.ok("<sip:eleven@198.51.100.7:9>;expires=9, <sip:eleven@203.0.113.4:31000>;expires=77");
    let status = scene.machine.status(scene.now);
    assert_eq!(status.expires_in, Some(Duration::from_secs(77)));
    assert_eq!(status.seen_as, Some("203.0.113.4:31000".parse().unwrap()));
}

#[test]
fn a_list_without_our_binding_is_a_failure() {
    for list in [
        "<sip:other@192.0.2.9>;expires=3000",
        "<sip:eleven@192.0.2.9>;expires=90, <sip:eleven@192.0.2.10>;expires=90",
        "<sip:eleven@198.51.100.7:5060>;expires=0",
    ] {
        let mut scene = scene(1, 1);
        scene.machine.register(scene.now);
        assert!(scene.polled());
        scene.ok(list);
        assert_eq!(scene.machine.state(), Backoff, "{list}");
        let failure = scene.machine.status(scene.now).last_failure.unwrap();
        assert!(failure.contains("not among those bound"), "{failure}");
    }
}

#[test]
fn a_challenge_is_a_step_of_registering_and_the_nonce_serves_later_refreshes() {
    for (status, header) in [(401, HeaderName::WwwAuthenticate), (407, HeaderName::ProxyAuthenticate)] {
        for algorithm in ["MD5", "SHA-256"] {
            let mut scene = scene(1, 1);
            let challenge = format!("{CHALLENGE}, algorithm={algorithm}");
            scene.machine.register(scene.now);
            assert!(scene.polled());
            scene.respond(status, &[(header.clone(), &challenge)]);
            assert!(scene.polled());
            assert_eq!((scene.machine.state(), scene.cseq()), (Registering, 2));
            let challenger = Challenger::from_status(status).unwrap();
            let answer = |scene: &Scene| DigestResponse::all(&scene.sent.headers, challenger).next().unwrap();
            assert_eq!(answer(&scene).algorithm.unwrap().name(), algorithm);
            scene.ok(&format!("<{CONTACT}>;expires=120"));
            scene.fire_until_request();
            assert_eq!(answer(&scene).nonce_count(), Some(2));
            // The nonce has become stale: one more step, no failure.
            let stale = challenge.replace("n1", "n2") + ", stale=true";
            scene.respond(status, &[(header.clone(), &stale)]);
            assert!(scene.polled());
            assert_eq!((answer(&scene).nonce_count(), answer(&scene).nonce), (Some(1), ByteStr::from("n2")));
            scene.ok(&format!("<{CONTACT}>;expires=120"));
            assert_eq!(scene.states(), [Registering, Registered, Refreshing, Registered]);
        }
    }
}

#[test]
fn a_wrong_password_a_bare_401_and_a_403_wait_long() {
    let challenge = [(HeaderName::WwwAuthenticate, CHALLENGE)];
    for ending in [(401, &challenge[..]), (401, &[]), (403, &[])] {
        let mut scene = scene(2, 1);
        scene.machine.register(scene.now);
        assert!(scene.polled());
        scene.respond(401, &challenge);
        assert!(scene.polled());
        scene.respond(ending.0, ending.1);
        assert!(!scene.polled(), "the next server knows the same password");
        assert_eq!(scene.machine.state(), Backoff);
        assert!((600.0..=660.0).contains(&scene.wait()), "{}", scene.wait());
        scene.fire_until_request();
        assert_eq!((scene.machine.state(), scene.server), (Registering, 0));
    }
}

#[test]
fn a_demanded_interval_is_obeyed_and_remembered() {
    let mut scene = scene(1, 1);
    scene.machine.register(scene.now);
    assert!(scene.polled());
    scene.respond(423, &[(HeaderName::MinExpires, "1800")]);
    assert!(scene.polled());
    assert_eq!((scene.cseq(), scene.expires()), (2, 1800));
    scene.ok(&format!("<{CONTACT}>;expires=1800"));
    scene.fire_until_request();
    assert_eq!(scene.expires(), 1800);
    scene.respond(423, &[(HeaderName::MinExpires, "60")]);
    assert!(!scene.polled());
    assert_eq!(scene.machine.state(), Backoff);
}

#[test]
fn failures_go_to_the_next_server_and_then_back_off_longer_each_round() {
    let mut scene = scene(2, 4);
    scene.machine.register(scene.now);
    for longest in [60.0, 120.0, 240.0, 300.0, 300.0] {
        assert!(scene.polled());
        assert_eq!(scene.server, 0);
        scene.machine.handle_failure(scene.now, RequestFailure::Timeout);
        assert!(scene.polled());
        assert_eq!((scene.server, scene.machine.state()), (1, Registering));
        scene.respond(500, &[]);
        assert_eq!(scene.machine.state(), Backoff);
        assert!((longest / 2.0..=longest).contains(&scene.wait()), "{longest} {}", scene.wait());
        assert_eq!(scene.machine.status(scene.now).last_failure.unwrap(), "500 Server Internal Error");
        scene.fire();
    }
    assert!(scene.polled());
    scene.ok(&format!("<{CONTACT}>;expires=120"));
    assert_eq!(scene.machine.status(scene.now).last_failure, None);
}

#[test]
fn retry_after_is_honoured_for_each_server() {
    let mut scene = scene(1, 1);
    scene.machine.register(scene.now);
    assert!(scene.polled());
    scene.respond(503, &[(HeaderName::RetryAfter, "18 (overloaded);duration=60")]);
    assert!((18.0..=20.0).contains(&scene.wait()), "{}", scene.wait());

    let mut scene = self::scene(2, 1);
    scene.machine.register(scene.now);
    assert!(scene.polled());
    scene.respond(503, &[(HeaderName::RetryAfter, "3000")]);
    assert!(scene.polled());
    scene.machine.handle_failure(scene.now, RequestFailure::Unreachable);
    scene.fire_until_request();
    assert_eq!(scene.server, 1, "the first is not to be asked yet");
    scene.respond(200, &[(HeaderName::Contact, &format!("<{CONTACT}>;expires=120"))]);
    assert_eq!(scene.machine.bound_server(), Some(1));
}

#[test]
fn a_failed_refresh_is_tried_again_within_what_is_left_of_the_binding() {
    let mut scene = registered(1, 1);
    let end = scene.now + Duration::from_secs(120);
    scene.fire_until_request();
    let mut waits = Vec::new();
    while scene.now < end {
        let left = (end - scene.now).as_secs_f64();
        scene.machine.handle_failure(scene.now, RequestFailure::Timeout);
        assert_eq!((scene.machine.state(), scene.machine.bound_server()), (Backoff, Some(0)));
        assert!((scene.wait() - (left / 2.0).max(5.0)).abs() < 0.01, "{left} {}", scene.wait());
        waits.push(scene.wait());
        scene.fire_until_request();
    }
    assert!(waits.len() >= 4, "{waits:?}");
    // Nothing stands any more: from now on it is the interval for retries.
    assert_eq!((scene.machine.state(), scene.machine.bound_server()), (Registering, None));
    for longest in [60.0, 120.0] {
        scene.machine.handle_failure(scene.now, RequestFailure::Timeout);
        assert!((longest / 2.0..=longest).contains(&scene.wait()), "{longest} {}", scene.wait());
        scene.fire_until_request();
    }
}

#[test]
fn a_refresh_that_fails_with_one_server_goes_to_the_next_at_once_and_the_removal_to_the_one_that_binds() {
    let mut scene = registered(2, 1);
    scene.fire_until_request();
    scene.machine.handle_failure(scene.now, RequestFailure::Timeout);
    assert!(scene.polled());
    assert_eq!((scene.server, scene.machine.state(), scene.machine.bound_server()), (1, Refreshing, Some(0)));
    scene.machine.unregister(scene.now);
    scene.machine.handle_failure(scene.now, RequestFailure::Timeout);
    assert!(scene.polled());
    assert_eq!((scene.server, scene.expires()), (0, 0));
}

#[test]
fn a_binding_that_ends_while_nobody_answers_is_noticed() {
    let mut scene = registered(1, 1);
    scene.fire_until_request();
    // Neither a response nor a failure is told until it ends.
    scene.fire();
    assert_eq!((scene.machine.state(), scene.machine.bound_server()), (Registering, None));
    assert_eq!(scene.machine.status(scene.now).registered_for, None);
    let events: Vec<RegistrationEvent> = std::iter::from_fn(|| scene.machine.poll_event()).collect();
    assert!(events.contains(&RegistrationEvent::Lapsed));
    // Whoever forgets a request altogether does not end the registration.
    scene.fire_until_request();
    assert_eq!(scene.machine.state(), Registering);
    assert_eq!(scene.machine.status(scene.now).last_failure.unwrap(), "no response");
}

#[test]
fn a_host_that_slept_through_the_end_of_its_binding_notices() {
    let mut scene = registered(1, 1);
    scene.now += Duration::from_secs(500);
    scene.machine.handle_timeout(scene.now);
    assert_eq!((scene.machine.state(), scene.machine.bound_server()), (Registering, None));
    assert!(scene.polled());
}

#[test]
fn a_lost_connection_is_replaced_soon_and_more_slowly_each_time() {
    let mut scene = registered(1, 1);
    let mut waits = Vec::new();
    for _ in 0..8 {
        scene.machine.handle_flow_lost(scene.now);
        scene.machine.handle_flow_lost(scene.now);
        waits.push(scene.wait());
        scene.fire_until_request();
        scene.ok(&format!("<{CONTACT}>;expires=120"));
    }
    for (index, wait) in waits.iter().enumerate() {
        let factor = f64::from(1 << index);
        assert!(((0.2 * factor).min(30.0)..=(2.0 * factor).min(60.0)).contains(wait), "{waits:?}");
    }
    scene.fire_until_request();
    scene.ok(&format!("<{CONTACT}>;expires=120"));
    scene.machine.handle_flow_lost(scene.now);
    assert!(scene.wait() <= 2.0, "a connection that held until the refresh starts the count anew");
}

#[test]
fn a_connection_that_breaks_under_a_refresh_is_replaced_as_soon() {
    let mut scene = registered(1, 1);
    scene.fire_until_request();
    scene.machine.handle_flow_lost(scene.now);
    scene.machine.handle_failure(scene.now, RequestFailure::Unreachable);
    assert!(scene.wait() <= 2.0, "{}", scene.wait());
    let mut scene = registered(1, 1);
    scene.fire_until_request();
    scene.machine.handle_failure(scene.now, RequestFailure::Unreachable);
    assert!(scene.wait() >= 5.0);
    scene.machine.handle_flow_lost(scene.now);
    assert!(scene.wait() <= 2.0, "{}", scene.wait());
}

#[test]
fn unregistering_waits_for_what_is_under_way() {
    let mut scene = scene(1, 1);
    scene.machine.register(scene.now);
    assert!(scene.polled());
    scene.machine.unregister(scene.now);
    assert!(!scene.polled());
    scene.ok(&format!("<{CONTACT}>;expires=120"));
    assert!(scene.polled());
    assert_eq!(scene.expires(), 0);
    // The removal is challenged like any other request.
    scene.respond(401, &[(HeaderName::WwwAuthenticate, CHALLENGE)]);
    assert!(scene.polled());
    assert_eq!((scene.expires(), scene.machine.state()), (0, Unregistering));
    scene.machine.handle_failure(scene.now, RequestFailure::Timeout);
    assert_eq!((scene.machine.state(), scene.machine.poll_timeout()), (Unregistered, None));

    let mut scene = self::scene(1, 1);
    scene.machine.register(scene.now);
    scene.machine.unregister(scene.now);
    assert!(!scene.polled(), "what never left need not be removed");
    assert_eq!(scene.machine.state(), Unregistered);

    let mut scene = registered(1, 1);
    scene.machine.unregister(scene.now);
    scene.machine.register(scene.now);
    assert!(scene.polled());
    scene.respond(200, &[]);
    assert!(scene.polled());
    assert_eq!((scene.expires(), scene.machine.state()), (120, Registering));
}

#[test]
fn a_refresh_that_fails_while_the_end_is_wanted_is_followed_by_one_removal() {
    let mut scene = registered(1, 1);
    scene.fire_until_request();
    scene.machine.unregister(scene.now);
    scene.machine.unregister(scene.now);
    assert!(!scene.polled());
    scene.machine.handle_failure(scene.now, RequestFailure::Timeout);
    assert!(scene.polled());
    assert_eq!((scene.expires(), scene.machine.state()), (0, Unregistering));
    scene.respond(500, &[]);
    assert!(!scene.polled());
    assert_eq!((scene.machine.state(), scene.machine.poll_timeout()), (Unregistered, None));
}

#[test]
fn a_removal_that_nobody_answers_ends_in_bounded_time() {
    let mut scene = registered(1, 1);
    scene.fire_until_request();
    scene.machine.unregister(scene.now);
    let asked = scene.now;
    while scene.machine.state() != Unregistered {
        scene.fire();
    }
    assert!(scene.now <= asked + Duration::from_secs(40));
    assert_eq!(scene.machine.poll_timeout(), None);
}

#[test]
fn what_a_registrar_says_is_bounded() {
    let mut scene = scene(1, 1);
    scene.machine.register(scene.now);
    assert!(scene.polled());
    scene.respond(503, &[(HeaderName::RetryAfter, "4000000000")]);
    assert!((3600.0..=3602.0).contains(&scene.wait()), "{}", scene.wait());
    scene.fire_until_request();
    scene.respond(423, &[(HeaderName::MinExpires, "86401")]);
    assert_eq!(scene.machine.state(), Backoff);
    scene.fire_until_request();
    scene.respond(200, &[(HeaderName::Contact, &format!("<{CONTACT}>;expires=4294967295"))]);
    assert_eq!(scene.machine.status(scene.now).expires_in, Some(Duration::from_secs(86_400)));
    scene.fire_until_request();
    let mut response = scene.sent.response(500, None);
    response.reason = "long\u{7} ".repeat(500).as_str().into();
    scene.machine.handle_response(scene.now, &response, &CONTACT.parse().unwrap());
    let reason = scene.machine.status(scene.now).last_failure.unwrap();
    assert!(reason.starts_with("500 long long") && reason.len() <= 120 && !reason.contains('\u{7}'), "{reason}");
    let told = std::iter::from_fn(|| scene.machine.poll_event()).last();
    let Some(RegistrationEvent::StateChanged { to: Backoff, reason: Some(words), .. }) = told else {
        panic!("{told:?}")
    };
    assert_eq!(words, reason);
    for _ in 0..200 {
        scene.fire_until_request();
        scene.ok(&format!("<{CONTACT}>;expires=120"));
    }
    assert_eq!(std::iter::from_fn(|| scene.machine.poll_event()).count(), 64);
}

#[test]
fn the_outside_address_is_told_when_it_changes() {
    let mut scene = scene(1, 1);
    scene.machine.register(scene.now);
    let mut told = Vec::new();
    for via in [
        "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport=31000;received=203.0.113.4",
        "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport=31000;received=203.0.113.4",
        "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport=5060",
        "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport",
    ] {
        assert!(scene.polled());
        scene.sent.headers.push_front(HeaderName::Via, Via::parse(&ByteStr::from(via)).unwrap().to_value());
        scene.ok("<sip:eleven@203.0.113.4:31000>;expires=60");
        while let Some(event) = scene.machine.poll_event() {
            if let RegistrationEvent::SeenAs(address) = event {
                told.push(address.to_string());
            }
        }
        scene.fire();
    }
    assert_eq!(told, ["203.0.113.4:31000", "10.0.0.5:5060"]);
}

#[test]
fn late_and_provisional_responses_change_nothing() {
    let mut scene = registered(1, 1);
    let old = scene.sent.response(403, None);
    scene.fire_until_request();
    scene.machine.handle_response(scene.now, &old, &CONTACT.parse().unwrap());
    scene.respond(100, &[]);
    assert_eq!(scene.machine.state(), Refreshing);
    scene.ok(&format!("<{CONTACT}>;expires=120"));
    scene.ok("");
    scene.machine.handle_failure(scene.now, RequestFailure::Timeout);
    assert_eq!(scene.machine.state(), Registered);
}

#[test]
fn a_registrar_that_never_tires_of_asking_is_left() {
    let mut scene = scene(1, 1);
    scene.machine.register(scene.now);
    let mut requests = 0;
    while scene.polled() {
        requests += 1;
        assert!(requests < 20);
        let header = if requests % 2 == 0 { HeaderName::WwwAuthenticate } else { HeaderName::ProxyAuthenticate };
        let status = if requests % 2 == 0 { 401 } else { 407 };
        let challenge = format!(r#"Digest realm="r{requests}", nonce="n", qop="auth""#);
        scene.respond(status, &[(header, &challenge)]);
    }
    assert_eq!((requests, scene.machine.state()), (7, Backoff));
}
