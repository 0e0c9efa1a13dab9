//! The digest itself (RFC 7616 §3.4.1 to §3.4.3).

use super::algorithm::{Algorithm, HashFunction, Qop};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// Everything that goes into a digest. Without `qop` the form of RFC 2069 is computed.
pub(super) struct ResponseInput<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) username: &'a [u8],
    pub(super) realm: &'a [u8],
    pub(super) password: &'a [u8],
    pub(super) method: &'a [u8],
    pub(super) uri: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) cnonce: &'a [u8],
    pub(super) nc: &'a [u8],
    pub(super) qop: Option<Qop>,
    pub(super) body: &'a [u8],
}

impl ResponseInput<'_> {
    /// The digest in lower-case hexadecimal.
    pub(super) fn response(&self) -> String {
        let hash = |parts: &[&[u8]]| hash_joined(self.algorithm.hash, parts);
        let mut secret = hash(&[self.username, self.realm, self.password]);
        if self.algorithm.session {
            secret = hash(&[secret.as_bytes(), self.nonce, self.cnonce]);
        }
        let what = match self.qop {
            // A message without body counts as one with an empty body (RFC 3261 §22.4 item 7).
            Some(Qop::AuthInt) => hash(&[self.method, self.uri, hash(&[self.body]).as_bytes()]),
            Some(Qop::Auth) | None => hash(&[self.method, self.uri]),
        };
        match self.qop {
            Some(qop) => {
                hash(&[secret.as_bytes(), self.nonce, self.nc, self.cnonce, qop.name().as_bytes(), what.as_bytes()])
            }
            None => hash(&[secret.as_bytes(), self.nonce, what.as_bytes()]),
        }
    }
}

/// Whether two texts are equal, in a time that depends on their lengths only.
pub(super) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| std::hint::black_box(difference | (a ^ b)));
    difference == 0
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

/// The hash of the parts with colons between them.
fn hash_joined(function: HashFunction, parts: &[&[u8]]) -> String {
    match function {
        HashFunction::Md5 => joined::<Md5>(parts),
        HashFunction::Sha256 => joined::<Sha256>(parts),
        HashFunction::Sha512_256 => joined::<Sha512_256>(parts),
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> String {
    let mut state = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            state.update(b":");
        }
        state.update(part);
    }
    hex(&state.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    fn mufasa(algorithm: Algorithm) -> ResponseInput<'static> {
        ResponseInput {
            algorithm,
            username: b"Mufasa",
            realm: b"http-auth@example.org",
            password: b"Circle of Life",
            method: b"GET",
            uri: b"/dir/index.html",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            nc: b"00000001",
            qop: Some(Qop::Auth),
            body: b"",
        }
    }

    #[test]
    fn the_examples_of_rfc_7616_3_9_1_hold() {
        assert_eq!(mufasa(Algorithm::MD5).response(), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            mufasa(Algorithm::SHA_256).response(),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn the_example_of_rfc_2617_3_5_holds() {
        let input = ResponseInput {
            realm: b"testrealm@host.com",
            password: b"Circle Of Life",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            cnonce: b"0a4f113b",
            ..mufasa(Algorithm::MD5)
        };
        assert_eq!(input.response(), "6629fae49393a05397450978507c4ef1");
    }

    /// The values were computed with another program, which also yields those of RFC 7616.
    #[test]
    fn session_forms_body_protection_and_the_form_of_rfc_2069_hold() {
        let session = |hash| Algorithm { hash, session: true };
        assert_eq!(mufasa(session(HashFunction::Md5)).response(), "e783283f46242139c486a698fec7211d");
        assert_eq!(
            mufasa(session(HashFunction::Sha256)).response(),
            "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7"
        );
        assert_eq!(
            mufasa(Algorithm::SHA_512_256).response(),
            "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0"
        );
        let with_body =
            ResponseInput { qop: Some(Qop::AuthInt), nc: b"0000000a", body: b"v=0\r\n", ..mufasa(Algorithm::SHA_256) };
        assert_eq!(with_body.response(), "21f44150dccd1321ddb3003189e2b0be150e28e72ec86937aac6378b6842c158");
        let old = ResponseInput { qop: None, ..mufasa(Algorithm::MD5) };
        assert_eq!(old.response(), "7b2cc3b30e75b4777ea31027084363fd");
    }

    #[test]
    fn comparison_tells_equal_from_unequal() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abd"));
        assert!(!equal_in_constant_time(b"abc", b"ab"));
    }
}
