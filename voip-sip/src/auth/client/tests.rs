use super::*;
use crate::auth::{Algorithm, HashFunction};
use crate::message::{HeaderName, Method};

fn client() -> DigestClient {
    DigestClient::new(Credentials::new("bob", Secret::new("zanzibar")))
}

fn bob_in(realm: &str) -> Credentials {
    Credentials { realm: Some(realm.into()), ..Credentials::new("bob", Secret::new("zanzibar")) }
}

fn rng() -> Rng {
    Rng::from_number(3)
}

fn invite() -> Request {
    let mut request = Request::new(Method::Invite, "sip:bob@biloxi.com;transport=tcp".parse().unwrap());
    request.headers.push(HeaderName::CallId, "call-1");
    request
}

fn rejection(status: u16, challenges: &[&str]) -> Response {
    let mut response = Response::new(status);
    for challenge in challenges {
        response.headers.push(Challenger::from_status(status).unwrap().challenge_header(), *challenge);
    }
    response
}

fn answers(request: &Request, challenger: Challenger) -> Vec<DigestResponse> {
    DigestResponse::all(&request.headers, challenger).collect()
}

fn authorization(request: &Request) -> DigestResponse {
    let mut all = answers(request, Challenger::UserAgent);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn is_right(answer: &DigestResponse, request: &Request) -> bool {
    answer.response == answer.input("bob", "zanzibar", request.method.as_bytes(), &request.body).response().as_str()
}

const PLAIN: &str = r#"Digest realm="biloxi.com", nonce="n1""#;
const QOP: &str = r#"Digest realm="biloxi.com", nonce="n1", qop="auth,auth-int", opaque="o,p", algorithm=MD5"#;

#[test]
fn a_challenge_without_qop_gets_the_short_answer() {
    let mut request = invite();
    client().authorize(&mut request, &rejection(407, &[PLAIN]), &mut rng()).unwrap();
    let all = answers(&request, Challenger::Proxy);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].qop, &all[0].nc, &all[0].cnonce, all[0].algorithm), (None, &None, &None, None));
    assert_eq!(all[0].uri, "sip:bob@biloxi.com;transport=tcp");
    assert!(is_right(&all[0], &request));
    assert_eq!(request.headers.value(&HeaderName::Authorization), None);
}

#[test]
fn a_challenge_with_qop_gets_count_and_cnonce_and_its_opaque_back() {
    let mut request = invite();
    client().authorize(&mut request, &rejection(401, &[QOP]), &mut rng()).unwrap();
    let answer = authorization(&request);
    assert_eq!(answer.qop, Some(Qop::Auth));
    assert_eq!(answer.nc.as_ref().unwrap(), "00000001");
    assert_eq!(answer.opaque.as_ref().unwrap(), "o,p");
    assert_eq!(answer.algorithm, Some(Algorithm::MD5));
    assert!(is_right(&answer, &request));
    let line = request.headers.value(&HeaderName::Authorization).unwrap().to_string();
    assert!(line.contains("qop=auth, nc=00000001") && line.contains("algorithm=MD5,"), "{line}");
}

#[test]
fn body_protection_is_used_only_where_nothing_else_is_offered() {
    let mut request = invite();
    request.set_body("application/sdp", "v=0\r\n");
    let challenge = r#"Digest realm="r", nonce="n", qop="auth-int", algorithm=SHA-256"#;
    client().authorize(&mut request, &rejection(401, &[challenge]), &mut rng()).unwrap();
    let answer = authorization(&request);
    assert_eq!(answer.qop, Some(Qop::AuthInt));
    assert!(is_right(&answer, &request));
    request.body = "v=1\r\n".into();
    assert!(!is_right(&answer, &request));
}

