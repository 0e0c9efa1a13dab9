use super::*;
use proptest::prelude::{prop, prop_assert, proptest};
use voip_core::rng::Rng;

const STEP: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn outgoing() -> (Outgoing, Instant) {
    (Outgoing::new(&mut Rng::from_number(3)), Instant::now())
}

fn audio(stream: u64, n: u64) -> Passed {
    Passed {
        stream,
        extended: 70_000 + n,
        timestamp: RtpTime(u32::MAX - 200).plus(n as u32 * 160),
        marker: false,
        duration: 160,
        is_event: false,
        clock_rate: 8000,
    }
}

#[test]
fn a_stream_keeps_its_gaps_and_its_order() {
    let (mut out, now) = outgoing();
    let first = out.pass(now, audio(1, 0)).unwrap();
    assert!(first.marker, "the first packet after silence");
    let places: Vec<_> = [1, 4, 3, 5].map(|n| out.pass(now + STEP * n as u32, audio(1, n)).unwrap()).into();
    for (place, n) in places.iter().zip([1_u16, 4, 3, 5]) {
        assert_eq!(place.sequence.0, first.sequence.0.wrapping_add(n));
        assert_eq!(place.timestamp.since(first.timestamp), i32::from(n) * 160);
        assert!(!place.marker);
    }
}

#[test]
fn another_stream_goes_on_where_the_one_before_ended() {
    let (mut out, now) = outgoing();
    let last = (0..10).map(|n| out.pass(now + STEP * n as u32, audio(1, n)).unwrap()).last().unwrap();
    // 60 ms after the last packet: two packets' time has passed unused.
    let place = out.pass(now + STEP * 9 + STEP * 3, audio(2, 5000)).unwrap();
    assert_eq!(place.sequence.0, last.sequence.0.wrapping_add(1));
    assert_eq!(place.timestamp.since(last.timestamp), 480);
    assert!(place.marker);
}

#[test]
fn silence_takes_the_place_of_the_stream_and_the_stream_takes_it_back_on_its_own_clock() {
    let (mut out, now) = outgoing();
    let mut last = out.pass(now, audio(1, 0)).unwrap();
    let begin = last;
    for n in 1..=5 {
        let place = out.fill(now + STEP * 5 + STEP * n, 160);
        assert_eq!(place.sequence.0, last.sequence.0.wrapping_add(1));
        assert_eq!(place.timestamp.since(begin.timestamp), 160 * (5 + n as i32));
        assert!(!place.marker);
        last = place;
    }
    // The source's packet 11 comes 7 ms late: its own clock says exactly where it belongs.
    let place = out.pass(now + STEP * 11 + Duration::from_millis(7), audio(1, 11)).unwrap();
    assert_eq!(place.sequence.0, last.sequence.0.wrapping_add(1));
    assert_eq!(place.timestamp.since(begin.timestamp), 160 * 11);
    assert!(place.marker);
    assert_eq!(out.pass(now + STEP * 12, audio(1, 3)), None, "its place was taken by silence");
}

#[test]
fn what_silence_has_covered_is_not_covered_again() {
    let (mut out, now) = outgoing();
    let begin = out.pass(now, audio(1, 0)).unwrap();
    let last = (5..=10).map(|n| out.fill(now + STEP * n, 160)).last().unwrap();
    // A stalled network delivers packets 1 to 10 at once: all are passed on, none before the silence.
    let mut before = last.timestamp;
    for n in 1..=10 {
        let place = out.pass(now + STEP * 10, audio(1, n)).unwrap();
        assert_eq!(place.timestamp.since(before), 160);
        before = place.timestamp;
    }
    assert!(before.since(begin.timestamp) > 0);
}

#[test]
fn stalls_do_not_push_the_call_ever_further_behind() {
    let (mut out, start) = outgoing();
    let begin = out.pass(start, audio(1, 0)).unwrap();
    let mut now = start;
    let mut n = 0;
    for _ in 0..50 {
        // 20 packets come as they should, 20 are held up and come at once while silence is sent from 100 ms on.
        for _ in 0..20 {
            (now, n) = (now + STEP, n + 1);
            out.pass(now, audio(1, n));
        }
        for _ in 5..20 {
            out.fill(now + STEP * 5, 160);
            now += STEP;
        }
        now += STEP * 5;
        for _ in 0..20 {
            n += 1;
            out.pass(now, audio(1, n));
        }
        assert!(now - start == STEP * n as u32);
        let behind = out.media_time(now).since(begin.timestamp) - n as i32 * 160;
        assert!((0..=1600 + 160).contains(&behind), "{behind} units behind after {n} packets");
    }
    // A pause takes the delay back.
    out.fill(now + STEP * 12, 160);
    let resumed = out.pass(now + STEP * 20, audio(1, n + 20)).unwrap();
    assert_eq!(resumed.timestamp.since(begin.timestamp), (n as i32 + 20) * 160);
}

