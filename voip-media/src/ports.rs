//! Pairs of UDP ports from the configured range: RTP on the even one, RTCP on the odd one above (RFC 3550 §11).
//!
//! A pair that a call gave back rests for a while, so that late packets of that call reach nobody; one that turned out
//! to be in use by another program rests longer. Pure: the sockets are opened by `io`.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use voip_core::rng::Rng;

/// An even port and the odd one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortPair(u16);

impl PortPair {
    /// The even port.
    pub const fn rtp(self) -> u16 {
        self.0
    }

    /// The odd port.
    pub const fn rtcp(self) -> u16 {
        self.0 + 1
    }
}

/// How much of the range is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortUsage {
    /// Pairs in the range.
    pub total_pairs: usize,
    /// Pairs that calls hold.
    pub in_use: usize,
    /// Pairs that rest after use.
    pub quarantined: usize,
}

/// No pair is free.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no RTP ports are free: {} pairs of {}-{} are in use and {} rest after use", usage.in_use, range.start(), range.end(), usage.quarantined)]
pub struct PortsExhausted {
    /// The configured range.
    pub range: RangeInclusive<u16>,
    /// How much of it is taken.
    pub usage: PortUsage,
}

/// Hands out port pairs.
#[derive(Debug)]
pub struct PortPool {
    range: RangeInclusive<u16>,
    free: VecDeque<PortPair>,
    /// In the order in which they become free within each kind of rest.
    resting: [VecDeque<(Instant, PortPair)>; 2],
    in_use: usize,
}

impl PortPool {
    /// How long a pair rests after use: longer than packets live in the network, shorter than anybody would wait.
    pub const QUARANTINE: Duration = Duration::from_secs(2);
    /// How long a pair rests that another program was found to use.
    pub const BUSY_QUARANTINE: Duration = Duration::from_secs(30);

    /// Over a range, from a random place in it: which ports a call gets is not to be guessed from outside.
    pub fn new(range: RangeInclusive<u16>, rng: &mut Rng) -> Self {
        let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
        let evens = (first.next_multiple_of(2)..last).step_by(2);
        let mut free: VecDeque<PortPair> = evens.map(|port| PortPair(port as u16)).collect();
        let start = rng.below(free.len() as u32) as usize;
        free.rotate_left(start);
        Self { range, free, resting: [VecDeque::new(), VecDeque::new()], in_use: 0 }
    }

    /// Takes a free pair.
    ///
    /// # Errors
    /// When none is free.
    pub fn take(&mut self, now: Instant) -> Result<PortPair, PortsExhausted> {
        self.release(now);
        let Some(pair) = self.free.pop_front() else {
            return Err(PortsExhausted { range: self.range.clone(), usage: self.usage(now) });
        };
        self.in_use += 1;
        Ok(pair)
    }

    /// A call is done with a pair: it rests, then is free.
    pub fn give_back(&mut self, now: Instant, pair: PortPair) {
        self.in_use -= 1;
        self.resting[0].push_back((now + Self::QUARANTINE, pair));
    }

    /// Another program uses a port of the pair: it is not tried again for a while.
    pub fn busy(&mut self, now: Instant, pair: PortPair) {
        self.in_use -= 1;
        self.resting[1].push_back((now + Self::BUSY_QUARANTINE, pair));
    }

    /// How much is taken.
    pub fn usage(&self, now: Instant) -> PortUsage {
        let resting = self.resting.iter().flatten();
        let (quarantined, rested) =
            resting.fold(
                (0, 0),
                |(quarantined, rested), (until, _)| {
                    if *until > now { (quarantined + 1, rested) } else { (quarantined, rested + 1) }
                },
            );
        let total_pairs = self.free.len() + self.in_use + quarantined + rested;
        PortUsage { total_pairs, in_use: self.in_use, quarantined }
    }

    /// Frees the pairs that have rested.
    fn release(&mut self, now: Instant) {
        for resting in &mut self.resting {
            while let Some((_, pair)) = resting.pop_front_if(|(until, _)| *until <= now) {
                self.free.push_back(pair);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn pool(range: RangeInclusive<u16>) -> (PortPool, Instant) {
        (PortPool::new(range, &mut Rng::from_number(4)), Instant::now())
    }

    #[test]
    fn pairs_are_even_and_odd_within_the_range_and_each_is_given_once() {
        let (mut pool, now) = pool(10_001..=10_010);
        let mut pairs: Vec<_> = (0..4).map(|_| pool.take(now).unwrap()).collect();
        pairs.sort();
        assert_eq!(pairs.iter().map(|p| p.rtp()).collect::<Vec<_>>(), [10_002, 10_004, 10_006, 10_008]);
        assert_eq!(pairs[3].rtcp(), 10_009);
        let error = pool.take(now).unwrap_err();
        assert_eq!(error.usage, PortUsage { total_pairs: 4, in_use: 4, quarantined: 0 });
        assert_eq!(error.to_string(), "no RTP ports are free: 4 pairs of 10001-10010 are in use and 0 rest after use");
    }

    #[test]
    fn a_pair_rests_after_use() {
        let (mut pool, now) = pool(4000..=4003);
        let (a, b) = (pool.take(now).unwrap(), pool.take(now).unwrap());
        pool.give_back(now, a);
        pool.busy(now, b);
        assert_eq!(pool.usage(now), PortUsage { total_pairs: 2, in_use: 0, quarantined: 2 });
        assert!(pool.take(now + PortPool::QUARANTINE - Duration::from_nanos(1)).is_err());
        assert_eq!(pool.take(now + PortPool::QUARANTINE), Ok(a));
        assert!(pool.take(now + PortPool::QUARANTINE).is_err());
        assert_eq!(pool.take(now + PortPool::BUSY_QUARANTINE), Ok(b));
    }

    #[test]
    fn ranges_without_a_pair_are_empty_and_the_top_of_the_range_does_not_overflow() {
        for range in [65_535..=65_535, 4001..=4002, RangeInclusive::new(10, 9), 4000..=4000] {
            assert!(pool(range.clone()).0.free.is_empty(), "{range:?}");
        }
        assert_eq!(pool(65_530..=65_535).0.free.len(), 3);
        assert_eq!(pool(0..=65_535).0.free.len(), 32_768);
    }
}
