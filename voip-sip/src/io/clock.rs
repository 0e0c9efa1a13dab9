//! The clocks and the entropy of the operating system, read for the pure machines.

#![expect(clippy::disallowed_methods, reason = "this is where the clocks are read")]

use std::io;
use std::time::{Duration, Instant, SystemTime};
use voip_core::time::{ClockPair, WallTime};

/// The monotonic clock.
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The relation of the monotonic clock to wall time, as of now.
pub fn clock_pair() -> ClockPair {
    // A wall clock set before 1970 yields the epoch: dates are wrong then, and nothing else is.
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    ClockPair { instant: Instant::now(), wall: WallTime::from_unix(since_epoch) }
}

/// 32 bytes that nobody can guess, for [`voip_core::rng::Rng::from_seed`].
///
/// # Errors
/// When the operating system gives no entropy: nothing that must be unpredictable may be made then.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_and_the_wall_clock_is_past_the_epoch() {
        assert_ne!(seed().unwrap(), seed().unwrap());
        let pair = clock_pair();
        assert!(pair.wall.since_unix() > Duration::from_secs(1_700_000_000));
        assert!(pair.instant <= now());
    }
}