#[test]
fn packets_left_out_leave_no_gap_and_losses_do() {
    let (mut out, now) = outgoing();
    let first = out.pass(now, audio(1, 0)).unwrap();
    out.skip(1, 70_001);
    out.skip(1, 70_002);
    let third = out.pass(now + STEP * 3, audio(1, 3)).unwrap();
    assert_eq!(third.sequence.0, first.sequence.0.wrapping_add(1));
    assert_eq!(out.pass(now + STEP * 3, audio(1, 1)), None);
    // 4 is lost, 5 is left out: one gap.
    out.skip(1, 70_005);
    let sixth = out.pass(now + STEP * 6, audio(1, 6)).unwrap();
    assert_eq!(sixth.sequence.0, third.sequence.0.wrapping_add(2));
}

#[test]
fn an_event_keeps_its_timestamp_relative_to_the_audio() {
    let (mut out, now) = outgoing();
    let first = out.pass(now, audio(1, 0)).unwrap();
    for n in 1..6 {
        let event = Passed {
            timestamp: audio(1, 1).timestamp,
            duration: n as u32 * 160,
            is_event: true,
            marker: n == 1,
            ..audio(1, n)
        };
        let place = out.pass(now + STEP * n as u32, event).unwrap();
        assert_eq!(place.timestamp.since(first.timestamp), 160);
        assert_eq!(place.marker, n == 1);
    }
    assert_eq!(out.pass(now + STEP * 6, audio(1, 6)).unwrap().timestamp.since(first.timestamp), 960);
}

#[test]
fn a_jump_of_the_source_clock_is_not_passed_on() {
    let (mut out, now) = outgoing();
    out.pass(now, audio(1, 0)).unwrap();
    let last = out.pass(now + STEP, audio(1, 1)).unwrap();
    for offset in [0x7000_0000_u32, 0x9000_0000] {
        let mut jumped = audio(1, 2 + u64::from(offset >> 31));
        jumped.timestamp = jumped.timestamp.plus(offset);
        let place = out.pass(now + STEP * (2 + (offset >> 31)), jumped).unwrap();
        assert_eq!(place.timestamp.since(last.timestamp), 160 * (1 + (offset >> 31) as i32));
        assert!(place.marker);
    }
}

#[test]
fn media_time_follows_a_drifting_source_without_its_jitter() {
    let (mut out, now) = outgoing();
    let mut rng = Rng::from_number(1);
    let first = out.pass(now, audio(1, 0)).unwrap();
    for n in 1..30_000_u64 {
        // 200 ppm fast, 20 ms of jitter.
        let at = now + Duration::from_nanos(n * 19_996_000) + rng.duration(Duration::ZERO, STEP);
        out.pass(at, audio(1, n)).unwrap();
    }
    let at = now + Duration::from_nanos(29_999 * 19_996_000) + STEP / 2;
    let error = out.media_time(at).since(first.timestamp) - 29_999 * 160;
    assert!(error.abs() < 60, "{error} units");
}

proptest! {
    /// Whatever is sent in whatever order of streams, sequence numbers of new packets go up by the stream's own steps,
    /// never repeat, and timestamps of new audio never go back.
    #[test]
    fn numbers_are_continuous_whatever_happens(steps in prop::collection::vec((0_u8..4, 1_u64..5, 0_u64..200), 1..200)) {
        let (mut out, mut now) = outgoing();
        let mut at = [0_u64; 3];
        let (mut sequence, mut time) = (None::<u16>, None::<RtpTime>);
        for (kind, advance, ms) in steps {
            now += Duration::from_millis(ms);
            let place = match kind {
                3 => out.fill(now, 160),
                stream => {
                    at[usize::from(stream)] += advance;
                    let Some(place) = out.pass(now, audio(u64::from(stream), at[usize::from(stream)])) else { continue };
                    place
                }
            };
            if let Some(before) = sequence.replace(place.sequence.0) {
                let step = place.sequence.0.wrapping_sub(before);
                prop_assert!((1..=4).contains(&step), "{step}");
            }
            if let Some(before) = time.replace(place.timestamp) {
                prop_assert!(place.timestamp.since(before) >= 160 , "{}", place.timestamp.since(before));
            }
        }
    }
}
