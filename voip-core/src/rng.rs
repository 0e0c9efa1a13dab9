//! The seeded source of everything random: tags, branches, Call-IDs, SSRCs, nonces, jittered delays.
//!
//! One seed gives one sequence, so that a simulated scenario runs again exactly. The generator is ChaCha12, so that in
//! production, seeded from the operating system by whoever may, what it yields cannot be guessed (RFC 3261 §19.3,
//! RFC 3550 §5.1 and §8.1 ask for unpredictable values).

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng};
use std::time::Duration;

/// A seeded random source.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha12Rng);

impl Rng {
    /// From 32 bytes of seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// From a number, for tests and simulations.
    pub fn from_number(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self::from_seed(bytes)
    }

    /// An independent source, seeded from this one.
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self::from_seed(seed)
    }

    /// 16 random bits.
    pub fn u16(&mut self) -> u16 {
        self.0.next_u32() as u16
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A number in `0..bound`, uniform to within 2^-32; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `true` with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A duration between `low` and `high`.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        low + high.saturating_sub(low).mul_f64(self.unit())
    }

    /// A token of `length` characters from `0-9a-z`, 5.17 bits of entropy each: valid as a SIP tag, branch or word.
    pub fn token(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        (0..length).map(|_| char::from(ALPHABET[self.below(36) as usize])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence_and_forks_differ() {
        let (mut a, mut b) = (Rng::from_number(7), Rng::from_number(7));
        assert_eq!(a.token(20), b.token(20));
        let mut fork = a.fork();
        assert_ne!(fork.u64(), a.u64());
    }

    #[test]
    fn bounded_draws_stay_in_bounds_and_reach_them() {
        let mut rng = Rng::from_number(1);
        let mut seen = [false; 6];
        for _ in 0..1000 {
            seen[rng.below(6) as usize] = true;
            let d = rng.duration(Duration::from_millis(10), Duration::from_millis(20));
            assert!((10..=20).contains(&d.as_millis()));
        }
        assert_eq!(seen, [true; 6]);
    }
}