#[test]
fn the_strongest_algorithm_is_answered_whatever_the_order() {
    let sha = QOP.replace("MD5", "SHA-256-sess").replace("n1", "n2");
    for challenges in [[QOP, sha.as_str()], [sha.as_str(), QOP]] {
        let mut request = invite();
        client().authorize(&mut request, &rejection(401, &challenges), &mut rng()).unwrap();
        let answer = authorization(&request);
        assert_eq!(answer.algorithm, Some(Algorithm { hash: HashFunction::Sha256, session: true }));
        assert_eq!(answer.nonce, "n2");
        assert!(is_right(&answer, &request));
    }
}

#[test]
fn the_tenth_use_of_a_nonce_is_written_0000000a() {
    for algorithm in ["MD5", "MD5-sess"] {
        let (mut client, mut request, mut rng) = (client(), invite(), rng());
        let challenge = QOP.replace("MD5", algorithm);
        client.authorize(&mut request, &rejection(401, &[&challenge]), &mut rng).unwrap();
        let first = authorization(&request).cnonce;
        for count in 2..=10 {
            request = invite();
            client.prepare(&mut request, &mut rng);
            let answer = authorization(&request);
            assert_eq!(answer.nonce_count(), Some(count));
            assert_eq!(answer.cnonce == first, algorithm == "MD5-sess");
            assert!(is_right(&answer, &request));
        }
        assert_eq!(authorization(&request).nc.unwrap(), "0000000a");
    }
}

#[test]
fn after_the_last_count_a_nonce_is_used_no_more() {
    let (mut client, mut request) = (client(), invite());
    client.authorize(&mut request, &rejection(401, &[QOP]), &mut rng()).unwrap();
    client.sessions[0].next_count = Some(u32::MAX);
    client.prepare(&mut request, &mut rng());
    assert_eq!(authorization(&request).nc.unwrap(), "ffffffff");
    client.prepare(&mut request, &mut rng());
    assert_eq!(answers(&request, Challenger::UserAgent), []);
}

#[test]
fn a_nonce_without_qop_is_not_used_unasked() {
    let (mut client, mut request) = (client(), invite());
    client.authorize(&mut request, &rejection(407, &[PLAIN]), &mut rng()).unwrap();
    let mut next = invite();
    client.prepare(&mut next, &mut rng());
    assert_eq!(answers(&next, Challenger::Proxy), []);
}

