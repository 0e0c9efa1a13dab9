//! Authorization and Proxy-Authorization (RFC 3261 §20.7, §20.28).

use super::Challenger;
use super::algorithm::{Algorithm, Qop};
use super::compute::ResponseInput;
use super::fields::{Fields, Writer};
use crate::message::{ByteStr, HeaderName, Headers, TypedHeader};

/// The answer to a Digest challenge. Text values stand as between their quotes, escapes kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestResponse {
    /// User name.
    pub username: ByteStr,
    /// The challenge's realm.
    pub realm: ByteStr,
    /// The challenge's nonce.
    pub nonce: ByteStr,
    /// The Request-URI as the client knew it.
    pub uri: ByteStr,
    /// The digest in hexadecimal.
    pub response: ByteStr,
    /// The challenge's algorithm; `None` where the challenge had none.
    pub algorithm: Option<Algorithm>,
    /// The client's nonce.
    pub cnonce: Option<ByteStr>,
    /// The challenge's opaque value.
    pub opaque: Option<ByteStr>,
    /// The quality chosen.
    pub qop: Option<Qop>,
    /// The nonce count as written: eight hexadecimal digits.
    pub nc: Option<ByteStr>,
}

impl DigestResponse {
    /// All Digest credentials of a request; what is malformed is passed over.
    pub fn all(headers: &Headers, challenger: Challenger) -> impl Iterator<Item = Self> {
        let name = challenger.credentials_header();
        headers
            .iter()
            .filter(move |header| header.name == name)
            .flat_map(|header| Fields::parse_all(&header.value))
            .filter_map(|fields| Self::from_fields(&fields))
    }

    /// The nonce count as a number.
    pub fn nonce_count(&self) -> Option<u32> {
        let nc = self.nc.as_ref()?.as_str()?;
        let valid = (1..=8).contains(&nc.len()) && nc.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then(|| u32::from_str_radix(nc, 16).ok()).flatten()
    }

    /// The algorithm meant.
    pub fn effective_algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::MD5)
    }

    /// What the digest is computed from, beside the user name and password.
    pub(super) fn input<'a>(
        &'a self,
        username: &'a str,
        password: &'a str,
        method: &'a [u8],
        body: &'a [u8],
    ) -> ResponseInput<'a> {
        ResponseInput {
            algorithm: self.effective_algorithm(),
            username: username.as_bytes(),
            realm: self.realm.as_bytes(),
            password: password.as_bytes(),
            method,
            uri: self.uri.as_bytes(),
            nonce: self.nonce.as_bytes(),
            cnonce: self.cnonce.as_ref().map(ByteStr::as_bytes).unwrap_or_default(),
            nc: self.nc.as_ref().map(ByteStr::as_bytes).unwrap_or_default(),
            qop: self.qop,
            body,
        }
    }

    fn from_fields(fields: &Fields) -> Option<Self> {
        if !fields.is_digest() {
            return None;
        }
        let algorithm = match fields.value("algorithm") {
            Some(name) => Some(Algorithm::from_name(name.as_bytes())?),
            None => None,
        };
        let qop = match fields.value("qop").filter(|qop| !qop.is_empty()) {
            Some(name) => Some(Qop::from_name(name.as_bytes())?),
            None => None,
        };
        Some(Self {
            username: fields.value("username")?,
            realm: fields.value("realm")?,
            nonce: fields.value("nonce")?,
            uri: fields.value("uri")?,
            response: fields.value("response")?,
            algorithm,
            cnonce: fields.value("cnonce"),
            opaque: fields.value("opaque"),
            qop,
            nc: fields.value("nc"),
        })
    }

    pub(super) fn write_fields(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.quoted("username", self.username.as_bytes());
        writer.quoted("realm", self.realm.as_bytes());
        writer.quoted("nonce", self.nonce.as_bytes());
        writer.quoted("uri", self.uri.as_bytes());
        writer.quoted("response", self.response.as_bytes());
        if let Some(algorithm) = self.algorithm {
            writer.bare("algorithm", algorithm.name().as_bytes());
        }
        if let Some(cnonce) = &self.cnonce {
            writer.quoted("cnonce", cnonce.as_bytes());
        }
        if let Some(opaque) = &self.opaque {
            writer.quoted("opaque", opaque.as_bytes());
        }
        if let Some(qop) = self.qop {
            writer.bare("qop", qop.name().as_bytes());
        }
        if let Some(nc) = &self.nc {
            writer.bare("nc", nc.as_bytes());
        }
    }
}

macro_rules! credentials_header {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(pub DigestResponse);

        impl TypedHeader for $type {
            const NAME: HeaderName = HeaderName::$type;
            fn parse(value: &ByteStr) -> Option<Self> {
                Fields::parse_all(value).iter().find_map(DigestResponse::from_fields).map(Self)
            }
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write_fields(out);
            }
        }
    };
}

credentials_header!(
    /// Authorization with Digest credentials.
    Authorization
);
credentials_header!(
    /// Proxy-Authorization with Digest credentials.
    ProxyAuthorization
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_as_they_are_read() {
        let text = r#"Digest username="bob", realm="biloxi.com", nonce="dcd9", uri="sip:bob@biloxi.com", response="6629", cnonce="0a4f", opaque="5ccc", qop=auth, nc=0000000a"#;
        let read = Authorization::parse(&ByteStr::from(text)).unwrap();
        assert_eq!(read.to_value(), text);
        assert_eq!(read.0.nonce_count(), Some(10));
    }

    #[test]
    fn odd_nonce_counts_are_no_numbers() {
        let count = |nc: &str| {
            let text = format!(r#"Digest username=u,realm=r,nonce=n,uri=u,response=r,nc={nc}"#);
            Authorization::parse(&ByteStr::from(text)).unwrap().0.nonce_count()
        };
        assert_eq!(count("ffffffff"), Some(u32::MAX));
        assert_eq!(count("+0000001"), None);
        assert_eq!(count("000000001"), None);
        assert_eq!(count("\"\""), None);
    }
}
