use super::*;
use crate::auth::{Credentials, DigestClient};
use crate::message::{HeaderName, Method, Response};

struct Scene {
    start: Instant,
    server: DigestServer,
    client: DigestClient,
    rng: Rng,
    password: Secret,
}

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn scene(config: DigestServerConfig) -> Scene {
    let start = Instant::now();
    let mut rng = Rng::from_number(5);
    let password = Secret::new("zanzibar");
    Scene {
        start,
        server: DigestServer::new(config, &mut rng),
        client: DigestClient::new(Credentials::new("bob", password.clone())),
        rng,
        password,
    }
}

fn invite() -> Request {
    let mut request = Request::new(Method::Invite, "sip:+74951234567@192.0.2.1:5060".parse().unwrap());
    request.headers.push(HeaderName::CallId, "call-1");
    request
}

impl Scene {
    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn rejection(&mut self, seconds: u64, challenger: Challenger, stale: bool) -> Response {
        let mut response = Response::new(challenger.status());
        let now = self.at(seconds);
        self.server.challenge(now, challenger, stale, &mut response);
        response
    }

    /// An INVITE that answers a challenge made at `seconds`.
    fn answered(&mut self, seconds: u64) -> Request {
        let mut request = invite();
        let response = self.rejection(seconds, Challenger::UserAgent, false);
        self.client.authorize(&mut request, &response, &mut self.rng).unwrap();
        request
    }

    fn verify(&mut self, seconds: u64, request: &Request) -> Verdict {
        self.verify_for(Challenger::UserAgent, seconds, request)
    }

    fn verify_for(&mut self, challenger: Challenger, seconds: u64, request: &Request) -> Verdict {
        let now = self.at(seconds);
        self.server.verify(now, request, challenger, |user| (user == "bob").then_some(&self.password))
    }
}

fn accepted() -> Verdict {
    Verdict::Accepted { username: "bob".into() }
}

#[test]
fn the_client_satisfies_the_server_with_every_algorithm_and_status() {
    for hash in [Algorithm::MD5, Algorithm::SHA_256, Algorithm::SHA_512_256] {
        for session in [false, true] {
            for challenger in Challenger::ALL {
                let algorithm = Algorithm { session, ..hash };
                let mut scene = scene(DigestServerConfig { algorithms: vec![algorithm], ..Default::default() });
                let mut request = invite();
                assert_eq!(scene.verify(0, &request), Verdict::Missing);
                let response = scene.rejection(0, challenger, false);
                scene.client.authorize(&mut request, &response, &mut scene.rng).unwrap();
                assert_eq!(scene.verify_for(challenger, 1, &request), accepted(), "{algorithm}");
            }
        }
    }
}

