//! Wall time, NTP time, and the two shapes in which a machine keeps deadlines.
//!
//! Monotonic time is [`std::time::Instant`], always passed in as `now`. Wall time ([`WallTime`]) is a separate value,
//! needed only where a protocol writes a date: RTCP sender reports (RFC 3550 §4), `Date`, digest nonces, call records.
//! A machine with a fixed set of timers keeps a [`TimerTable`]; a table of many machines keeps [`Deadlines`].

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A point in civil time: the duration since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(Duration);

impl WallTime {
    /// Seconds from the NTP era 0 epoch (1900-01-01) to the Unix epoch, RFC 5905 §6.
    const NTP_OFFSET: u64 = 2_208_988_800;

    /// From the duration since the Unix epoch.
    pub const fn from_unix(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// The duration since the Unix epoch.
    pub const fn since_unix(self) -> Duration {
        self.0
    }

    /// As an NTP timestamp, for RTCP sender reports (RFC 3550 §4).
    pub const fn ntp(self) -> NtpTime {
        let seconds = self.0.as_secs().wrapping_add(Self::NTP_OFFSET) as u32;
        let fraction = ((self.0.subsec_nanos() as u64) << 32) / 1_000_000_000;
        NtpTime(((seconds as u64) << 32) | fraction)
    }

    /// As RFC 3339 in UTC with milliseconds, `2026-11-21T09:30:00.250Z`: the form used in call records.
    pub fn rfc3339(self) -> String {
        let (year, month, day) = civil_from_days((self.0.as_secs() / 86_400) as i64);
        let second = self.0.as_secs() % 86_400;
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            second / 3600,
            second / 60 % 60,
            second % 60,
            self.0.subsec_millis()
        )
    }
}

impl std::ops::Add<Duration> for WallTime {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// A 64-bit NTP timestamp: 32 bits of seconds since 1900, 32 bits of fraction (RFC 3550 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The middle 32 bits, in units of 1/65536 s: the form of LSR and DLSR (RFC 3550 §6.4.1).
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// The relation of the monotonic clock to wall time, taken once by whoever may read clocks.
#[derive(Clone, Copy, Debug)]
pub struct ClockPair {
    /// A monotonic instant.
    pub instant: Instant,
    /// The wall time at that instant.
    pub wall: WallTime,
}

impl ClockPair {
    /// The wall time at `now`.
    pub fn wall_at(&self, now: Instant) -> WallTime {
        match now.checked_duration_since(self.instant) {
            Some(later) => self.wall + later,
            None => WallTime(self.wall.0.saturating_sub(self.instant.duration_since(now))),
        }
    }
}

/// The timers of one machine: an enum with a slot each.
///
/// `N` is the number of variants; each variant's [`TimerIndex::index`] is below it.
#[derive(Clone, Debug)]
pub struct TimerTable<T, const N: usize> {
    slots: [Option<Instant>; N],
    timer: std::marker::PhantomData<T>,
}

/// An enum of timers that names its slots in a [`TimerTable`].
pub trait TimerIndex: Copy + 'static {
    /// All variants, in the order in which timers due at the same instant fire.
    const ALL: &'static [Self];
    /// The position of this variant in [`ALL`](Self::ALL).
    fn index(self) -> usize;
}

impl<T: TimerIndex, const N: usize> Default for TimerTable<T, N> {
    fn default() -> Self {
        const { assert!(T::ALL.len() == N, "a timer table has one slot for each variant of its enum") };
        Self { slots: [None; N], timer: std::marker::PhantomData }
    }
}

impl<T: TimerIndex, const N: usize> TimerTable<T, N> {
    /// Sets `timer` to fire at `at`, replacing what was set.
    pub fn set(&mut self, timer: T, at: Instant) {
        self.slots[timer.index()] = Some(at);
    }

    /// Stops `timer`.
    pub fn stop(&mut self, timer: T) {
        self.slots[timer.index()] = None;
    }

    /// Stops all timers.
    pub fn stop_all(&mut self) {
        self.slots = [None; N];
    }

    /// When `timer` is to fire, if it is set.
    pub fn get(&self, timer: T) -> Option<Instant> {
        self.slots[timer.index()]
    }

    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Instant> {
        self.slots.iter().flatten().min().copied()
    }

    /// Takes the earliest timer that is due at `now`; call until `None`.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        let due = T::ALL
            .iter()
            .filter(|t| self.slots[t.index()].is_some_and(|at| at <= now))
            .min_by_key(|t| self.slots[t.index()])?;
        self.slots[due.index()] = None;
        Some(*due)
    }
}

/// One deadline for each of many keys, the earliest found at once.
#[derive(Clone, Debug)]
pub struct Deadlines<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: HashMap<K, Instant>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: HashMap::new() }
    }
}

impl<K: Copy + Ord + Hash> Deadlines<K> {
    /// Sets the deadline of `key`; `None` removes it.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, key));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key));
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the key with the earliest deadline that is due at `now`; call until `None`.
    pub fn expire(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no key has a deadline.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

/// Year, month and day of a count of days since 1970-01-01, in the proleptic Gregorian calendar.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    // Counted from 0000-03-01, so that the leap day is the last of its year; 146097 days make 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * march_month + 2) / 5 + 1) as u32;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(seconds: u64, millis: u64) -> WallTime {
        WallTime::from_unix(Duration::from_millis(seconds * 1000 + millis))
    }

    #[test]
    fn wall_time_is_written_as_rfc3339() {
        assert_eq!(wall(0, 0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(wall(951_782_400, 5).rfc3339(), "2000-02-29T00:00:00.005Z");
        assert_eq!(wall(1_795_253_400, 250).rfc3339(), "2026-11-21T09:30:00.250Z");
    }

    #[test]
    fn ntp_time_counts_from_1900_with_a_binary_fraction() {
        assert_eq!(wall(0, 500).ntp(), NtpTime(2_208_988_800 << 32 | 0x8000_0000));
        assert_eq!(wall(0, 500).ntp().middle(), (2_208_988_800_u64 as u16 as u32) << 16 | 0x8000);
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Timer {
        Early,
        Late,
    }

    impl TimerIndex for Timer {
        const ALL: &'static [Self] = &[Self::Early, Self::Late];
        fn index(self) -> usize {
            self as usize
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn timers_fire_in_order_of_time_and_once() {
        let t0 = Instant::now();
        let mut table = TimerTable::<Timer, 2>::default();
        table.set(Timer::Late, t0 + Duration::from_secs(1));
        table.set(Timer::Early, t0 + Duration::from_secs(2));
        assert_eq!(table.next(), Some(t0 + Duration::from_secs(1)));
        assert_eq!(table.expire(t0), None);
        let later = t0 + Duration::from_secs(3);
        assert_eq!(table.expire(later), Some(Timer::Late));
        assert_eq!(table.expire(later), Some(Timer::Early));
        assert_eq!(table.expire(later), None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn a_deadline_moves_with_its_key() {
        let t0 = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.set(1, Some(t0 + Duration::from_secs(5)));
        deadlines.set(2, Some(t0 + Duration::from_secs(3)));
        deadlines.set(1, Some(t0 + Duration::from_secs(1)));
        assert_eq!(deadlines.len(), 2);
        assert_eq!(deadlines.expire(t0 + Duration::from_secs(2)), Some(1));
        assert_eq!(deadlines.expire(t0 + Duration::from_secs(2)), None);
        deadlines.set(2, None);
        assert!(deadlines.is_empty() && deadlines.next().is_none());
    }
}
