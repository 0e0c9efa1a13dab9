//! What a leg sends: its own SSRC, sequence numbers and timestamps, continuous whatever they are made from.
//!
//! While one stream is passed on, its numbers are shifted by a constant, so that losses, reordering and pauses look to
//! the receiver as they were. When something else was sent in between (silence), or another stream takes over, the
//! shift is chosen anew: the sequence goes on by one; the timestamp goes on with the time that truly passed, as far as
//! the stream's own clock and the packets already sent allow, and never backwards. RFC 3550 §5.1, RFC 3551 §4.1.

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
    /// Media time and the instant it belongs to, following the packets sent smoothly.
    anchor: Option<(Instant, RtpTime)>,
    first: RtpTime,
    /// The end of the latest media sent.
    covered: RtpTime,
    shift: Option<Shift>,
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

    /// The media time of `now`.
    pub(crate) fn media_time(&self, now: Instant) -> RtpTime {
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
                let elapsed = timestamp.since(self.media_time(now));
                if elapsed.unsigned_abs() > Self::LARGEST_JUMP_S * self.clock_rate
                    || packet.clock_rate != self.clock_rate
                {
                    return self.begin(now, packet);
                }
                self.follow(now, timestamp);
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
            let timestamp = self.media_time(now);
            self.clock_rate = packet.clock_rate;
            self.anchor = self.anchor.map(|_| (now, timestamp));
        }
        let earliest = self.earliest(now);
        let timestamp = before
            .map(|shift| packet.timestamp.plus(shift.timestamp))
            .filter(|by_source| {
                by_source.since(self.covered) >= 0
                    && by_source.since(earliest).unsigned_abs() <= self.clock_rate / Self::TRUST_PER_S
            })
            .unwrap_or(earliest);
        self.shift = Some(Shift {
            stream: packet.stream,
            first: packet.extended,
            highest: packet.extended,
            sequence: self.next.wrapping_sub(packet.extended as u16),
            timestamp: timestamp.0.wrapping_sub(packet.timestamp.0),
            interrupted: false,
        });
        let place = Place { sequence: SeqNo(self.next), timestamp, marker: true };
        self.next = self.next.wrapping_add(1);
        self.anchor.get_or_insert((now, timestamp));
        self.cover(timestamp.plus(packet.duration));
        Some(place)
    }

    /// The media time of `now`, but not before what is already covered.
    fn earliest(&self, now: Instant) -> RtpTime {
        let timestamp = self.media_time(now);
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
}

#[cfg(test)]
mod tests;
