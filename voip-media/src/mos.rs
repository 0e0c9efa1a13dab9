//! The E-model (ITU-T G.107): a transmission rating R and a mean opinion score from loss, delay and codec.
//!
//! All parameters that the network does not show (noise, loudness, echo, side tone) have G.107's defaults, with which R
//! is 93.2 before delay and loss are taken off. Loss counts as random (BurstR = 1).

use std::time::Duration;
use voip_core::codec::AudioCodec;

/// What the network does to one direction of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairments {
    /// Fraction of packets lost, 0 to 1.
    pub loss: f32,
    /// Delay from mouth to ear.
    pub delay: Duration,
    /// The codec, which says how much loss hurts.
    pub codec: AudioCodec,
}

impl Impairments {
    /// The transmission rating R (G.107 §7.1): 93.2 undisturbed, 50 barely usable. `None`: no planning values are known
    /// for the codec on this scale.
    pub fn rating(&self) -> Option<f32> {
        let (equipment, robustness) = planning_values(self.codec)?;
        let loss = (self.loss * 100.0).clamp(0.0, 100.0);
        // Ie-eff, G.107 §7.5.
        let effective = equipment + (95.0 - equipment) * loss / (loss + robustness);
        Some(93.2 - delay_impairment(self.delay) - effective)
    }

    /// The mean opinion score, 1 to 4.5 (G.107 Annex B).
    pub fn mos(&self) -> Option<f32> {
        let r = self.rating()?;
        Some(match r {
            r if r <= 0.0 => 1.0,
            r if r >= 100.0 => 4.5,
            r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
        })
    }
}

/// Equipment impairment Ie and packet-loss robustness Bpl (ITU-T G.113 Appendix I).
const fn planning_values(codec: AudioCodec) -> Option<(f32, f32)> {
    match codec {
        // G.711 with the concealment of its Appendix I, as phones and agents have it.
        AudioCodec::Pcmu | AudioCodec::Pcma | AudioCodec::L16 => Some((0.0, 25.1)),
        AudioCodec::G722 | AudioCodec::Opus => None,
    }
}

/// Idd, G.107 §7.4: nothing up to 100 ms, steep from 150 ms on.
fn delay_impairment(delay: Duration) -> f32 {
    let milliseconds = delay.as_secs_f32() * 1000.0;
    if milliseconds <= 100.0 {
        return 0.0;
    }
    let x = (milliseconds / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn impairments(loss: f32, delay_ms: u64) -> Impairments {
        Impairments { loss, delay: Duration::from_millis(delay_ms), codec: AudioCodec::Pcma }
    }

    #[track_caller]
    fn assert_near(value: Option<f32>, expected: f32, tolerance: f32) {
        let value = value.unwrap();
        assert!((value - expected).abs() < tolerance, "{value} is not {expected}");
    }

    #[test]
    fn an_undisturbed_call_rates_93_and_scores_4_4() {
        assert_near(impairments(0.0, 50).rating(), 93.2, 0.01);
        assert_near(impairments(0.0, 50).mos(), 4.41, 0.01);
    }

    #[test]
    fn loss_and_delay_take_off_what_g_107_says() {
        // 5 %: 95 * 5 / (5 + 25.1) = 15.78.
        assert_near(impairments(0.05, 50).rating(), 77.42, 0.01);
        // 400 ms: X = 2, 25 * (65^(1/6) - 3 * (1 + 64/729)^(1/6) + 2) = 25 * (2.00519 - 3.04241 + 2) = 24.07.
        assert_near(impairments(0.0, 400).rating(), 69.13, 0.05);
        assert_near(impairments(1.0, 400).mos(), 1.0, 0.1);
    }

    #[test]
    fn scores_stay_on_the_scale_and_unknown_codecs_have_none() {
        for loss in [0.0, 0.3, 1.0, 7.0] {
            for delay in [0, 200, 10_000] {
                assert!((1.0..=4.5).contains(&impairments(loss, delay).mos().unwrap()));
            }
        }
        assert_eq!(Impairments { codec: AudioCodec::Opus, ..impairments(0.0, 0) }.mos(), None);
    }
}
