//! Against the decision and output values of ITU-T G.711, tables 1 and 2, rebuilt here from their segment end points.

use super::*;

/// Decision values x(n) of the positive half in 16-bit units: code number n covers x(n) up to x(n+1).
fn decisions(law: Law) -> Vec<i32> {
    match law {
        // G.711 table 1a: 32 steps of 2, then segments of 16 with the step doubling, in units of 1/4096; 16 bits: * 8.
        Law::A => {
            let mut values: Vec<i32> = (0..=32).map(|n| n * 2).collect();
            for segment in 1..7 {
                let start = 32 << segment;
                values.extend((1..=16).map(|n| start + n * (4 << (segment - 1))));
            }
            values.into_iter().map(|v| v * 8).collect()
        }
        // G.711 table 2a: 0, 1, 3, .. 31, then segments of 16 with the step doubling, in units of 1/8159; 16 bits: * 4.
        Law::Mu => {
            let mut values = vec![0, 1];
            let mut step = 2;
            values.extend((1..16).map(|n| 1 + n * 2));
            for _ in 1..8 {
                step *= 2;
                let start = *values.last().unwrap();
                values.extend((1..=16).map(|n| start + n * step));
            }
            values.into_iter().map(|v| v * 4).collect()
        }
    }
}

/// The code of positive number n as sent on the line.
fn positive_code(law: Law, number: usize) -> u8 {
    match law {
        Law::A => (number as u8 | 0x80) ^ 0x55,
        Law::Mu => !(number as u8),
    }
}

#[test]
fn every_sample_is_encoded_between_its_decision_values() {
    for law in [Law::A, Law::Mu] {
        let decisions = decisions(law);
        assert_eq!(decisions.len(), 129, "{law:?}");
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(if sample < 0 { !sample } else { sample });
            let number = (decisions.partition_point(|x| *x <= magnitude) - 1).min(127);
            let sign = if sample < 0 { 0x80 } else { 0 };
            assert_eq!(law.encode(sample), positive_code(law, number) ^ sign, "{law:?} {sample}");
        }
    }
}

#[test]
fn every_code_decodes_to_the_middle_of_its_decision_values() {
    for law in [Law::A, Law::Mu] {
        let decisions = decisions(law);
        for number in 0..128 {
            let middle = match (law, number) {
                // G.711 table 2a: the first output value is 0, not the middle of 0 and 1.
                (Law::Mu, 0) => 0,
                (Law::A | Law::Mu, n) => (decisions[n] + decisions[n + 1]) / 2,
            };
            let code = positive_code(law, number);
            assert_eq!(i32::from(law.decode(code)), middle, "{law:?} {number}");
            assert_eq!(i32::from(law.decode(code ^ 0x80)), -middle, "{law:?} -{number}");
        }
    }
}

#[test]
fn every_code_survives_decoding_and_encoding() {
    for code in 0..=255 {
        assert_eq!(Law::A.encode(Law::A.decode(code)), code);
        // Negative zero of µ-law decodes to 0, which encodes as positive zero.
        let expected = if code == 0x7F { 0xFF } else { code };
        assert_eq!(Law::Mu.encode(Law::Mu.decode(code)), expected);
    }
}

#[test]
fn silence_is_positive_zero_in_either_law() {
    assert_eq!((Law::A.silence(), Law::A.decode(0xD5)), (0xD5, 8));
    assert_eq!((Law::Mu.silence(), Law::Mu.decode(0xFF)), (0xFF, 0));
    let mut silence = [0xD5];
    Law::A.convert_to_other(&mut silence);
    assert_eq!(silence, [0xFE], "A-law's least value is µ-law's number 1, not 0 (G.711 table 4)");
    let mut silence = [0xFF];
    Law::Mu.convert_to_other(&mut silence);
    assert_eq!(silence, [0xD5]);
}

#[test]
fn conversion_keeps_the_sign_never_turns_round_and_stays_within_a_step() {
    for law in [Law::A, Law::Mu] {
        let mut before = i16::MIN;
        let mut codes: Vec<u8> = (0..128).map(|n| positive_code(law, n)).collect();
        codes.sort_by_key(|code| law.decode(*code));
        for code in codes {
            let mut converted = [code, code ^ 0x80];
            law.convert_to_other(&mut converted);
            let there = law.other().decode(converted[0]);
            assert_eq!(converted[0] ^ 0x80, converted[1], "both halves are alike");
            assert!(there >= before, "monotonic");
            before = there;
            let (here, there) = (i32::from(law.decode(code)), i32::from(there));
            // The step of either law at this level is below 1/16 of the value plus the least step.
            assert!((here - there).abs() <= here / 16 + 16, "{law:?} {here} {there}");
        }
    }
}

#[test]
fn conversion_there_and_back_settles_after_the_first_time() {
    for law in [Law::A, Law::Mu] {
        for code in 0..=255_u8 {
            let mut once = [code];
            law.convert_to_other(&mut once);
            let mut thrice = once;
            law.other().convert_to_other(&mut thrice);
            law.convert_to_other(&mut thrice);
            assert_eq!(once, thrice, "{law:?} {code:#x}: further conversions add nothing");
        }
    }
}

#[test]
fn the_conversion_tables_have_the_entries_of_g_711() {
    // Spot values of G.711 tables 3 and 4 as published, numbers counted from 1 there and from 0 here.
    assert_eq!(
        [0, 1, 15, 16, 32, 33, 36, 48, 64, 80, 81, 127].map(|n| MU_TO_A_NUMBERS[n] + 1),
        [1, 1, 8, 9, 25, 27, 33, 46, 64, 80, 82, 128]
    );
    assert_eq!(
        [0, 7, 8, 24, 31, 44, 47, 63, 78, 79, 80, 127].map(|n| A_TO_MU_NUMBERS[n]),
        [1, 15, 16, 32, 35, 48, 49, 64, 79, 80, 80, 127]
    );
}
