//! A level in dB as a bar of text.

/// Characters of a full bar.
const WIDTH: usize = 20;
/// What an empty bar stands for, dB below full scale.
const FLOOR: f32 = -40.0;

/// A bar for a peak in dB below full scale; `None` is silence.
pub(super) fn bar(level: Option<f32>) -> String {
    let share = level.map_or(0.0, |db| ((db - FLOOR) / -FLOOR).clamp(0.05, 1.0));
    let filled = (share * WIDTH as f32).round() as usize;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(WIDTH - filled))
}
