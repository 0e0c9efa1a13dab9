//! What a leg sends: its own SSRC, sequence numbers and timestamps, continuous whatever they are made from.
//!
//! While one stream is passed on, its numbers are shifted by a constant, so that losses, reordering and pauses look to
//! the receiver as they were. When something else was sent in between (silence), or another stream takes over, the
//! shift is chosen anew: the sequence goes on by one; the timestamp goes on with the time that truly passed, by the
//! stream's own clock where that is to be believed, and never backwards. RFC 3550 §5.1, RFC 3551 §4.1.
//!
//! Silence that was sent while packets were held up has taken their time. When they come after all, they are raised
//! behind it and passed on; a delay that this adds is bounded, so that a network which stalls again and again does not
//! push the call ever further behind: what comes later than the bound is dropped. The next pause takes it back.

use crate::rtp::{RtpTime, SeqNo, Ssrc};
use std::time::{Duration, Instant};
use voip_core::rng::Rng;

/// A packet of a received stream, as far as its place in what is sent depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    /// Which uninterrupted stream it belongs to.
    pub(crate) stream: u64,
    /// Its extended sequence number there.
    pub(crate) extended: u64,
    pub(crate) timestamp: RtpTime,
    pub(crate) marker: bool,
    /// Media time it covers, in clock units.
    pub(crate) duration: u32,
    /// An event's packets keep the timestamp of its beginning.
    pub(crate) is_event: bool,
    pub(crate) clock_rate: u32,
}

/// A packet's place in what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) sequence: SeqNo,
    pub(crate) timestamp: RtpTime,
    pub(crate) marker: bool,
}

#[derive(Debug)]
pub(crate) struct Outgoing {
    ssrc: Ssrc,
    next: u16,
    clock_rate: u32,
    /// Media time and the instant it belongs to, following the packets sent smoothly, as if none had been raised.
    anchor: Option<(Instant, RtpTime)>,
    first: RtpTime,
    /// The end of the latest media sent.
    covered: RtpTime,
    shift: Option<Shift>,
    /// Since when packets have been dropped that were too late to be raised.
    late_since: Option<Instant>,
    packets: u64,
    octets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Shift {
    stream: u64,
    /// Packets before this one have lost their place.
    first: u64,
    highest: u64,
    sequence: u16,
    timestamp: u32,
    /// How far this stream's timestamps stand behind their natural place, so as not to overlap what was sent before.
    raised: u32,
    /// Something else was sent since.
    interrupted: bool,
}

impl Outgoing {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let first = RtpTime(rng.u32());
        Self {
            ssrc: Ssrc(rng.u32()),
            next: rng.u16(),
            clock_rate: 8000,
            anchor: None,
            first,
            covered: first,
            shift: None,
            late_since: None,
            packets: 0,
            octets: 0,
        }
    }

