//! Digest authentication as a server checks it and a client answers it (RFC 7616 §3.4, RFC 3261 §22, RFC 8760).

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// A hash function by its name in a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `MD5`.
    Md5,
    /// `SHA-256`.
    Sha256,
}

impl Algorithm {
    /// As written in a challenge.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn hash(self, text: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// Name and password of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl Account {
    /// An account.
    pub fn new(username: &str, password: &str) -> Self {
        Self { username: username.into(), password: password.into() }
    }
}

/// What goes into a digest beside the account.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Hash function.
    pub algorithm: Algorithm,
    /// Realm of the challenge.
    pub realm: &'a str,
    /// Nonce of the challenge.
    pub nonce: &'a str,
    /// Method of the request.
    pub method: &'a str,
    /// The `uri` parameter.
    pub uri: &'a str,
    /// `nc` and `cnonce`, when `qop` is `auth`.
    pub auth: Option<(&'a str, &'a str)>,
}

/// The `response` parameter: RFC 7616 §3.4.1 with `qop=auth`, RFC 2617 §3.2.2.1 without.
pub fn response(account: &Account, inputs: &Inputs<'_>) -> String {
    let hash = |text: &str| inputs.algorithm.hash(text);
    let a1 = hash(&format!("{}:{}:{}", account.username, inputs.realm, account.password));
    let a2 = hash(&format!("{}:{}", inputs.method, inputs.uri));
    let nonce = inputs.nonce;
    match inputs.auth {
        Some((nc, cnonce)) => hash(&format!("{a1}:{nonce}:{nc}:{cnonce}:auth:{a2}")),
        None => hash(&format!("{a1}:{nonce}:{a2}")),
    }
}

/// The parameters of a challenge or of credentials: `Digest name=value, name="value", ..`; names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a header value; empty when the scheme is not Digest.
    pub fn parse(value: &str) -> Self {
        let Some((scheme, rest)) = value.trim().split_once(char::is_whitespace) else { return Self::default() };
        if !scheme.eq_ignore_ascii_case("digest") {
            return Self::default();
        }
        let mut found = Vec::new();
        let mut quoted = false;
        let parts = rest.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        for part in parts {
            if let Some((name, value)) = part.split_once('=') {
                found.push((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()));
            }
        }
        Self(found)
    }

    /// The value of a parameter.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// The credentials that answer `challenge` for a request of `method` to `uri`; `None` when it is no Digest challenge of
/// a known algorithm.
pub fn answer(account: &Account, challenge: &str, method: &str, uri: &str, cnonce: &str) -> Option<String> {
    let challenge = Parameters::parse(challenge);
    let (realm, nonce) = (challenge.value("realm")?, challenge.value("nonce")?);
    let algorithm = match challenge.value("algorithm") {
        None => Algorithm::Md5,
        Some(name) if name.eq_ignore_ascii_case("md5") => Algorithm::Md5,
        Some(name) if name.eq_ignore_ascii_case("sha-256") => Algorithm::Sha256,
        Some(_) => return None,
    };
    let qop = challenge.value("qop").is_some_and(|qop| qop.split(',').any(|q| q.trim() == "auth"));
    let auth = qop.then_some(("00000001", cnonce));
    let response = response(account, &Inputs { algorithm, realm, nonce, method, uri, auth });
    let mut value = format!(
        "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
         algorithm={}",
        account.username,
        algorithm.name()
    );
    if let Some((nc, cnonce)) = auth {
        value.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
    }
    if let Some(opaque) = challenge.value("opaque") {
        value.push_str(&format!(", opaque=\"{opaque}\""));
    }
    Some(value)
}

/// What a server makes of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are right.
    Right,
    /// User, password, realm or digest are wrong.
    Wrong,
    /// They answer another nonce.
    OtherNonce,
}

/// Checks credentials against the account and the challenge that was given.
pub fn check(account: &Account, credentials: &Parameters, given: &Inputs<'_>) -> Verdict {
    if credentials.value("nonce") != Some(given.nonce) {
        return Verdict::OtherNonce;
    }
    let auth = credentials.value("nc").zip(credentials.value("cnonce"));
    let auth = auth.filter(|_| credentials.value("qop") == Some("auth"));
    let uri = credentials.value("uri").unwrap_or_default();
    let expected = response(account, &Inputs { uri, auth, ..*given });
    let right = credentials.value("username") == Some(&account.username)
        && credentials.value("realm") == Some(given.realm)
        && credentials.value("response").is_some_and(|r| r.eq_ignore_ascii_case(&expected));
    if right { Verdict::Right } else { Verdict::Wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7616 §3.9.1.
    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let account = Account::new("Mufasa", "Circle of Life");
        let inputs = |algorithm| Inputs {
            algorithm,
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            method: "GET",
            uri: "/dir/index.html",
            auth: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        };
        assert_eq!(response(&account, &inputs(Algorithm::Md5)), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(&account, &inputs(Algorithm::Sha256)),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn an_answer_to_our_own_challenge_is_right_and_one_with_another_password_is_not() {
        let account = Account::new("eleven", "secret");
        for (algorithm, qop) in [(Algorithm::Md5, ""), (Algorithm::Sha256, ", qop=\"auth,auth-int\"")] {
            let challenge = format!("Digest realm=\"r, s\", nonce=\"abc==\", algorithm={}{qop}", algorithm.name());
            let given = Inputs { algorithm, realm: "r, s", nonce: "abc==", method: "INVITE", uri: "", auth: None };
            let answered = answer(&account, &challenge, "INVITE", "sip:a@b", "cn").unwrap();
            assert_eq!(check(&account, &Parameters::parse(&answered), &given), Verdict::Right);
            let wrong = answer(&Account::new("eleven", "x"), &challenge, "INVITE", "sip:a@b", "cn").unwrap();
            assert_eq!(check(&account, &Parameters::parse(&wrong), &given), Verdict::Wrong);
            let stale = Inputs { nonce: "other", ..given };
            assert_eq!(check(&account, &Parameters::parse(&answered), &stale), Verdict::OtherNonce);
        }
    }
}
