//! The RTP fixed header (RFC 3550 §5.1): read through `rtp-rs`, written in place without allocation.
//!
//! Contributing sources, header extensions and padding are understood and skipped: none of them is negotiated for the
//! next hop, so a packet that is passed on carries a plain 12-byte header.

use rtp_rs::{RtpReader, RtpReaderError};
use std::fmt;
use std::ops::Range;

/// A synchronisation source identifier (RFC 3550 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A sequence number as it stands in the packet; wraps at 65536.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqNo(pub u16);

/// A media timestamp in units of the payload's clock; wraps at 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// Units from `earlier` to this, negative when this is the earlier one.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// This plus `units`.
    pub const fn plus(self, units: u32) -> Self {
        Self(self.0.wrapping_add(units))
    }
}

/// The fields of a header that have a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// First packet after a silence (RFC 3551 §4.1), or first of an event (RFC 4733 §2.2).
    pub marker: bool,
    /// What the payload is, by the negotiation.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: SeqNo,
    /// Media time of the first sample.
    pub timestamp: RtpTime,
    /// Who sends.
    pub ssrc: Ssrc,
}

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// Shorter than what its header announces.
    #[error("shorter than its header says")]
    Truncated,
    /// Not version 2.
    #[error("RTP version is not 2")]
    Version,
    /// The padding count is zero or exceeds the payload.
    #[error("padding length is impossible")]
    Padding,
}

impl RtpHeader {
    /// Bytes of a header without contributing sources and extension.
    pub const LENGTH: usize = 12;

    /// Reads a packet: its header, and where in `datagram` its payload stands without padding.
    ///
    /// # Errors
    /// What makes the datagram no RTP packet.
    pub fn read(datagram: &[u8]) -> Result<(Self, Range<usize>), RtpError> {
        let reader = RtpReader::new(datagram).map_err(|error| match error {
            RtpReaderError::BufferTooShort(_) | RtpReaderError::HeadersTruncated { .. } => RtpError::Truncated,
            RtpReaderError::UnsupportedVersion(_) => RtpError::Version,
            RtpReaderError::PaddingLengthInvalid(_) => RtpError::Padding,
        })?;
        let start = reader.payload_offset();
        let end = start + reader.payload().len();
        let header = Self {
            marker: reader.mark(),
            payload_type: reader.payload_type(),
            sequence: SeqNo(reader.sequence_number().into()),
            timestamp: RtpTime(reader.timestamp()),
            ssrc: Ssrc(reader.ssrc()),
        };
        Ok((header, start..end))
    }

    /// Writes the plain header to the first 12 bytes of `buffer`.
    ///
    /// # Panics
    /// When `buffer` is shorter: a local mistake, never a peer's.
    #[inline]
    pub fn write(&self, buffer: &mut [u8]) {
        let head: &mut [u8; Self::LENGTH] = buffer.first_chunk_mut().expect("the caller's buffer holds an RTP header");
        head[0] = 2 << 6;
        head[1] = self.payload_type & 0x7F | u8::from(self.marker) << 7;
        head[2..4].copy_from_slice(&self.sequence.0.to_be_bytes());
        head[4..8].copy_from_slice(&self.timestamp.0.to_be_bytes());
        head[8..12].copy_from_slice(&self.ssrc.0.to_be_bytes());
    }

    /// Puts this header directly before the payload that stands at `payload`, over whatever header was there; returns
    /// where the new packet stands.
    #[inline]
    pub fn write_before(&self, datagram: &mut [u8], payload: Range<usize>) -> Range<usize> {
        let start = payload.start - Self::LENGTH;
        self.write(&mut datagram[start..payload.end]);
        start..payload.end
    }
}

/// Whether a datagram on a port that RTP and RTCP share is RTCP: packet types 192 to 223 (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: RtpHeader = RtpHeader {
        marker: true,
        payload_type: 8,
        sequence: SeqNo(0xFFFE),
        timestamp: RtpTime(0x0102_0304),
        ssrc: Ssrc(0xA0B0_C0D0),
    };

    #[test]
    fn a_written_header_reads_back() {
        let mut packet = [0x55; 172];
        HEADER.write(&mut packet);
        assert_eq!(packet[..4], [0x80, 0x88, 0xFF, 0xFE]);
        let (header, payload) = RtpHeader::read(&packet).unwrap();
        assert_eq!((header, payload), (HEADER, 12..172));
    }

    #[test]
    fn csrcs_extension_and_padding_are_cut_away() {
        // V=2 P=1 X=1 CC=1, then one CSRC, an extension of one word, two bytes of payload, two of padding.
        let mut packet = vec![0xB1, 0x08, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 1, 2, 3, 4];
        packet.extend([0xD5, 0x54, 0, 2]);
        let (header, payload) = RtpHeader::read(&packet).unwrap();
        assert_eq!(packet[payload.clone()], [0xD5, 0x54]);
        let place = header.write_before(&mut packet, payload);
        assert_eq!(packet[place], [0x80, 0x08, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xD5, 0x54]);
    }

    #[test]
    fn what_is_not_rtp_is_named() {
        assert_eq!(RtpHeader::read(&[0x80; 11]), Err(RtpError::Truncated));
        assert_eq!(RtpHeader::read(&[0x40; 20]), Err(RtpError::Version));
        assert_eq!(RtpHeader::read(&[0x8F; 20]), Err(RtpError::Truncated));
        let mut padded = [0; 14];
        padded[0] = 0xA0;
        padded[13] = 3;
        assert_eq!(RtpHeader::read(&padded), Err(RtpError::Padding));
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_its_packet_type() {
        assert!(is_rtcp(&[0x80, 200, 0, 6]));
        assert!(!is_rtcp(&[0x80, 8]) && !is_rtcp(&[0x80, 0x88]) && !is_rtcp(&[0x80]) && !is_rtcp(&[0x00, 200]));
    }

    #[test]
    fn timestamps_compare_across_the_wrap() {
        assert_eq!(RtpTime(10).since(RtpTime(u32::MAX - 9)), 20);
        assert_eq!(RtpTime(u32::MAX).since(RtpTime(0)), -1);
    }
}