    pub(crate) const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }

    /// A packet with so many bytes of payload has been sent.
    pub(crate) fn sent(&mut self, payload: usize) {
        self.packets += 1;
        self.octets += payload as u64;
    }

    /// The media time of `now`, as the peer sees it.
    pub(crate) fn media_time(&self, now: Instant) -> RtpTime {
        let raised = self.shift.filter(|shift| !shift.interrupted).map_or(0, |shift| shift.raised);
        self.natural(now).plus(raised)
    }

    /// The media time of `now`, nothing raised.
    fn natural(&self, now: Instant) -> RtpTime {
        match self.anchor {
            Some((at, timestamp)) => timestamp.plus(self.units(now.saturating_duration_since(at)) as u32),
            None => self.first,
        }
    }

    /// The place of a packet that is passed on. `None`: it comes too late, its place has been taken.
    #[inline]
    pub(crate) fn pass(&mut self, now: Instant, packet: Passed) -> Option<Place> {
        let Some(shift) = self.shift.as_mut().filter(|s| s.stream == packet.stream && !s.interrupted) else {
            return self.begin(now, packet);
        };
        if packet.extended < shift.first {
            return None;
        }
        let timestamp = packet.timestamp.plus(shift.timestamp);
        let sequence = (packet.extended as u16).wrapping_add(shift.sequence);
        if packet.extended > shift.highest {
            if !packet.is_event {
                // The stream's clock jumped: the receiver gets the time that passed instead.
                let natural = RtpTime(timestamp.0.wrapping_sub(shift.raised));
                let off = natural.since(self.natural(now)).unsigned_abs();
                if off > Self::LARGEST_JUMP_S * self.clock_rate || packet.clock_rate != self.clock_rate {
                    return self.begin(now, packet);
                }
                self.follow(now, natural);
            }
            let shift = self.shift.as_mut().expect("the shift of this stream was found");
            shift.highest = packet.extended;
            self.next = sequence.wrapping_add(1);
            self.cover(timestamp.plus(packet.duration));
        }
        Some(Place { sequence: SeqNo(sequence), timestamp, marker: packet.marker })
    }

    /// A packet of the stream is not passed on: those after it move up.
    pub(crate) fn skip(&mut self, stream: u64, extended: u64) {
        if let Some(shift) = &mut self.shift
            && shift.stream == stream
            && !shift.interrupted
            && extended > shift.highest
        {
            // Only the packet itself moves the rest up: what was lost before it stays visible as loss.
            shift.sequence = shift.sequence.wrapping_sub(1);
            shift.first = extended + 1;
            shift.highest = extended;
        }
    }

    /// The place of a packet made here, of `duration` clock units, at `now`.
    pub(crate) fn fill(&mut self, now: Instant, duration: u32) -> Place {
        let marker = self.anchor.is_none();
        let timestamp = self.earliest(now);
        self.anchor.get_or_insert((now, timestamp));
        self.interrupt();
        let place = Place { sequence: SeqNo(self.next), timestamp, marker };
        self.next = self.next.wrapping_add(1);
        self.cover(timestamp.plus(duration));
        place
    }

    /// What is passed on next does not follow what was passed on last.
    pub(crate) fn interrupt(&mut self) {
        if let Some(shift) = &mut self.shift {
            shift.interrupted = true;
        }
    }

    fn begin(&mut self, now: Instant, packet: Passed) -> Option<Place> {
        let before = self.shift.filter(|shift| shift.stream == packet.stream);
        if before.is_some_and(|shift| packet.extended <= shift.highest) {
            return None;
        }
        if packet.clock_rate != self.clock_rate {
            let timestamp = self.natural(now);
            self.clock_rate = packet.clock_rate;
            self.anchor = self.anchor.map(|_| (now, timestamp));
        }
        let truly = self.natural(now);
        let by_source =
            before.map(|shift| RtpTime(packet.timestamp.0.wrapping_add(shift.timestamp).wrapping_sub(shift.raised)));
        // The stream's own clock is believed when it is about right, and when it says that the packet is late.
        let mut natural = by_source.unwrap_or(truly);
        let early = natural.since(truly);
        if early > (self.clock_rate / Self::TRUST_PER_S) as i32
            || early < -((Self::LARGEST_JUMP_S * self.clock_rate) as i32)
        {
            natural = truly;
        }
        let mut raised = self.covered.since(natural).max(0) as u32;
        if raised > self.clock_rate / Self::RAISE_PER_S {
            let since = *self.late_since.get_or_insert(now);
            if now.saturating_duration_since(since) < Self::LATE_FOR {
                return None;
            }
            // What was held up comes all at once. This goes on: the stream's clock has stood still.
            natural = truly;
            raised = self.covered.since(natural).max(0) as u32;
        }
        self.late_since = None;
        let timestamp = natural.plus(raised);
        self.shift = Some(Shift {
            stream: packet.stream,
            first: packet.extended,
            highest: packet.extended,
            sequence: self.next.wrapping_sub(packet.extended as u16),
            timestamp: timestamp.0.wrapping_sub(packet.timestamp.0),
            raised,
            interrupted: false,
        });
        let place = Place { sequence: SeqNo(self.next), timestamp, marker: true };
        self.next = self.next.wrapping_add(1);
        self.anchor.get_or_insert((now, natural));
        self.cover(timestamp.plus(packet.duration));
        Some(place)
    }

    /// The media time of `now`, but not before what is already covered.
    fn earliest(&self, now: Instant) -> RtpTime {
        let timestamp = self.natural(now);
        if timestamp.since(self.covered) >= 0 { timestamp } else { self.covered }
    }

    fn cover(&mut self, end: RtpTime) {
        if end.since(self.covered) > 0 {
            self.covered = end;
        }
    }

    /// Draws the anchor towards a packet sent now: a sixteenth of the difference, so that jitter averages out and the
    /// drift of the source's clock does not.
    #[inline]
    fn follow(&mut self, now: Instant, timestamp: RtpTime) {
        let Some((at, anchored)) = self.anchor else {
            self.anchor = Some((now, timestamp));
            return;
        };
        let units = self.units(now.saturating_duration_since(at));
        // Only whole units move the instant: their fractions would add up.
        let nanos = units * 1_000_000_000 / u64::from(self.clock_rate);
        let expected = anchored.plus(units as u32);
        let correction = timestamp.since(expected) / 16;
        self.anchor = Some((at + Duration::from_nanos(nanos), expected.plus(correction as u32)));
    }

    #[inline]
    fn units(&self, duration: Duration) -> u64 {
        duration.as_secs() * u64::from(self.clock_rate)
            + u64::from(duration.subsec_nanos()) * u64::from(self.clock_rate) / 1_000_000_000
    }

    /// A stream whose timestamps leave the true time by more than this has begun a new timeline.
    const LARGEST_JUMP_S: u32 = 5;
    /// After an interruption the source's own clock is trusted within this fraction of a second of the true time.
    const TRUST_PER_S: u32 = 5;
    /// Late packets are raised by at most this fraction of a second: the delay that silence may add.
    const RAISE_PER_S: u32 = 5;
    /// Packets later than that are dropped for so long at most.
    const LATE_FOR: Duration = Duration::from_millis(40);
}

#[cfg(test)]
mod tests;
