//! Extended sequence numbers of one source (RFC 3550 A.1): what is new, late, doubled, or the sign of a restart.
//!
//! Two deliberate differences: a source counts from its first packet on (MIN_SEQUENTIAL is 1), because the signalling
//! has announced it and the latching rule has vouched for it; and duplicates are recognised, which A.1 leaves open.

use super::header::SeqNo;

/// What a packet's sequence number says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than all before; a gap before it is loss until what is missing arrives.
    New {
        /// The extended sequence number.
        extended: u64,
    },
    /// Older than the newest, not seen before.
    Reordered {
        /// The extended sequence number.
        extended: u64,
    },
    /// Seen before.
    Duplicate,
    /// A jump too large for loss: held back until the next packet confirms that the source restarted.
    Suspect,
    /// The source restarted its numbering: this packet follows a suspect one. Statistics begin anew.
    Restarted {
        /// The extended sequence number, on a scale of its own.
        extended: u64,
    },
}

/// Follows the sequence numbers of one source.
#[derive(Clone, Debug)]
pub struct SequenceTracker {
    base: u64,
    highest: u64,
    /// Bit n: the packet `highest - n` was seen.
    window: u128,
    expected_after_jump: Option<u16>,
}

impl SequenceTracker {
    /// Packets may be missing up to this many before a jump means a restart (RFC 3550 A.1).
    const MAX_DROPOUT: u16 = 3000;
    /// Packets may be late up to this many (RFC 3550 A.1).
    const MAX_MISORDER: u16 = 100;

    /// From the first packet of the source.
    pub const fn new(first: SeqNo) -> Self {
        // One cycle up, so that packets overtaken by the first one still have a number.
        let extended = (1 << 16) + first.0 as u64;
        Self { base: extended, highest: extended, window: 1, expected_after_jump: None }
    }

    /// The extended number of the first packet.
    pub const fn first(&self) -> u64 {
        self.base
    }

    /// The highest extended number so far.
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// How many packets the source has sent, as far as one can tell (RFC 3550 A.3).
    pub const fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    /// A packet came.
    pub fn receive(&mut self, sequence: SeqNo) -> Arrival {
        let ahead = sequence.0.wrapping_sub(self.highest as u16);
        if ahead == 0 {
            return Arrival::Duplicate;
        }
        if ahead < Self::MAX_DROPOUT {
            self.expected_after_jump = None;
            self.highest += u64::from(ahead);
            self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            return Arrival::New { extended: self.highest };
        }
        let behind = ahead.wrapping_neg();
        if behind <= Self::MAX_MISORDER {
            let extended = self.highest - u64::from(behind);
            let bit = 1_u128 << behind;
            if self.window & bit != 0 {
                return Arrival::Duplicate;
            }
            self.window |= bit;
            self.base = self.base.min(extended);
            return Arrival::Reordered { extended };
        }
        if self.expected_after_jump == Some(sequence.0) {
            *self = Self::new(sequence);
            return Arrival::Restarted { extended: self.highest };
        }
        self.expected_after_jump = Some(sequence.0.wrapping_add(1));
        Arrival::Suspect
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_go_on_across_the_wrap() {
        let mut tracker = SequenceTracker::new(SeqNo(0xFFFE));
        let first = tracker.first();
        for (n, sequence) in [0xFFFF, 0, 1, 2].into_iter().enumerate() {
            assert_eq!(tracker.receive(SeqNo(sequence)), Arrival::New { extended: first + 1 + n as u64 });
        }
        assert_eq!(tracker.expected(), 5);
    }

    #[test]
    fn late_and_doubled_packets_are_told_apart() {
        let mut tracker = SequenceTracker::new(SeqNo(10));
        let first = tracker.first();
        assert_eq!(tracker.receive(SeqNo(13)), Arrival::New { extended: first + 3 });
        assert_eq!(tracker.receive(SeqNo(11)), Arrival::Reordered { extended: first + 1 });
        assert_eq!(tracker.receive(SeqNo(11)), Arrival::Duplicate);
        assert_eq!(tracker.receive(SeqNo(13)), Arrival::Duplicate);
        assert_eq!(tracker.receive(SeqNo(9)), Arrival::Reordered { extended: first - 1 });
        assert_eq!(tracker.expected(), 5);
    }

    #[test]
    fn a_restart_needs_two_packets_in_sequence() {
        let mut tracker = SequenceTracker::new(SeqNo(10));
        assert_eq!(tracker.receive(SeqNo(40_000)), Arrival::Suspect);
        assert!(matches!(tracker.receive(SeqNo(11)), Arrival::New { .. }));
        assert_eq!(tracker.receive(SeqNo(40_000)), Arrival::Suspect);
        assert!(matches!(tracker.receive(SeqNo(40_001)), Arrival::Restarted { .. }));
        assert_eq!(tracker.expected(), 1);
        assert!(matches!(tracker.receive(SeqNo(40_002)), Arrival::New { .. }));
    }

    proptest! {
        /// Whatever order packets come in, each within the misorder limit is accepted once, under one number.
        #[test]
        fn every_packet_of_a_shuffled_stream_is_seen_once(
            start: u16, swaps in prop::collection::vec((0_usize..300, 1_usize..40), 0..60),
        ) {
            let mut order: Vec<u64> = (0..300).collect();
            for (at, distance) in swaps {
                let other = (at + distance).min(299);
                order[at..=other].rotate_left(1);
            }
            let mut tracker = SequenceTracker::new(SeqNo(start.wrapping_add(order[0] as u16)));
            let origin = tracker.first() as i64 - order[0] as i64;
            let mut seen = vec![false; 300];
            seen[order[0] as usize] = true;
            for &n in &order[1..] {
                match tracker.receive(SeqNo(start.wrapping_add(n as u16))) {
                    Arrival::New { extended } | Arrival::Reordered { extended } => {
                        prop_assert_eq!(extended as i64 - origin, n as i64);
                        prop_assert!(!std::mem::replace(&mut seen[n as usize], true));
                    }
                    // Many rotations of one packet may carry it beyond the limit.
                    other @ (Arrival::Duplicate | Arrival::Suspect | Arrival::Restarted { .. }) => {
                        let lateness = tracker.highest() as i64 - origin - n as i64;
                        prop_assert!(lateness > 100, "{other:?} for {n}");
                        break;
                    }
                }
            }
        }
    }
}
