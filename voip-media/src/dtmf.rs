//! Telephone events (RFC 4733 §2.3): which key was pressed, reported once.
//!
//! The packets of one event share a timestamp. An event is over when its end bit comes, when another event begins, or
//! when nothing more is heard of it. Generating events and detecting tones are not here yet.

use crate::rtp::RtpTime;
use std::time::{Duration, Instant};

/// The payload of a telephone-event packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    /// Event code: 0 to 15 are the keys (RFC 4733 §3.2).
    pub event: u8,
    /// The event is over.
    pub end: bool,
    /// Power of the tone, dBm0 with the sign dropped.
    pub volume: u8,
    /// How long it has lasted, in units of the RTP clock.
    pub duration: u16,
}

impl EventPayload {
    /// Bytes of a payload.
    pub const LENGTH: usize = 4;

    /// Reads a payload; `None` when it is too short. What follows the first event (several in one packet) is ignored.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = payload.first_chunk()?;
        Some(Self { event, end: flags & 0x80 != 0, volume: flags & 0x3F, duration: u16::from_be_bytes([high, low]) })
    }

    /// Writes it.
    pub const fn write(self) -> [u8; Self::LENGTH] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, (self.end as u8) << 7 | self.volume & 0x3F, high, low]
    }

    /// The key, when the event is one.
    pub const fn digit(self) -> Option<char> {
        const KEYS: &[u8; 16] = b"0123456789*#ABCD";
        if self.event < 16 { Some(KEYS[self.event as usize] as char) } else { None }
    }
}

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPress {
    /// `0`-`9`, `*`, `#`, `A`-`D`.
    pub digit: char,
    /// How long it was held, ms, as far as heard.
    pub duration_ms: u32,
}

/// Puts the packets of events together.
#[derive(Clone, Debug, Default)]
pub struct EventReceiver {
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    timestamp: RtpTime,
    payload: EventPayload,
    clock_rate: u32,
    heard: Instant,
    reported: bool,
}

impl Current {
    fn report(&mut self) -> Option<KeyPress> {
        if std::mem::replace(&mut self.reported, true) {
            return None;
        }
        let duration_ms = (u64::from(self.payload.duration) * 1000 / u64::from(self.clock_rate.max(1))) as u32;
        Some(KeyPress { digit: self.payload.digit()?, duration_ms })
    }
}

impl EventReceiver {
    /// An event of which nothing more is heard for this long is over: several times the spacing of its packets.
    pub const SILENCE: Duration = Duration::from_millis(300);

    /// A packet came. Gives the key that this ends, or that the beginning of another one ends.
    pub fn receive(
        &mut self,
        now: Instant,
        timestamp: RtpTime,
        payload: EventPayload,
        clock_rate: u32,
    ) -> Option<KeyPress> {
        if let Some(current) = &mut self.current {
            if current.timestamp == timestamp && current.payload.event == payload.event {
                current.heard = now;
                current.payload.duration = current.payload.duration.max(payload.duration);
                return if payload.end { current.report() } else { None };
            }
            if timestamp.since(current.timestamp) < 0 {
                // A late packet of an event before.
                return None;
            }
        }
        let before = self.current.take().and_then(|mut current| current.report());
        let mut current = Current { timestamp, payload, clock_rate, heard: now, reported: false };
        // Both at once happens only when all of the first event but its beginning, and all of the second but its
        // end, were lost; the older key is then reported now and the newer one when nothing more is heard of it.
        let ended = if payload.end && before.is_none() { current.report() } else { None };
        self.current = Some(current);
        before.or(ended)
    }

    /// Time passes: gives the key whose end was lost.
    pub fn expire(&mut self, now: Instant) -> Option<KeyPress> {
        let current = self.current.as_mut()?;
        if now.saturating_duration_since(current.heard) < Self::SILENCE {
            return None;
        }
        current.report()
    }

    /// The numbering or the timeline of the source has changed: what was begun is over.
    pub fn reset(&mut self) -> Option<KeyPress> {
        self.current.take()?.report()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
    fn start() -> (EventReceiver, Instant) {
        (EventReceiver::default(), Instant::now())
    }

    fn payload(event: u8, duration: u16, end: bool) -> EventPayload {
        EventPayload { event, end, volume: 10, duration }
    }

    #[test]
    fn a_payload_reads_as_it_was_written() {
        let event = payload(11, 1600, true);
        assert_eq!(event.write(), [11, 0x8A, 6, 64]);
        assert_eq!(EventPayload::read(&event.write()), Some(event));
        assert_eq!((event.digit(), payload(16, 0, false).digit()), (Some('#'), None));
        assert_eq!(EventPayload::read(&[1, 2, 3]), None);
    }

    #[test]
    fn a_key_is_reported_once_at_its_end() {
        let (mut events, now) = start();
        for duration in [160, 320, 480] {
            assert_eq!(events.receive(now, RtpTime(1000), payload(5, duration, false), 8000), None);
        }
        let end = payload(5, 640, true);
        let key = KeyPress { digit: '5', duration_ms: 80 };
        assert_eq!(events.receive(now, RtpTime(1000), end, 8000), Some(key));
        assert_eq!(events.receive(now, RtpTime(1000), end, 8000), None, "ends are sent three times");
        assert_eq!(events.expire(now + Duration::from_secs(1)), None);
        assert_eq!(events.receive(now, RtpTime(900), payload(4, 160, true), 8000), None, "late");
    }

    #[test]
    fn a_lost_end_is_made_up_for() {
        let (mut events, now) = start();
        events.receive(now, RtpTime(0), payload(1, 800, false), 8000);
        assert_eq!(events.expire(now + Duration::from_millis(299)), None);
        let key = KeyPress { digit: '1', duration_ms: 100 };
        assert_eq!(events.expire(now + Duration::from_millis(300)), Some(key));
        assert_eq!(events.receive(now, RtpTime(0), payload(1, 800, true), 8000), None);

        events.receive(now, RtpTime(5000), payload(2, 800, false), 8000);
        let next = events.receive(now, RtpTime(9000), payload(2, 160, false), 8000);
        assert_eq!(next, Some(KeyPress { digit: '2', duration_ms: 100 }), "the same key again is another event");
        assert_eq!(events.reset(), Some(KeyPress { digit: '2', duration_ms: 20 }));
    }

    #[test]
    fn a_lost_beginning_is_made_up_for_and_signals_are_not_keys() {
        let (mut events, now) = start();
        let key = events.receive(now, RtpTime(0), payload(12, 1600, true), 8000);
        assert_eq!(key, Some(KeyPress { digit: 'A', duration_ms: 200 }));
        assert_eq!(events.receive(now, RtpTime(5000), payload(16, 1600, true), 8000), None, "16 is a hook flash");
    }
}
