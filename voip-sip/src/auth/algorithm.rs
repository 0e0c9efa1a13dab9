//! Names of hash functions, algorithms and qualities of protection (RFC 7616 §3.3, RFC 8760 §2.2).

use std::fmt;

/// A hash function, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashFunction {
    /// The only one of RFC 3261; what carriers use.
    Md5,
    /// RFC 8760.
    Sha256,
    /// SHA-512 truncated to 256 bits (RFC 7616).
    Sha512_256,
}

/// The `algorithm` parameter: a hash function, and whether the session form is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Algorithm {
    /// Hash function.
    pub hash: HashFunction,
    /// The `-sess` form: the password's hash is bound to the nonces of the session (RFC 7616 §3.4.2).
    pub session: bool,
}

impl Algorithm {
    /// `MD5`: what an absent parameter means.
    pub const MD5: Self = Self { hash: HashFunction::Md5, session: false };
    /// `SHA-256`.
    pub const SHA_256: Self = Self { hash: HashFunction::Sha256, session: false };
    /// `SHA-512-256`.
    pub const SHA_512_256: Self = Self { hash: HashFunction::Sha512_256, session: false };

    /// From its name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [HashFunction::Md5, HashFunction::Sha256, HashFunction::Sha512_256]
            .into_iter()
            .flat_map(|hash| [false, true].map(|session| Self { hash, session }))
            .find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// As written.
    pub const fn name(self) -> &'static str {
        match (self.hash, self.session) {
            (HashFunction::Md5, false) => "MD5",
            (HashFunction::Md5, true) => "MD5-sess",
            (HashFunction::Sha256, false) => "SHA-256",
            (HashFunction::Sha256, true) => "SHA-256-sess",
            (HashFunction::Sha512_256, false) => "SHA-512-256",
            (HashFunction::Sha512_256, true) => "SHA-512-256-sess",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Quality of protection (RFC 7616 §3.4): what the digest covers beside the start line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qop {
    /// Nothing else.
    Auth,
    /// The body.
    AuthInt,
}

impl Qop {
    /// From its name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// As written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_found_by_name_in_any_case() {
        assert_eq!(Algorithm::from_name(b"md5"), Some(Algorithm::MD5));
        assert_eq!(
            Algorithm::from_name(b"sha-512-256-SESS"),
            Some(Algorithm { hash: HashFunction::Sha512_256, session: true })
        );
        assert_eq!(Algorithm::from_name(b"AKAv1-MD5"), None);
    }
}
