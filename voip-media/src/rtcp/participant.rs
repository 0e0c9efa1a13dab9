//! One side of an RTCP session of two: when to report, what the far side reports of us, and the round trip.
//!
//! Timing is that of RFC 3550 §6.2 and §6.3.1 for two members. At telephony rates the interval computed from the
//! bandwidth is below its minimum, so that the minimum of 5 s (2.5 s for the first report) is what is randomised; the
//! reconsideration of §6.3.3 has no effect while the membership stands still.

use super::read::{Compound, Packet, ReportBlock, SenderInfo};
use super::write::CompoundWriter;
use crate::rtp::{Reception, Ssrc};
use std::time::{Duration, Instant};
use voip_core::rng::Rng;
use voip_core::time::{ClockPair, NtpTime};

/// What the far side last reported of the packets we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteReport {
    /// Fraction lost since its report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning.
    pub cumulative_lost: i32,
    /// Jitter in clock units.
    pub jitter: u32,
}

/// The RTCP state of one leg.
#[derive(Debug)]
pub struct Participant {
    clock: ClockPair,
    rng: Rng,
    next_report: Option<Instant>,
    reported: bool,
    /// Packets we had sent at the last report and at the one before it.
    sent_at_reports: [u64; 2],
    last_sender_report: Option<(u32, Instant)>,
    remote: Option<RemoteReport>,
    round_trip: Option<Duration>,
    byes: u64,
}

/// What we have sent, for a sender report.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Our source.
    pub ssrc: Ssrc,
    /// The media time of now, with packets and payload bytes sent; the NTP time is filled in.
    pub info: SenderInfo,
    /// The same packet count, not wrapped.
    pub packets: u64,
}

impl Participant {
    /// The least interval between reports (RFC 3550 §6.2).
    pub const MINIMUM_INTERVAL: Duration = Duration::from_secs(5);
    /// Offsets the randomisation's bias towards short intervals: e - 3/2 (RFC 3550 §6.3.1).
    const COMPENSATION: f64 = std::f64::consts::E - 1.5;
    /// A round trip beyond this is a mistake of the far side's arithmetic.
    const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(60);

    /// Silent until [`start`](Self::start).
    pub const fn new(clock: ClockPair, rng: Rng) -> Self {
        Self {
            clock,
            rng,
            next_report: None,
            reported: false,
            sent_at_reports: [0; 2],
            last_sender_report: None,
            remote: None,
            round_trip: None,
            byes: 0,
        }
    }

    /// The session has begun: reports go out from now on, the first one sooner. Harmless when it has begun before.
    pub fn start(&mut self, now: Instant) {
        if self.next_report.is_none() {
            self.next_report = Some(now + self.interval());
        }
    }

    /// When the next report is due.
    pub const fn next_report(&self) -> Option<Instant> {
        self.next_report
    }

    /// A datagram came from the peer: takes what it says. `Err` holds why its rest is unreadable.
    ///
    /// # Errors
    /// What is wrong with the datagram; what came before the fault has been taken.
    pub fn receive(&mut self, now: Instant, datagram: &[u8], own: Ssrc) -> Result<(), super::RtcpError> {
        for packet in Compound::new(datagram) {
            match packet? {
                Packet::SenderReport { sender, blocks, .. } => {
                    self.last_sender_report = Some((sender.ntp.middle(), now));
                    self.take_blocks(now, blocks, own);
                }
                Packet::ReceiverReport { blocks, .. } => self.take_blocks(now, blocks, own),
                Packet::Bye { .. } => self.byes += 1,
                Packet::SourceDescription { .. } | Packet::Other { .. } => {}
            }
        }
        Ok(())
    }

    fn take_blocks(&mut self, now: Instant, blocks: impl Iterator<Item = ReportBlock>, own: Ssrc) {
        for block in blocks.filter(|block| block.ssrc == own) {
            self.remote = Some(RemoteReport {
                fraction_lost: block.fraction_lost,
                cumulative_lost: block.cumulative_lost,
                jitter: block.jitter,
            });
            if block.last_sender_report != 0 {
                // A - LSR - DLSR in 1/65536 s (RFC 3550 §6.4.1), modulo 2^32.
                let elapsed = self.ntp(now).middle().wrapping_sub(block.last_sender_report);
                let trip = elapsed.wrapping_sub(block.delay_since_last);
                let trip = Duration::from_nanos((u64::from(trip) * 1_000_000_000) >> 16);
                if trip <= Self::LONGEST_ROUND_TRIP {
                    self.round_trip = Some(trip);
                }
            }
        }
    }

    /// Writes the report that is due into `buffer` and sets the time of the next.
    pub fn report(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        sent: Sent,
        source: Option<(Ssrc, &mut Reception)>,
        cname: &str,
    ) -> usize {
        self.reported = true;
        let interval = self.interval();
        self.next_report = Some(now + interval);
        self.compound(now, buffer, sent, source, cname).length()
    }

    /// Writes the last report with a goodbye; nothing, when no report was ever sent nor any packet (RFC 3550 §6.3.7).
    pub fn leave(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        sent: Sent,
        source: Option<(Ssrc, &mut Reception)>,
        cname: &str,
    ) -> usize {
        if !self.reported && sent.packets == 0 {
            return 0;
        }
        self.compound(now, buffer, sent, source, cname).bye(sent.ssrc).length()
    }

    fn compound<'b>(
        &mut self,
        now: Instant,
        buffer: &'b mut [u8],
        sent: Sent,
        source: Option<(Ssrc, &mut Reception)>,
        cname: &str,
    ) -> CompoundWriter<'b> {
        let block = source.map(|(ssrc, reception)| {
            let loss = reception.interval_loss();
            let (last_sender_report, delay_since_last) = self.last_sender_report.map_or((0, 0), |(middle, at)| {
                let since = now.saturating_duration_since(at);
                (middle, ((since.as_nanos() << 16) / 1_000_000_000) as u32)
            });
            ReportBlock {
                ssrc,
                fraction_lost: loss.fraction,
                cumulative_lost: loss.cumulative,
                highest_sequence: reception.sequence().highest().wrapping_sub(1 << 16) as u32,
                jitter: reception.jitter(),
                last_sender_report,
                delay_since_last,
            }
        });
        let mut writer = CompoundWriter::new(buffer);
        // A sender is who sent since the last report or the one before it (RFC 3550 §6.4).
        if sent.packets > self.sent_at_reports[1] {
            let info = SenderInfo { ntp: self.ntp(now), ..sent.info };
            writer.sender_report(sent.ssrc, info, block);
        } else {
            writer.receiver_report(sent.ssrc, block);
        }
        self.sent_at_reports = [sent.packets, self.sent_at_reports[0]];
        writer.cname(sent.ssrc, cname);
        writer
    }

    /// What the far side last said of our packets.
    pub const fn remote(&self) -> Option<RemoteReport> {
        self.remote
    }

    /// The last round trip measured.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Goodbyes received. They end nothing: the signalling ends calls.
    pub const fn byes(&self) -> u64 {
        self.byes
    }

    /// A source that sends to us has been replaced: what we know of its reports goes with it.
    pub const fn forget_source(&mut self) {
        self.last_sender_report = None;
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        self.clock.wall_at(now).ntp()
    }

    fn interval(&mut self) -> Duration {
        let minimum = if self.reported { Self::MINIMUM_INTERVAL } else { Self::MINIMUM_INTERVAL / 2 };
        minimum.mul_f64((0.5 + self.rng.unit()) / Self::COMPENSATION)
    }
}

#[cfg(test)]
mod tests;
