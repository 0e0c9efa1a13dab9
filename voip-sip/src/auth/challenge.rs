//! WWW-Authenticate and Proxy-Authenticate (RFC 3261 §20.27, §20.44).

use super::Challenger;
use super::algorithm::{Algorithm, Qop};
use super::fields::{Fields, Writer, unescape};
use crate::message::scan::comma_list;
use crate::message::{ByteStr, HeaderName, Headers, TypedHeader};

/// A Digest challenge. Text values stand as between their quotes, escapes kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The protection domain.
    pub realm: ByteStr,
    /// What the answer is made with.
    pub nonce: ByteStr,
    /// Returned as it came.
    pub opaque: Option<ByteStr>,
    /// The digest was right and only the nonce too old (RFC 7616 §3.3).
    pub stale: bool,
    /// `None` where absent, which means MD5 and keeps the answer free of the parameter.
    pub algorithm: Option<Algorithm>,
    /// The qualities offered; `None` where the parameter is absent, as before RFC 2617.
    pub qop: Option<Vec<Qop>>,
}

impl Challenge {
    /// All Digest challenges of a message that can be answered: other schemes and unknown algorithms are passed over
    /// (RFC 3261 §22.1, RFC 8760 §2.4).
    pub fn all(headers: &Headers, challenger: Challenger) -> Vec<Self> {
        headers
            .values(&challenger.challenge_header())
            .flat_map(Fields::parse_all)
            .filter_map(|fields| Self::from_fields(&fields))
            .take(Self::MAX_CHALLENGES)
            .collect()
    }

    /// The algorithm meant.
    pub fn effective_algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::MD5)
    }

    /// The realm as a person would write it.
    pub fn realm_text(&self) -> String {
        unescape(&self.realm)
    }

    fn from_fields(fields: &Fields) -> Option<Self> {
        if !fields.is_digest() {
            return None;
        }
        let algorithm = match fields.value("algorithm") {
            Some(name) => Some(Algorithm::from_name(name.as_bytes())?),
            None => None,
        };
        let qop = fields.value("qop").filter(|qop| !qop.is_empty());
        let challenge = Self {
            realm: fields.value("realm")?,
            nonce: fields.value("nonce")?,
            opaque: fields.value("opaque"),
            stale: fields.value("stale").is_some_and(|stale| stale.eq_ignore_case("true")),
            algorithm,
            qop: qop.map(|qop| comma_list(qop.as_bytes()).filter_map(Qop::from_name).collect()),
        };
        // A session form needs the cnonce, which exists only with a qop (RFC 3261 §22.4 item 8); a qop offer without
        // a quality we know cannot be met.
        let usable = match &challenge.qop {
            Some(offered) => !offered.is_empty(),
            None => !challenge.effective_algorithm().session,
        };
        usable.then_some(challenge)
    }

    fn write_fields(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.quoted("realm", self.realm.as_bytes());
        writer.quoted("nonce", self.nonce.as_bytes());
        if let Some(opaque) = &self.opaque {
            writer.quoted("opaque", opaque.as_bytes());
        }
        if self.stale {
            writer.bare("stale", b"true");
        }
        if let Some(algorithm) = self.algorithm {
            writer.bare("algorithm", algorithm.name().as_bytes());
        }
        if let Some(qop) = &self.qop {
            let names: Vec<&str> = qop.iter().map(|qop| qop.name()).collect();
            writer.quoted("qop", names.join(",").as_bytes());
        }
    }

    /// More than any server sends.
    const MAX_CHALLENGES: usize = 16;
}

macro_rules! challenge_header {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(pub Challenge);

        impl TypedHeader for $type {
            const NAME: HeaderName = HeaderName::$type;
            fn parse(value: &ByteStr) -> Option<Self> {
                Fields::parse_all(value).iter().find_map(Challenge::from_fields).map(Self)
            }
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write_fields(out);
            }
        }
    };
}

challenge_header!(
    /// WWW-Authenticate with a Digest challenge.
    WwwAuthenticate
);
challenge_header!(
    /// Proxy-Authenticate with a Digest challenge.
    ProxyAuthenticate
);

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> Headers {
        let mut headers = Headers::new();
        for line in lines {
            headers.push(HeaderName::WwwAuthenticate, *line);
        }
        headers
    }

    #[test]
    fn challenges_are_read_from_lines_and_lists_and_unusable_ones_passed_over() {
        let headers = headers(&[
            r#"Basic realm="b""#,
            r#"Digest realm="a", nonce="1", algorithm=SHA-256, qop="auth", Digest realm=a,nonce=1"#,
            r#"Digest realm="aka", nonce="2", algorithm=AKAv1-MD5"#,
            r#"Digest realm="sess without qop", nonce="2", algorithm=MD5-sess"#,
            r#"Digest realm="odd qop", nonce="2", qop="conf""#,
            r#"digest REALM="c", NONCE="3", stale=TRUE, opaque="", qop="auth-int , auth""#,
        ]);
        let all = Challenge::all(&headers, Challenger::UserAgent);
        let realms: Vec<String> = all.iter().map(Challenge::realm_text).collect();
        assert_eq!(realms, ["a", "a", "c"]);
        assert_eq!(all[0].algorithm, Some(Algorithm::SHA_256));
        assert_eq!((all[1].algorithm, &all[1].qop), (None, &None));
        assert!(all[2].stale);
        assert_eq!(all[2].opaque.as_ref().unwrap(), "");
        assert_eq!(all[2].qop, Some(vec![Qop::AuthInt, Qop::Auth]));
        assert_eq!(Challenge::all(&headers, Challenger::Proxy), []);
    }

    #[test]
    fn a_challenge_is_written_as_it_is_read() {
        let text =
            r#"Digest realm="a \"b\"", nonce="n", opaque="o", stale=true, algorithm=SHA-256, qop="auth,auth-int""#;
        let read: WwwAuthenticate = headers(&[text]).required().unwrap();
        assert_eq!(read.to_value(), text);
    }
}
