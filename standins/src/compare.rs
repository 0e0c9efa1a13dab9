//! What was heard against what was sent: bit by bit, and in time.

use crate::rtp::{Arrival, Carried, Departure};
use crate::speech::{self, FRAME};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};
use voip_core::codec::AudioCodec;

/// What became of one direction's speech.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was found.
    pub finding: Finding,
    /// Samples of the speech that was sent.
    pub samples: usize,
    /// Codes outside the speech that are not silence.
    pub noise: usize,
    /// Packets received, audio only.
    pub packets: usize,
    /// Packets that sequence numbers say are missing.
    pub lost: usize,
    /// Packets that came twice.
    pub duplicated: usize,
    /// Sources (SSRCs) heard.
    pub sources: usize,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1), ms.
    pub jitter_ms: f64,
    /// The largest gap between two packets of any kind, ms.
    pub largest_gap_ms: f64,
    /// From sending a packet of speech to receiving it, ms; `None` when none was found.
    pub delay: Option<Delay>,
}

/// Whether the speech arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Every code of it, in order, without a gap.
    BitExact,
    /// Part of it, as told.
    Different {
        /// Packets of it of which no sample came.
        missing_packets: usize,
        /// Samples that differ, without those of missing packets.
        different_samples: usize,
        /// The first sample that is missing or differs.
        first: usize,
    },
    /// Nothing that resembles it.
    NotHeard,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BitExact => f.write_str("bit-exact"),
            Self::Different { missing_packets, different_samples, first } => write!(
                f,
                "different: {missing_packets} packets missing, {different_samples} samples changed, first at sample \
                 {first} ({:.2} s)",
                *first as f64 / 8000.0
            ),
            Self::NotHeard => f.write_str("not heard at all"),
        }
    }
}

/// A distribution of delays, ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// The middle one.
    pub median: f64,
    /// 95 of 100 are not above it.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

/// Compares. `speech` is what should be heard, in the law of `codec`; `sent` tells when its packets left; `heard` is all
/// that came, of which only packets of `payload_type` count.
pub fn compare(
    speech: &[u8],
    sent: &[Departure],
    heard: &[Arrival],
    codec: AudioCodec,
    payload_type: u8,
) -> Comparison {
    let audio: Vec<&Arrival> = heard.iter().filter(|a| a.payload_type == payload_type).collect();
    let line = Line::of(&audio);
    let packets = speech.len() / FRAME;
    let (finding, offset) = match line.find(speech) {
        None => (Finding::NotHeard, None),
        Some(offset) => (line.difference(speech, offset), Some(offset)),
    };
    let inside = |at: usize| offset.is_some_and(|o| (o..o + speech.len() as i64).contains(&(at as i64)));
    let outside = line.codes.iter().enumerate().filter(|(at, _)| !inside(*at)).filter_map(|(_, c)| c.as_ref());
    let noise = outside.filter(|(code, _)| !speech::is_silence(codec, *code)).count();

    let mut delays = Vec::with_capacity(packets);
    if let Some(offset) = offset {
        for departure in sent {
            let Carried::Speech(index) = departure.carried else { continue };
            let at = usize::try_from(offset + (index * FRAME) as i64).ok();
            if let Some((_, arrived)) = at.and_then(|at| *line.codes.get(at)?) {
                delays.push(arrived.saturating_duration_since(departure.at).as_secs_f64() * 1000.0);
            }
        }
    }
    let gaps = heard.windows(2).map(|w| w[1].at.saturating_duration_since(w[0].at));
    let (lost, duplicated, sources) = sequence_losses(heard);
    Comparison {
        finding,
        samples: speech.len(),
        noise,
        packets: audio.len(),
        lost,
        duplicated,
        sources,
        jitter_ms: jitter(&audio),
        largest_gap_ms: gaps.max().unwrap_or(Duration::ZERO).as_secs_f64() * 1000.0,
        delay: distribution(delays),
    }
}

impl Comparison {
    /// Whether the speech came through whole and unchanged, with nothing beside it and nothing lost.
    pub fn is_perfect(&self) -> bool {
        self.finding == Finding::BitExact && self.noise == 0 && self.lost == 0 && self.duplicated == 0
    }
}

/// All audio that came, in the order of its sequence numbers, without holes where nothing was sent.
pub fn codes(heard: &[Arrival], payload_type: u8, codec: AudioCodec) -> Vec<u8> {
    let audio: Vec<&Arrival> = heard.iter().filter(|a| a.payload_type == payload_type).collect();
    Line::of(&audio).codes.iter().map(|c| c.map_or(speech::silence(codec), |(code, _)| code)).collect()
}

