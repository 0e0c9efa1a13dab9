//! RTCP as far as a stand-in speaks it: a sender report with one report block and a CNAME (RFC 3550 §6.4.1, §6.5), and
//! the reading of a peer's sender report, so that each side can tell the round trip.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a report is sent. RFC 3550 §6.2 asks for 5 s; short demonstrations need theirs sooner, and a point-to-point
/// call has bandwidth to spare (RFC 3551 §2 lets profiles choose).
pub(crate) const INTERVAL: Duration = Duration::from_millis(2000);

/// What a sender tells of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) ssrc: u32,
    pub(crate) timestamp: u32,
    pub(crate) packets: u32,
}

/// What it tells of the one it hears (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) ssrc: u32,
    pub(crate) lost: u32,
    pub(crate) highest: u32,
    /// Timestamp units.
    pub(crate) jitter: u32,
    /// The middle of the NTP time of the peer's last report, and how long ago it came.
    pub(crate) last: Option<(u32, Duration)>,
}

/// A compound packet: sender report and CNAME.
pub(crate) fn write(sender: &Sender, block: Option<&Block>, ntp: u64) -> Vec<u8> {
    let mut out = vec![0x80 | u8::from(block.is_some()), 200, 0, 0];
    out.extend_from_slice(&sender.ssrc.to_be_bytes());
    out.extend_from_slice(&ntp.to_be_bytes());
    for word in [sender.timestamp, sender.packets, sender.packets.wrapping_mul(160)] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    if let Some(block) = block {
        let (lsr, dlsr) = block.last.map_or((0, 0), |(lsr, ago)| (lsr, (ago.as_secs_f64() * 65_536.0) as u32));
        for word in [block.ssrc, block.lost.min(0x7f_ffff), block.highest, block.jitter, lsr, dlsr] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    let words = (out.len() / 4 - 1) as u16;
    out[2..4].copy_from_slice(&words.to_be_bytes());
    // SDES: one chunk of SSRC, CNAME of 8 bytes, end, padding.
    out.extend_from_slice(&[0x81, 202, 0, 4]);
    out.extend_from_slice(&sender.ssrc.to_be_bytes());
    out.extend_from_slice(b"\x01\x08stand-in\0\0");
    out
}

/// The middle of the NTP time, when the packet begins with a sender report.
pub(crate) fn last_report(packet: &[u8]) -> Option<u32> {
    let head = packet.get(..16)?;
    (head[0] >> 6 == 2 && head[1] == 200).then(|| u32::from_be_bytes([head[10], head[11], head[12], head[13]]))
}

/// Now, as an NTP timestamp.
pub(crate) fn ntp_now() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    ((unix.as_secs() + 2_208_988_800) << 32) | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_lengths_it_says_and_is_read_again() {
        let sender = Sender { ssrc: 1, timestamp: 2, packets: 3 };
        let last = Some((9, Duration::from_millis(500)));
        let block = Block { ssrc: 4, lost: 0, highest: 5, jitter: 6, last };
        for (block, words) in [(None, 6), (Some(&block), 12)] {
            let packet = write(&sender, block, 0x1122_3344_5566_7788);
            assert_eq!(u16::from_be_bytes([packet[2], packet[3]]), words);
            assert_eq!(packet.len(), (usize::from(words) + 1) * 4 + 20);
            assert_eq!(last_report(&packet), Some(0x3344_5566));
        }
        assert_eq!(write(&sender, Some(&block), 0)[48..52], 32_768_u32.to_be_bytes());
        assert_eq!(last_report(b"\x80\xc9"), None);
    }
}
