use super::*;

struct Bench {
    latch: Latch,
    now: Instant,
}

const REAL: &str = "198.51.100.7:4000";
const FORGER: &str = "203.0.113.66:4000";
const NEGOTIATED: &str = "10.0.0.5:7000";

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn bench(negotiated: &str, symmetric: bool) -> Bench {
    Bench { latch: Latch::new(negotiated.parse().unwrap(), symmetric), now: Instant::now() }
}

impl Bench {
    fn from(&mut self, address: &str, ssrc: u32, sequence: u16) -> Verdict {
        self.latch.judge(self.now, address.parse().unwrap(), Ssrc(ssrc), SeqNo(sequence))
    }

    fn pass(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self
    }

    fn destination(&self) -> String {
        self.latch.destination().map(|a| a.to_string()).unwrap_or_default()
    }
}

#[test]
fn media_goes_to_the_negotiated_address_until_a_source_is_heard() {
    let mut bench = bench(NEGOTIATED, true);
    assert_eq!(bench.destination(), NEGOTIATED);
    assert_eq!(bench.from(REAL, 1, 1), Verdict::Latched);
    assert_eq!(bench.destination(), REAL);
}

#[test]
fn a_forger_changes_nothing_while_the_source_is_heard() {
    let mut bench = bench(NEGOTIATED, true);
    bench.from(REAL, 1, 1);
    for n in 2..1000 {
        bench.pass(10);
        assert_eq!(bench.from(FORGER, 1, n), Verdict::Refused, "with the SSRC and the numbers of the source");
        assert_eq!(bench.from(FORGER, 9, n), Verdict::Refused);
        bench.pass(10);
        assert_eq!(bench.from(REAL, 1, n), Verdict::Accepted);
    }
    assert_eq!(bench.destination(), REAL);
}

#[test]
fn after_silence_a_new_source_needs_evidence() {
    let mut bench = bench(NEGOTIATED, true);
    bench.from(REAL, 1, 1);
    bench.pass(499);
    assert_eq!(bench.from(FORGER, 9, 1), Verdict::Refused);
    bench.pass(300);
    assert_eq!(bench.from(FORGER, 9, 2), Verdict::Refused, "too far from the first to be a stream");
    assert_eq!(bench.pass(20).from(FORGER, 9, 4), Verdict::Refused, "not in sequence");
    assert_eq!(bench.pass(20).from(FORGER, 9, 5), Verdict::Refused);
    assert_eq!(bench.pass(20).from(FORGER, 9, 6), Verdict::Latched);
    assert_eq!(bench.from(REAL, 1, 2), Verdict::Refused, "the roles have changed");
}

#[test]
fn a_binding_that_moved_is_followed_at_once_after_silence() {
    let mut bench = bench(NEGOTIATED, true);
    bench.from(REAL, 1, 1);
    assert_eq!(bench.pass(100).from("198.51.100.7:4100", 1, 6), Verdict::Refused);
    assert_eq!(bench.pass(400).from("198.51.100.7:4100", 1, 26), Verdict::Latched);
}

#[test]
fn the_negotiated_address_regains_the_call_from_whoever_was_quicker() {
    let mut bench = bench(NEGOTIATED, true);
    bench.from(FORGER, 9, 1);
    for n in 0..2 {
        assert_eq!(bench.from(NEGOTIATED, 1, n), Verdict::Refused);
        assert_eq!(bench.from(FORGER, 9, 2 + n), Verdict::Accepted);
        bench.pass(20);
    }
    assert_eq!(bench.from(NEGOTIATED, 1, 2), Verdict::Latched);
    for n in 3..100 {
        bench.pass(20);
        assert_eq!(bench.from(NEGOTIATED, 1, n), Verdict::Accepted);
        assert_eq!(bench.from(FORGER, 9, n), Verdict::Refused);
    }
}

#[test]
fn strays_do_not_keep_a_better_source_from_proving_itself() {
    let mut bench = bench(NEGOTIATED, true);
    bench.from(FORGER, 9, 1);
    for n in 0..2 {
        assert_eq!(bench.from(NEGOTIATED, 1, n), Verdict::Refused);
        assert_eq!(bench.from("192.0.2.1:5", 8, n), Verdict::Refused);
        bench.pass(20);
    }
    assert_eq!(bench.from(NEGOTIATED, 1, 2), Verdict::Latched);
}

#[test]
fn a_new_ssrc_of_the_same_address_waits_for_the_old_one_to_fall_silent() {
    let mut bench = bench(REAL, true);
    bench.from(REAL, 1, 1);
    assert_eq!(bench.pass(59).from(REAL, 2, 500), Verdict::Refused);
    assert_eq!(bench.from(REAL, 1, 2), Verdict::Accepted);
    assert_eq!(bench.pass(60).from(REAL, 2, 501), Verdict::NewSsrc);
    assert_eq!(bench.pass(20).from(REAL, 1, 3), Verdict::Refused);
    bench.latch.renegotiate(bench.now, REAL.parse().unwrap(), true);
    assert_eq!(bench.pass(20).from(REAL, 3, 1), Verdict::NewSsrc, "a re-negotiation announces it");
    assert_eq!(bench.from(REAL, 4, 1), Verdict::Refused, "once");
}

#[test]
fn a_peer_that_moves_is_heard_at_its_old_place_until_it_speaks_from_the_new_one() {
    let mut bench = bench(REAL, true);
    bench.from(REAL, 1, 1);
    bench.latch.renegotiate(bench.now, "192.0.2.9:6000".parse().unwrap(), true);
    assert_eq!(bench.destination(), "192.0.2.9:6000");
    assert_eq!(bench.pass(20).from(REAL, 1, 2), Verdict::Accepted);
    assert_eq!(bench.destination(), "192.0.2.9:6000");
    assert_eq!(bench.pass(20).from(FORGER, 9, 2), Verdict::Refused);
    assert_eq!(bench.from("192.0.2.9:6000", 1, 3), Verdict::Latched);
    assert_eq!(bench.pass(20).from(REAL, 1, 4), Verdict::Refused);
}

#[test]
fn a_move_in_the_description_alone_is_forgotten() {
    let mut bench = bench("10.0.0.5:7000", true);
    bench.from(REAL, 1, 1);
    bench.latch.renegotiate(bench.now, "10.0.0.5:7002".parse().unwrap(), true);
    assert_eq!(bench.pass(499).from(REAL, 1, 26), Verdict::Accepted);
    assert_eq!(bench.destination(), "10.0.0.5:7002");
    assert_eq!(bench.pass(1).from(REAL, 1, 27), Verdict::Accepted);
    assert_eq!(bench.destination(), REAL);
}

#[test]
fn without_symmetry_only_the_negotiated_host_counts() {
    let mut bench = bench("192.0.2.9:6000", false);
    assert_eq!(bench.from(REAL, 1, 1), Verdict::Refused);
    assert_eq!(bench.from("192.0.2.9:6100", 1, 1), Verdict::Latched);
    assert_eq!(bench.destination(), "192.0.2.9:6000");
    assert_eq!(bench.from("192.0.2.9:6102", 1, 2), Verdict::Accepted);
    assert_eq!(bench.pass(5000).from(REAL, 1, 3), Verdict::Refused);
}

#[test]
fn nothing_is_sent_to_an_unspecified_address() {
    assert_eq!(bench("0.0.0.0:6000", true).latch.destination(), None);
    assert_eq!(bench("192.0.2.9:0", true).latch.destination(), None);
}