/// Audio on a line of samples by RTP timestamp: `None` where nothing came. Sources follow one another.
struct Line {
    codes: Vec<Option<(u8, Instant)>>,
}

impl Line {
    /// The longest pause between two packets that is laid out as such, samples: a minute. What jumps further, or back,
    /// continues where the packet before ended.
    const LONGEST_PAUSE: i64 = 60 * 8000;

    fn of(audio: &[&Arrival]) -> Self {
        let mut codes: Vec<Option<(u8, Instant)>> = Vec::new();
        // (SSRC, timestamp, position) of the latest packet of the source.
        let mut latest: Option<(u32, u32, usize)> = None;
        for packet in audio {
            let at = match latest {
                Some((ssrc, timestamp, position)) if ssrc == packet.ssrc => {
                    let step = i64::from(packet.timestamp.wrapping_sub(timestamp) as i32);
                    let at = position as i64 + step;
                    if step.abs() > Self::LONGEST_PAUSE || at < 0 { codes.len() } else { at as usize }
                }
                _ => codes.len(),
            };
            let end = at + packet.payload.len();
            if codes.len() < end {
                codes.resize(end, None);
            }
            for (slot, code) in codes[at..end].iter_mut().zip(&packet.payload) {
                *slot = slot.or(Some((*code, packet.at)));
            }
            if latest.is_none_or(|(ssrc, _, position)| ssrc != packet.ssrc || at >= position) {
                latest = Some((packet.ssrc, packet.timestamp, at));
            }
        }
        Self { codes }
    }

