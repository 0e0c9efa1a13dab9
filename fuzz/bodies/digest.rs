//! Challenges and credentials (RFC 7616): read from a header's value, answered, and verified.

use voip_core::redact::Secret;
use voip_core::rng::Rng;
use voip_sip::auth::{Challenge, Challenger, Credentials, DigestClient, DigestResponse, WwwAuthenticate};
use voip_sip::message::{ByteStr, HeaderName, Method, Request, Response, TypedHeader};

pub(crate) fn run(data: &[u8]) {
    let value = ByteStr::from(data.to_vec());
    let mut response = Response::new(401);
    response.headers.push(HeaderName::WwwAuthenticate, value.clone());
    for challenge in Challenge::all(&response.headers, Challenger::UserAgent) {
        let written = WwwAuthenticate(challenge).to_value();
        let again = WwwAuthenticate::parse(&written).expect("a written challenge reads");
        assert_eq!(again.to_value(), written);
    }

    let uri = "sip:registrar.example.com".parse().expect("a URI");
    let mut request = Request::new(Method::Register, uri);
    let mut client = DigestClient::new(Credentials::new("alice", Secret::new("secret")));
    if client.authorize(&mut request, &response, &mut Rng::from_number(1)).is_ok() {
        let answers = DigestResponse::all(&request.headers, Challenger::UserAgent).count();
        assert!(answers > 0, "what was authorised carries credentials that read");
    }

    request.headers.set(HeaderName::Authorization, value);
    for credentials in DigestResponse::all(&request.headers, Challenger::UserAgent) {
        let _ = (credentials.nonce_count(), credentials.effective_algorithm());
    }
}
