//! Reception statistics of one source: loss (RFC 3550 A.3) and interarrival jitter (A.8), for reports and records.

use super::header::{RtpTime, SeqNo};
use super::sequence::{Arrival, SequenceTracker};
use std::time::Duration;

/// What one source has sent us so far.
#[derive(Clone, Debug)]
pub struct Reception {
    sequence: SequenceTracker,
    clock_rate: u32,
    received: u64,
    duplicates: u64,
    out_of_order: u64,
    /// The last packet's transit time in clock units, of which only differences mean anything.
    transit: Option<u32>,
    /// Jitter in clock units, scaled by 16 as in A.8.
    jitter: u32,
    expected_prior: u64,
    received_prior: u64,
}

/// Counts of one source, to be added to those of the sources before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceptionTotals {
    /// Packets the source has sent, as far as its numbering tells.
    pub expected: u64,
    /// Packets that came, each counted once.
    pub received: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub out_of_order: u64,
}

impl ReceptionTotals {
    /// Packets that never came.
    pub const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// Both together.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            received: self.received + other.received,
            duplicates: self.duplicates + other.duplicates,
            out_of_order: self.out_of_order + other.out_of_order,
        }
    }
}

/// The loss fields of a reception report block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalLoss {
    /// Fraction lost since the report before, in 1/256 (RFC 3550 §6.4.1).
    pub fraction: u8,
    /// Packets lost since the beginning, within 24 bits signed; negative when duplicates outnumber losses.
    pub cumulative: i32,
}

impl Reception {
    /// From the first packet of a source, whose payload's clock has `clock_rate` Hz.
    pub const fn new(first: SeqNo, clock_rate: u32) -> Self {
        Self {
            sequence: SequenceTracker::new(first),
            clock_rate,
            received: 1,
            duplicates: 0,
            out_of_order: 0,
            transit: None,
            jitter: 0,
            expected_prior: 0,
            received_prior: 0,
        }
    }

    /// A further packet came. After [`Arrival::Restarted`] the counts begin anew: take
    /// [`totals`](Self::totals) before, where they are wanted.
    pub fn receive(&mut self, sequence: SeqNo) -> Arrival {
        let arrival = self.sequence.receive(sequence);
        match arrival {
            Arrival::New { .. } => self.received += 1,
            Arrival::Reordered { .. } => {
                self.received += 1;
                self.out_of_order += 1;
            }
            Arrival::Duplicate => self.duplicates += 1,
            Arrival::Suspect => {}
            Arrival::Restarted { .. } => *self = Self::new(sequence, self.clock_rate),
        }
        arrival
    }

    /// Takes a packet's transit into the jitter (A.8): `at` is its arrival on any steady clock. Only for packets whose
    /// timestamp is that of their sending: not for telephone events, whose packets share one (RFC 4733 §2.2).
    #[inline]
    pub fn time(&mut self, at: Duration, timestamp: RtpTime) {
        let units = at.as_secs().wrapping_mul(u64::from(self.clock_rate)) as u32;
        let fraction = u64::from(at.subsec_nanos()) * u64::from(self.clock_rate) / 1_000_000_000;
        let transit = units.wrapping_add(fraction as u32).wrapping_sub(timestamp.0);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of more than two seconds is a new timeline, not jitter.
            if difference < 2 * self.clock_rate {
                self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
            }
        }
    }

    /// The sequence numbers.
    pub const fn sequence(&self) -> &SequenceTracker {
        &self.sequence
    }

    /// Counts so far.
    pub const fn totals(&self) -> ReceptionTotals {
        ReceptionTotals {
            expected: self.sequence.expected(),
            received: self.received,
            duplicates: self.duplicates,
            out_of_order: self.out_of_order,
        }
    }

    /// Jitter in clock units, as a report block has it (RFC 3550 §6.4.1).
    pub const fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// Jitter in milliseconds.
    pub fn jitter_ms(&self) -> f32 {
        self.jitter as f32 / 16.0 * 1000.0 / self.clock_rate as f32
    }

    /// Loss for a report block; the interval ends here and the next begins (A.3). Duplicates count as received, as
    /// RFC 3550 §6.4.1 has it.
    pub fn interval_loss(&mut self) -> IntervalLoss {
        let expected = self.sequence.expected();
        let received = self.received + self.duplicates;
        let expected_interval = expected.saturating_sub(self.expected_prior);
        let received_interval = received - self.received_prior;
        self.expected_prior = expected;
        self.received_prior = received;
        let lost = expected_interval.saturating_sub(received_interval);
        let fraction = (lost << 8).checked_div(expected_interval).unwrap_or(0).min(255) as u8;
        let cumulative = (expected as i64 - received as i64).clamp(-0x80_0000, 0x7F_FFFF) as i32;
        IntervalLoss { fraction, cumulative }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_counted_as_rfc_3550_a3_does() {
        let mut reception = Reception::new(SeqNo(65_530), 8000);
        for n in 1..=19_u16 {
            if n % 5 != 0 {
                reception.receive(SeqNo(65_530_u16.wrapping_add(n)));
            }
        }
        // 20 expected, 17 came: 3/20 of 256 is 38.4.
        assert_eq!(reception.interval_loss(), IntervalLoss { fraction: 38, cumulative: 3 });
        assert_eq!(reception.totals().lost(), 3);
        reception.receive(SeqNo(14));
        assert_eq!(reception.interval_loss(), IntervalLoss { fraction: 0, cumulative: 3 });
        reception.receive(SeqNo(14));
        assert_eq!(reception.interval_loss().cumulative, 2);
        assert_eq!(reception.totals().lost(), 3);
    }

    #[test]
    fn jitter_follows_the_formula_of_a8() {
        let mut reception = Reception::new(SeqNo(0), 8000);
        let mut by_hand = 0.0_f64;
        let mut before = None;
        for n in 0..50_u32 {
            let late = Duration::from_millis(u64::from(n * 7 % 13));
            let at = Duration::from_millis(u64::from(n) * 20) + late;
            reception.time(at, RtpTime(n.wrapping_mul(160).wrapping_add(u32::MAX - 400)));
            let transit = late.as_secs_f64() * 8000.0;
            if let Some(before) = before.replace(transit) {
                by_hand += ((transit - before).abs() - by_hand) / 16.0;
            }
        }
        assert!((f64::from(reception.jitter()) - by_hand).abs() < 1.0, "{} {by_hand}", reception.jitter());
        assert!((f64::from(reception.jitter_ms()) - by_hand / 8.0).abs() < 0.1);
    }

    #[test]
    fn a_jump_of_the_timestamp_is_not_jitter() {
        let mut reception = Reception::new(SeqNo(0), 8000);
        reception.time(Duration::from_millis(0), RtpTime(0));
        reception.time(Duration::from_millis(20), RtpTime(1_000_000));
        reception.time(Duration::from_millis(40), RtpTime(1_000_160));
        assert_eq!(reception.jitter(), 0);
    }
}