    /// Where the speech begins on the line: the place that most of its packets vote for.
    fn find(&self, speech: &[u8]) -> Option<i64> {
        // A packet is known by its first 32 codes where these are not all the same; votes go to the place of the
        // speech's first sample.
        const KEY: usize = 32;
        let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (index, packet) in speech.as_chunks::<FRAME>().0.iter().enumerate() {
            let key = &packet[..KEY];
            if key.iter().any(|c| *c != key[0]) {
                places.entry(key).or_default().push(index);
            }
        }
        let plain: Vec<u8> = self.codes.iter().map(|c| c.map_or(0, |(code, _)| code)).collect();
        let mut votes: BTreeMap<i64, usize> = BTreeMap::new();
        for (at, window) in plain.windows(KEY).enumerate() {
            for index in places.get(window).into_iter().flatten() {
                *votes.entry(at as i64 - (index * FRAME) as i64).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map(|(offset, _)| offset)
    }

    fn difference(&self, speech: &[u8], offset: i64) -> Finding {
        let heard = |sample: usize| {
            let at = usize::try_from(offset + sample as i64).ok()?;
            self.codes.get(at).copied().flatten().map(|(code, _)| code)
        };
        let (mut missing_packets, mut different_samples, mut first) = (0, 0, None);
        for (index, packet) in speech.as_chunks::<FRAME>().0.iter().enumerate() {
            let start = index * FRAME;
            let wrong: Vec<usize> = (0..FRAME).filter(|i| heard(start + i) != Some(packet[*i])).collect();
            if let Some(at) = wrong.first() {
                first.get_or_insert(start + at);
            }
            if (0..FRAME).all(|i| heard(start + i).is_none()) {
                missing_packets += 1;
            } else {
                different_samples += wrong.len();
            }
        }
        match first {
            None => Finding::BitExact,
            Some(first) => Finding::Different { missing_packets, different_samples, first },
        }
    }
}

/// Lost packets, duplicates and sources, by sequence numbers of all payload types.
fn sequence_losses(heard: &[Arrival]) -> (usize, usize, usize) {
    // Extended sequence numbers seen, by source.
    let mut sources: BTreeMap<u32, (i64, BTreeMap<i64, usize>)> = BTreeMap::new();
    for packet in heard {
        let (highest, seen) =
            sources.entry(packet.ssrc).or_insert_with(|| (i64::from(packet.sequence), BTreeMap::new()));
        let extended = *highest + i64::from(packet.sequence.wrapping_sub(*highest as u16) as i16);
        *highest = extended.max(*highest);
        *seen.entry(extended).or_default() += 1;
    }
    let (mut lost, mut duplicated) = (0, 0);
    for (_, seen) in sources.values() {
        if let (Some((first, _)), Some((last, _))) = (seen.first_key_value(), seen.last_key_value()) {
            lost += (last - first + 1) as usize - seen.len();
        }
        duplicated += seen.values().map(|count| count - 1).sum::<usize>();
    }
    (lost, duplicated, sources.len())
}

/// What a report block tells of the latest source: SSRC, highest extended sequence number, packets lost, and jitter in
/// timestamp units (RFC 3550 §6.4.1).
pub(crate) fn reception(heard: &[Arrival]) -> Option<(u32, u32, u32, u32)> {
    let ssrc = heard.last()?.ssrc;
    let source: Vec<&Arrival> = heard.iter().filter(|a| a.ssrc == ssrc).collect();
    let first = i64::from(source.first()?.sequence);
    let highest = source.iter().fold(first, |highest, packet| {
        let step = packet.sequence.wrapping_sub(highest as u16) as i16;
        highest.max(highest + i64::from(step))
    });
    let lost = (highest - first + 1 - source.len() as i64).max(0) as u32;
    Some((ssrc, highest as u32, lost, (jitter(&source) * 8.0) as u32))
}

fn jitter(audio: &[&Arrival]) -> f64 {
    let mut jitter = 0.0;
    for pair in audio.windows(2).filter(|w| w[0].ssrc == w[1].ssrc) {
        let apart = pair[1].at.saturating_duration_since(pair[0].at).as_secs_f64() * 1000.0;
        let stamped = f64::from(pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32) / 8.0;
        jitter += ((apart - stamped).abs() - jitter) / 16.0;
    }
    jitter
}

fn distribution(mut delays: Vec<f64>) -> Option<Delay> {
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share).round() as usize];
    (!delays.is_empty()).then(|| Delay { median: at(0.5), p95: at(0.95), max: at(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::ALAW_SILENCE;

    struct Heard {
        start: Instant,
        packets: Vec<Arrival>,
    }

    /// The caller's speech as it would arrive 3 ms after it was sent, ten packets of silence before it.
    fn perfect() -> (Vec<u8>, Vec<Departure>, Heard) {
        let speech = speech::caller();
        let start = Instant::now();
        let all: Vec<u8> = [vec![ALAW_SILENCE; FRAME * 10], speech.clone()].concat();
        let at = |i: usize| start + Duration::from_millis(20 * i as u64);
        let sent = (0..speech.len() / FRAME)
            .map(|i| Departure { at: at(i + 10), sequence: i as u16, carried: Carried::Speech(i) })
            .collect();
        let packets = all.as_chunks::<FRAME>().0.iter().enumerate();
        let packets = packets.map(|(i, payload)| Arrival {
            at: at(i) + Duration::from_millis(3),
            from: "127.0.0.1:9".parse().unwrap(),
            payload_type: 8,
            marker: i == 0,
            sequence: 65_530_u16.wrapping_add(i as u16),
            timestamp: (u32::MAX - 500).wrapping_add(160 * i as u32),
            ssrc: 7,
            payload: payload.to_vec(),
        });
        (speech, sent, Heard { start, packets: packets.collect() })
    }

    fn run(speech: &[u8], sent: &[Departure], heard: &Heard) -> Comparison {
        compare(speech, sent, &heard.packets, AudioCodec::Pcma, 8)
    }

    #[test]
    fn what_came_whole_is_bit_exact_with_its_delay() {
        let (speech, sent, heard) = perfect();
        let c = run(&speech, &sent, &heard);
        assert!(c.is_perfect(), "{c:?}");
        let delay = c.delay.unwrap();
        assert!((delay.median - 3.0).abs() < 1e-6 && (delay.max - 3.0).abs() < 1e-6, "{delay:?}");
        assert!(c.jitter_ms < 1e-6 && c.sources == 1);
    }

    #[test]
    fn order_and_duplicates_do_not_change_what_was_heard() {
        let (speech, sent, mut heard) = perfect();
        heard.packets.swap(50, 51);
        let again = heard.packets[60].clone();
        heard.packets.insert(61, again);
        let c = run(&speech, &sent, &heard);
        assert_eq!((c.finding, c.lost, c.duplicated), (Finding::BitExact, 0, 1));
    }

    #[test]
    fn a_lost_packet_and_a_changed_sample_are_told_exactly() {
        let (speech, sent, mut heard) = perfect();
        heard.packets[100].payload[5] ^= 1;
        heard.packets.remove(40);
        let c = run(&speech, &sent, &heard);
        let finding = Finding::Different { missing_packets: 1, different_samples: 1, first: 30 * FRAME };
        assert_eq!((c.finding, c.lost), (finding, 1));
        assert!(heard.start <= heard.packets[0].at);
    }

    #[test]
    fn other_speech_is_not_heard_and_is_noise() {
        let (_, sent, heard) = perfect();
        let c = run(&speech::agent(), &sent, &heard);
        assert_ne!(c.finding, Finding::BitExact);
        assert!(c.noise > 1000 && !c.is_perfect());
        assert_eq!(run(&speech::agent(), &sent, &Heard { packets: Vec::new(), ..heard }).finding, Finding::NotHeard);
    }
}