#[test]
fn several_realms_are_answered_one_after_another_and_together() {
    let mut client = DigestClient::new(bob_in("a")).with(bob_in("b"));
    let [a, b, c] = ["a", "b", "c"].map(|realm| format!(r#"Digest realm="{realm}", nonce="{realm}1", qop="auth""#));
    let mut request = invite();
    client.authorize(&mut request, &rejection(407, &[&a]), &mut rng()).unwrap();
    client.authorize(&mut request, &rejection(407, &[&b]), &mut rng()).unwrap();
    let seen = |request: &Request| -> Vec<(String, Option<u32>)> {
        answers(request, Challenger::Proxy).iter().map(|x| (x.realm.to_string(), x.nonce_count())).collect()
    };
    // The nonce count of the first realm rises with each sending: a proxy would take the same one for a replay.
    assert_eq!(seen(&request), [("a".to_owned(), Some(2)), ("b".to_owned(), Some(1))]);
    client.authorize(&mut request, &rejection(401, &[&a]), &mut rng()).unwrap();
    assert_eq!(authorization(&request).realm, "a");

    let (mut client, mut request) = (self::client(), invite());
    client.authorize(&mut request, &rejection(407, &[&a, &b]), &mut rng()).unwrap();
    assert_eq!(seen(&request).len(), 2);

    let mut client = DigestClient::new(bob_in("a"));
    let result = client.authorize(&mut invite(), &rejection(407, &[&c]), &mut rng());
    assert_eq!(result, Err(AuthFailure::NoCredentials("c".into())));
}

#[test]
fn fresh_credentials_that_are_refused_are_wrong() {
    for second in ["n1", "n2"] {
        for challenge in [QOP, PLAIN] {
            let (mut client, mut request) = (client(), invite());
            client.authorize(&mut request, &rejection(401, &[challenge]), &mut rng()).unwrap();
            let again = challenge.replace("n1", second);
            let result = client.authorize(&mut request, &rejection(401, &[&again]), &mut rng());
            assert_eq!(result, Err(AuthFailure::Refused("biloxi.com".into())), "{again}");
            // What was refused is not offered to a later request.
            client.prepare(&mut request, &mut rng());
            assert_eq!(answers(&request, Challenger::UserAgent), []);
        }
    }
}

#[test]
fn a_stale_nonce_is_renewed_once_and_is_no_wrong_password() {
    let (mut client, mut request) = (client(), invite());
    client.authorize(&mut request, &rejection(401, &[PLAIN]), &mut rng()).unwrap();
    let stale = |nonce: &str| format!(r#"Digest realm="biloxi.com", nonce="{nonce}", stale=true"#);
    client.authorize(&mut request, &rejection(401, &[&stale("n2")]), &mut rng()).unwrap();
    assert_eq!(authorization(&request).nonce, "n2");
    assert!(is_right(&authorization(&request), &request));
    let result = client.authorize(&mut request, &rejection(401, &[&stale("n3")]), &mut rng());
    assert_eq!(result, Err(AuthFailure::AlwaysStale("biloxi.com".into())));
    // A new attempt of the same call starts anew.
    let mut request = invite();
    client.authorize(&mut request, &rejection(401, &[PLAIN]), &mut rng()).unwrap();
    client.authorize(&mut request, &rejection(401, &[&stale("n2")]), &mut rng()).unwrap();
}

#[test]
fn credentials_sent_unasked_may_be_challenged_anew() {
    let (mut client, mut request) = (client(), invite());
    client.authorize(&mut request, &rejection(401, &[QOP]), &mut rng()).unwrap();
    for (round, stale) in [(2, ", stale=true"), (3, "")] {
        let mut request = invite();
        client.prepare(&mut request, &mut rng());
        let challenge = format!("{}{stale}", QOP.replace("n1", &format!("n{round}")));
        client.authorize(&mut request, &rejection(401, &[&challenge]), &mut rng()).unwrap();
        assert_eq!(authorization(&request).nonce_count(), Some(1));
        assert_eq!(authorization(&request).nonce, format!("n{round}").as_str());
    }
    // The same nonce again, and not stale: the password was changed.
    let mut request = invite();
    client.prepare(&mut request, &mut rng());
    let result = client.authorize(&mut request, &rejection(401, &[&QOP.replace("n1", "n3")]), &mut rng());
    assert_eq!(result, Err(AuthFailure::Refused("biloxi.com".into())));
}

#[test]
fn a_rejection_that_cannot_be_answered_is_final() {
    let mut request = invite();
    let mut try_with = |response: &Response| client().authorize(&mut request, response, &mut rng());
    assert_eq!(try_with(&Response::new(401)), Err(AuthFailure::NoChallenge(401)));
    assert_eq!(try_with(&Response::new(403)), Err(AuthFailure::NotAChallenge(403)));
    let basic = rejection(407, &[r#"Basic realm="x""#, r#"Digest realm="x", nonce="1", algorithm=SHA3"#]);
    assert_eq!(try_with(&basic), Err(AuthFailure::Unsupported(407)));
    assert_eq!(answers(&request, Challenger::Proxy), []);
}

#[test]
fn quotes_in_user_and_realm_stay_within_their_quotes() {
    let mut client = DigestClient::new(Credentials {
        realm: Some(r#"a "b", c"#.into()),
        ..Credentials::new(r#"bo"b"#, Secret::new("zanzibar"))
    });
    let mut request = invite();
    let challenge = r#"Digest realm="a \"b\", c", nonce="1\\,2", qop="auth""#;
    client.authorize(&mut request, &rejection(401, &[challenge]), &mut rng()).unwrap();
    let line = request.headers.value(&HeaderName::Authorization).unwrap().to_string();
    assert!(line.starts_with(r#"Digest username="bo\"b", realm="a \"b\", c", nonce="1\\,2", uri="#), "{line}");
}