#[test]
fn both_algorithms_are_offered_strongest_first() {
    let mut scene = scene(DigestServerConfig::default());
    let response = scene.rejection(0, Challenger::UserAgent, false);
    let lines: Vec<String> = response.headers.values(&HeaderName::WwwAuthenticate).map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with(r#"algorithm=SHA-256, qop="auth""#), "{}", lines[0]);
    assert!(lines[1].ends_with(r#"algorithm=MD5, qop="auth""#), "{}", lines[1]);
}

#[test]
fn later_requests_with_rising_counts_are_accepted_until_the_nonce_expires() {
    let mut scene = scene(DigestServerConfig::default());
    let first = scene.answered(0);
    assert_eq!(scene.verify(0, &first), accepted());
    for seconds in [100, 200, 300] {
        let mut request = invite();
        scene.client.prepare(&mut request, &mut scene.rng);
        assert_eq!(scene.verify(seconds, &request), accepted());
    }
    let mut request = invite();
    scene.client.prepare(&mut request, &mut scene.rng);
    assert_eq!(scene.verify(301, &request), Verdict::Stale);
    let response = scene.rejection(301, Challenger::UserAgent, true);
    scene.client.authorize(&mut request, &response, &mut scene.rng).unwrap();
    assert_eq!(scene.verify(302, &request), accepted());
}

#[test]
fn a_replay_is_refused() {
    let mut scene = scene(DigestServerConfig::default());
    let request = scene.answered(0);
    assert_eq!(scene.verify(0, &request), accepted());
    assert_eq!(scene.verify(1, &request), Verdict::Stale);
    let counts = scene.server.counts();
    assert_eq!((counts.accepted, counts.stale, counts.replayed), (1, 1, 1));
}

#[test]
fn shedding_old_nonces_opens_no_replay() {
    let mut scene = scene(DigestServerConfig { max_nonces: 3, ..Default::default() });
    let requests: Vec<Request> = (0..10).map(|_| scene.answered(0)).collect();
    for request in &requests {
        assert_eq!(scene.verify(1, request), accepted());
    }
    assert_eq!(scene.server.used.len(), 3);
    assert_eq!(scene.server.counts().shed, 7);
    for request in &requests {
        assert_eq!(scene.verify(2, request), Verdict::Stale);
    }
}

#[test]
fn a_flood_of_wrong_answers_leaves_nothing_behind() {
    let mut scene = scene(DigestServerConfig::default());
    scene.client = DigestClient::new(Credentials::new("bob", Secret::new("wrong")));
    for _ in 0..100 {
        let request = scene.answered(0);
        assert_eq!(scene.verify(0, &request), Verdict::Wrong(WrongCredentials::Password));
    }
    assert!(scene.server.used.is_empty());
    scene.client = DigestClient::new(Credentials::new("eve", Secret::new("")));
    let request = scene.answered(0);
    assert_eq!(scene.verify(0, &request), Verdict::Wrong(WrongCredentials::UnknownUser));
}

#[test]
fn a_nonce_of_another_run_is_stale_when_the_password_is_right() {
    let mut before = scene(DigestServerConfig::default());
    let request = before.answered(0);
    let mut after = scene(DigestServerConfig::default());
    let mut rng = Rng::from_number(99);
    after.server = DigestServer::new(DigestServerConfig::default(), &mut rng);
    assert_eq!(after.verify(0, &request), Verdict::Stale);
}

/// Turns the credentials of a request into what a client of RFC 2069 would have sent.
fn without_qop(request: &mut Request, password: &str) {
    let mut answer = DigestResponse::all(&request.headers, Challenger::UserAgent).next().unwrap();
    (answer.qop, answer.nc, answer.cnonce) = (None, None, None);
    answer.response = answer.input("bob", password, request.method.as_bytes(), &request.body).response().into();
    request.headers.set_typed(&crate::auth::Authorization(answer));
}

#[test]
fn an_answer_without_qop_counts_once_and_only_where_allowed() {
    let mut scene = scene(DigestServerConfig::default());
    let mut request = scene.answered(0);
    without_qop(&mut request, "zanzibar");
    assert_eq!(scene.verify(0, &request), accepted());
    assert_eq!(scene.verify(1, &request), Verdict::Stale);
    scene.server.config.accept_without_qop = false;
    let mut request = scene.answered(2);
    without_qop(&mut request, "zanzibar");
    assert_eq!(scene.verify(2, &request), Verdict::Wrong(WrongCredentials::Qop));
}

#[test]
fn the_number_dialled_cannot_be_changed_on_the_way_but_the_host_may() {
    let mut scene = scene(DigestServerConfig::default());
    let mut request = scene.answered(0);
    request.uri = "sip:+74951234567@gw.example.com;transport=tcp".parse().unwrap();
    assert_eq!(scene.verify(0, &request), accepted());
    let mut request = scene.answered(1);
    request.uri = "sip:+19005550000@192.0.2.1:5060".parse().unwrap();
    assert_eq!(scene.verify(1, &request), Verdict::Wrong(WrongCredentials::Uri));
    scene.server.config.uri_check = UriCheck::Nothing;
    assert_eq!(scene.verify(1, &request), accepted());
}

#[test]
fn the_method_and_with_auth_int_the_body_are_covered() {
    let mut scene = scene(DigestServerConfig::default());
    let mut request = scene.answered(0);
    request.method = Method::Register;
    assert_eq!(scene.verify(0, &request), Verdict::Wrong(WrongCredentials::Password));

    scene.server.config.auth_int = true;
    let mut response = Response::new(401);
    for header in &scene.rejection(0, Challenger::UserAgent, false).headers {
        response.headers.push(header.name.clone(), header.value.to_string().replace("auth,auth-int", "auth-int"));
    }
    let mut request = invite();
    request.set_body("application/sdp", "v=0\r\n");
    scene.client.authorize(&mut request, &response, &mut scene.rng).unwrap();
    let mut changed = request.clone();
    changed.body = "v=1\r\n".into();
    assert_eq!(scene.verify(0, &changed), Verdict::Wrong(WrongCredentials::Password));
    assert_eq!(scene.verify(0, &request), accepted());
}

#[test]
fn what_was_not_offered_is_refused() {
    let mut scene = scene(DigestServerConfig::default());
    let request = scene.answered(0);
    let change = |name: &str, with: &str| {
        let mut request = request.clone();
        let line = request.headers.value(&HeaderName::Authorization).unwrap().to_string();
        assert!(line.contains(name), "{line}");
        request.headers.set(HeaderName::Authorization, line.replace(name, with));
        request
    };
    let wrong = |why| Verdict::Wrong(why);
    assert_eq!(scene.verify(0, &change("SHA-256", "SHA-512-256")), wrong(WrongCredentials::Algorithm));
    assert_eq!(scene.verify(0, &change("qop=auth", "qop=auth-int")), wrong(WrongCredentials::Qop));
    assert_eq!(scene.verify(0, &change("nc=00000001", "nc=00000000")), wrong(WrongCredentials::NonceCount));
    assert_eq!(scene.verify(0, &change("nc=00000001", "nc=1x")), wrong(WrongCredentials::NonceCount));
    assert_eq!(scene.verify(0, &change("realm=\"voip\"", "realm=\"other\"")), Verdict::Missing);
    assert_eq!(scene.verify(0, &change("username=\"bob\"", "username=\"bob")), Verdict::Missing);
    assert_eq!(scene.verify(0, &request), accepted());
}
