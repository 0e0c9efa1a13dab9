//! Nonces that carry their own age and proof, so that a challenge costs the server no memory (RFC 7616 §3.3).

use super::compute::hex;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::{Duration, Instant};
use voip_core::rng::Rng;

/// Makes nonces and knows its own again: `time || serial || HMAC-SHA-256(time || serial)`, in hexadecimal.
#[derive(Clone, Debug)]
pub(super) struct NonceMint {
    secret: [u8; 32],
    /// Ages count from the first nonce.
    origin: Option<Instant>,
    next_serial: u64,
}

/// What a genuine nonce tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonce {
    /// Unique, and rising with time.
    pub(super) serial: u64,
    /// When it was made, since the mint's origin.
    pub(super) made: Duration,
}

impl NonceMint {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { secret: rng.bytes(), origin: None, next_serial: 0 }
    }

    pub(super) fn mint(&mut self, now: Instant) -> String {
        let mut bytes = [0; Self::DATA + Self::PROOF];
        self.origin.get_or_insert(now);
        let made = self.age_of_origin(now).as_millis() as u64;
        bytes[..8].copy_from_slice(&made.to_be_bytes());
        bytes[8..Self::DATA].copy_from_slice(&self.next_serial.to_be_bytes());
        self.next_serial += 1;
        let proof = self.keyed(&bytes[..Self::DATA]).finalize().into_bytes();
        bytes[Self::DATA..].copy_from_slice(&proof[..Self::PROOF]);
        hex(&bytes)
    }

    /// What `nonce` tells, if this mint made it.
    pub(super) fn read(&self, nonce: &[u8]) -> Option<Nonce> {
        let bytes = unhex(nonce)?;
        let (data, proof) = bytes.split_at(Self::DATA);
        self.keyed(data).verify_truncated_left(proof).ok()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Some(Nonce { serial: number(&data[8..]), made: Duration::from_millis(number(&data[..8])) })
    }

    /// How old a nonce is.
    pub(super) fn age(&self, nonce: Nonce, now: Instant) -> Duration {
        self.age_of_origin(now).saturating_sub(nonce.made)
    }

    fn age_of_origin(&self, now: Instant) -> Duration {
        self.origin.map_or(Duration::ZERO, |origin| now.saturating_duration_since(origin))
    }

    fn keyed(&self, data: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(data);
        mac
    }

    const DATA: usize = 16;
    /// 128 bits cannot be guessed.
    const PROOF: usize = 16;
}

fn unhex(text: &[u8]) -> Option<[u8; NonceMint::DATA + NonceMint::PROOF]> {
    let mut bytes = [0; NonceMint::DATA + NonceMint::PROOF];
    if text.len() != bytes.len() * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn a_mint_knows_its_own_nonces_and_their_age() {
        let t0 = Instant::now();
        let mut mint = NonceMint::new(&mut Rng::from_number(1));
        let (first, second) = (mint.mint(t0), mint.mint(t0 + Duration::from_secs(5)));
        assert_ne!(first, second);
        let nonce = mint.read(second.as_bytes()).unwrap();
        assert_eq!((nonce.serial, nonce.made), (1, Duration::from_secs(5)));
        assert_eq!(mint.age(nonce, t0 + Duration::from_secs(12)), Duration::from_secs(7));
        let other = NonceMint::new(&mut Rng::from_number(2));
        assert_eq!(other.read(second.as_bytes()), None);
        let mut forged = second.into_bytes();
        forged[3] ^= 1;
        assert_eq!(mint.read(&forged), None);
        assert_eq!(mint.read(b"dcd98b7102dd2f0e"), None);
        assert_eq!(mint.read("\u{e9}".repeat(32).as_bytes()), None);
    }
}
