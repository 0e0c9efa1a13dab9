//! PCM audio between the layers: its format, and one frame of it with its place in time.

use crate::codec::AudioCodec;

/// The format of linear audio: mono, 16-bit signed samples at `sample_rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// Samples per second, Hz.
    pub sample_rate: u32,
}

impl AudioFormat {
    /// 8 kHz: the telephone network.
    pub const NARROWBAND: Self = Self { sample_rate: 8000 };
    /// 16 kHz: wideband telephony and most speech models.
    pub const WIDEBAND: Self = Self { sample_rate: 16_000 };

    /// The format a codec decodes to.
    pub const fn of(codec: AudioCodec) -> Self {
        Self { sample_rate: codec.sample_rate() }
    }

    /// Samples in `ms` milliseconds.
    pub const fn samples_in(self, ms: u32) -> usize {
        (self.sample_rate as u64 * ms as u64 / 1000) as usize
    }
}

/// Consecutive samples of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFrame {
    /// Format of the samples.
    pub format: AudioFormat,
    /// Index of the first sample since the stream began, in samples of `format`: gaps are visible as jumps.
    pub start: u64,
    /// The samples.
    pub samples: Vec<i16>,
}
