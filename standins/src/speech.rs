//! The recordings that the stand-ins play, G.711 to linear samples and back (ITU-T G.711), and WAV files.
//!
//! Decoding is plain arithmetic, written a second time. From one law to the other G.711 has tables, which are not the
//! nearest levels everywhere: those are taken from `voip-media`.

use std::io;
use std::path::Path;
use voip_core::codec::AudioCodec;
use voip_media::codec::g711::Law;

/// A-law silence: the code of the smallest positive level, even bits inverted.
pub const ALAW_SILENCE: u8 = 0xd5;
/// µ-law silence: positive zero.
pub const ULAW_SILENCE: u8 = 0xff;

/// Bytes of G.711 in a packet of 20 ms.
pub const FRAME: usize = 160;

const CALLER: &[u8] = include_bytes!("../speech/caller.wav");
const AGENT: &[u8] = include_bytes!("../speech/agent.wav");

/// What the caller says, A-law.
pub fn caller() -> Vec<u8> {
    recording(CALLER)
}

/// What the agent says, A-law.
pub fn agent() -> Vec<u8> {
    recording(AGENT)
}

/// A recording in the law of `codec`: A-law as it is, µ-law converted from it.
pub fn in_law(alaw: &[u8], codec: AudioCodec) -> Vec<u8> {
    between(alaw, AudioCodec::Pcma, codec)
}

/// Codes of one law in another, as a gateway between the two has to convert them (G.711 tables 3 and 4).
pub fn between(codes: &[u8], from: AudioCodec, to: AudioCodec) -> Vec<u8> {
    let mut codes = codes.to_vec();
    match (from, to) {
        (AudioCodec::Pcma, AudioCodec::Pcmu) => Law::A.convert_to_other(&mut codes),
        (AudioCodec::Pcmu, AudioCodec::Pcma) => Law::Mu.convert_to_other(&mut codes),
        _ => {}
    }
    codes
}

/// Silence in the law of `codec`.
pub fn silence(codec: AudioCodec) -> u8 {
    if codec == AudioCodec::Pcmu { ULAW_SILENCE } else { ALAW_SILENCE }
}

/// Whether a code of `codec` is at most the smallest level of A-law, which either law can stand for silence with.
pub fn is_silence(codec: AudioCodec, code: u8) -> bool {
    to_linear(codec, code).abs() <= 8
}

/// One code as a linear sample of 16 bits.
pub fn to_linear(codec: AudioCodec, code: u8) -> i16 {
    if codec == AudioCodec::Pcmu { ulaw_to_linear(code) } else { alaw_to_linear(code) }
}

/// An A-law code as a linear sample of 16 bits (13 bits, shifted up by 3).
pub fn alaw_to_linear(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = (i16::from((code >> 4) & 7), i16::from(code & 15));
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// A µ-law code as a linear sample of 16 bits (14 bits, shifted up by 2).
pub fn ulaw_to_linear(code: u8) -> i16 {
    let code = !code;
    let (segment, step) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = (((step << 3) + 0x84) << segment) - 0x84;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

/// Writes G.711 codes as a WAV file of linear samples, 8 kHz, mono, 16 bits.
pub fn write_wav(path: &Path, codec: AudioCodec, codes: &[u8]) -> io::Result<()> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let to_io = |error: hound::Error| io::Error::other(error);
    let mut writer = hound::WavWriter::create(path, spec).map_err(to_io)?;
    for code in codes {
        writer.write_sample(to_linear(codec, *code)).map_err(to_io)?;
    }
    writer.finalize().map_err(to_io)
}

/// The `data` chunk of an A-law WAV file, padded with silence to whole packets.
fn recording(wav: &[u8]) -> Vec<u8> {
    let mut rest = wav.get(12..).unwrap_or_default();
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let length = length.min(tail.len());
        if &head[..4] == b"data" {
            let mut codes = tail[..length].to_vec();
            codes.resize(codes.len().next_multiple_of(FRAME), ALAW_SILENCE);
            return codes;
        }
        // Chunks begin at even offsets.
        rest = tail.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recordings_are_whole_packets_of_speech() {
        for codes in [caller(), agent()] {
            assert_eq!(codes.len() % FRAME, 0);
            assert!((32_000..=40_000).contains(&codes.len()), "{}", codes.len());
            let loud = codes.iter().filter(|c| alaw_to_linear(**c).abs() > 1000).count();
            assert!(loud > codes.len() / 8, "{loud}");
        }
    }

    // ITU-T G.711 tables 1a and 2a: decision levels of 13 and 14 bits.
    #[test]
    fn codes_decode_to_the_levels_of_g_711() {
        assert_eq!(alaw_to_linear(0xd5), 8);
        assert_eq!(alaw_to_linear(0x55), -8);
        assert_eq!(alaw_to_linear(0xaa), 4032 << 3);
        assert_eq!(ulaw_to_linear(0xff), 0);
        assert_eq!(ulaw_to_linear(0x80), 8031 << 2);
        assert_eq!(ulaw_to_linear(0x00), -8031 << 2);
    }
}
