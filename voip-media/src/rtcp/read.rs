//! Reading RTCP compound packets (RFC 3550 §6.1, §6.4, A.2).
//!
//! Every packet is bounded by its own length field, which is checked against what is left. The first packet need not be
//! a report: reduced-size RTCP (RFC 5506) is taken as it comes. Types that mean nothing here are passed over.

use super::packet_type;
use crate::rtp::{RtpTime, Ssrc};
use voip_core::time::NtpTime;

/// Why a datagram, or the rest of one, is not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtcpError {
    /// Not version 2.
    #[error("RTCP version is not 2")]
    Version,
    /// Shorter than a header, or than its length field says.
    #[error("shorter than its length field says")]
    Truncated,
    /// The contents do not fit the length.
    #[error("contents exceed the packet")]
    Malformed,
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// From a participant that sends RTP.
    SenderReport {
        /// Who reports.
        ssrc: Ssrc,
        /// When and how much it sent.
        sender: SenderInfo,
        /// What it received.
        blocks: Blocks<'a>,
    },
    /// From a participant that does not.
    ReceiverReport {
        /// Who reports.
        ssrc: Ssrc,
        /// What it received.
        blocks: Blocks<'a>,
    },
    /// Who the sources are.
    SourceDescription {
        /// The canonical name of the first source, when it is given.
        cname: Option<&'a [u8]>,
    },
    /// A source leaves.
    Bye {
        /// The first source that leaves.
        ssrc: Option<Ssrc>,
    },
    /// Another type: application-defined, feedback, extended reports.
    Other {
        /// Packet type.
        packet_type: u8,
    },
}

/// The sender's part of a sender report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall time of the report.
    pub ntp: NtpTime,
    /// The same moment on the media clock.
    pub rtp: RtpTime,
    /// Packets sent since the source began.
    pub packets: u32,
    /// Payload bytes sent since the source began.
    pub octets: u32,
}

/// A report block (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// Of whom it reports.
    pub ssrc: Ssrc,
    /// Fraction lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; 24 bits, signed.
    pub cumulative_lost: i32,
    /// The highest sequence number, extended by its cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter in clock units.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report from that source, 0 for none.
    pub last_sender_report: u32,
    /// Time since that report came, in 1/65536 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    /// Bytes of a block.
    pub const LENGTH: usize = 24;

    fn read(bytes: &[u8; Self::LENGTH]) -> Self {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: bytes[4],
            // The shift left and back extends the sign of 24 bits.
            cumulative_lost: (word(4) << 8) as i32 >> 8,
            highest_sequence: word(8),
            jitter: word(12),
            last_sender_report: word(16),
            delay_since_last: word(20),
        }
    }
}

/// The report blocks of one report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [u8]);

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(ReportBlock::read(block))
    }
}

/// The packets of a datagram. An error is the last item: nothing after it can be trusted.
#[derive(Clone, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
    empty: bool,
}

impl<'a> Compound<'a> {
    /// Of a datagram.
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram, empty: true }
    }

    fn read(&mut self) -> Result<Packet<'a>, RtcpError> {
        let rest = std::mem::take(&mut self.rest);
        let (head, _) = rest.split_first_chunk::<4>().ok_or(RtcpError::Truncated)?;
        if head[0] >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let length = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
        let (packet, after) = rest.split_at_checked(length).ok_or(RtcpError::Truncated)?;
        self.rest = after;
        let mut body = &packet[4..];
        if head[0] & 0x20 != 0 {
            let padding = usize::from(*body.last().ok_or(RtcpError::Malformed)?);
            if padding == 0 || padding > body.len() {
                return Err(RtcpError::Malformed);
            }
            body = &body[..body.len() - padding];
        }
        let count = usize::from(head[0] & 0x1F);
        match head[1] {
            packet_type::SENDER_REPORT => {
                let (ssrc, body) = take_word(body)?;
                let (sender, body) = body.split_first_chunk::<20>().ok_or(RtcpError::Malformed)?;
                let word = |at: usize| u32::from_be_bytes([sender[at], sender[at + 1], sender[at + 2], sender[at + 3]]);
                let ntp = NtpTime(u64::from(word(0)) << 32 | u64::from(word(4)));
                let sender = SenderInfo { ntp, rtp: RtpTime(word(8)), packets: word(12), octets: word(16) };
                Ok(Packet::SenderReport { ssrc: Ssrc(ssrc), sender, blocks: blocks(body, count)? })
            }
            packet_type::RECEIVER_REPORT => {
                let (ssrc, body) = take_word(body)?;
                Ok(Packet::ReceiverReport { ssrc: Ssrc(ssrc), blocks: blocks(body, count)? })
            }
            packet_type::SOURCE_DESCRIPTION => {
                Ok(Packet::SourceDescription { cname: if count == 0 { None } else { cname(take_word(body)?.1)? } })
            }
            packet_type::BYE if count == 0 => Ok(Packet::Bye { ssrc: None }),
            packet_type::BYE => {
                if body.len() < count * 4 {
                    return Err(RtcpError::Malformed);
                }
                Ok(Packet::Bye { ssrc: Some(Ssrc(take_word(body)?.0)) })
            }
            packet_type => Ok(Packet::Other { packet_type }),
        }
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<Packet<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() && !std::mem::take(&mut self.empty) {
            return None;
        }
        self.empty = false;
        let packet = self.read();
        if packet.is_err() {
            self.rest = &[];
        }
        Some(packet)
    }
}

fn take_word(bytes: &[u8]) -> Result<(u32, &[u8]), RtcpError> {
    let (word, rest) = bytes.split_first_chunk().ok_or(RtcpError::Malformed)?;
    Ok((u32::from_be_bytes(*word), rest))
}

fn blocks(body: &[u8], count: usize) -> Result<Blocks<'_>, RtcpError> {
    // What follows the blocks is a profile's extension (RFC 3550 §6.4.3).
    body.get(..count * ReportBlock::LENGTH).map(Blocks).ok_or(RtcpError::Malformed)
}

/// The CNAME item among the items of a chunk (RFC 3550 §6.5).
fn cname(mut items: &[u8]) -> Result<Option<&[u8]>, RtcpError> {
    const END: u8 = 0;
    const CNAME: u8 = 1;
    loop {
        match items {
            [] | [END, ..] => return Ok(None),
            [kind, length, rest @ ..] => {
                let (text, after) = rest.split_at_checked(usize::from(*length)).ok_or(RtcpError::Malformed)?;
                if *kind == CNAME {
                    return Ok(Some(text));
                }
                items = after;
            }
            [_] => return Err(RtcpError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_report_is_taken_apart() {
        let mut datagram = vec![0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 64, 0xFF, 0xFF, 0xFE];
        datagram.extend([0, 1, 0, 5, 0, 0, 0, 80, 0x12, 0x34, 0x56, 0x78, 0, 1, 0, 0]);
        let mut compound = Compound::new(&datagram);
        let Some(Ok(Packet::ReceiverReport { ssrc: Ssrc(1), mut blocks })) = compound.next() else { panic!() };
        let expected = ReportBlock {
            ssrc: Ssrc(2),
            fraction_lost: 64,
            cumulative_lost: -2,
            highest_sequence: 0x0001_0005,
            jitter: 80,
            last_sender_report: 0x1234_5678,
            delay_since_last: 0x1_0000,
        };
        assert_eq!(blocks.next(), Some(expected));
        assert_eq!((blocks.next(), compound.next()), (None, None));
    }

    #[test]
    fn what_is_broken_ends_the_compound_with_its_reason() {
        let errors = |datagram: &[u8]| Compound::new(datagram).filter_map(Result::err).collect::<Vec<_>>();
        assert_eq!(errors(&[]), [RtcpError::Truncated]);
        assert_eq!(errors(&[0x80, 201, 0]), [RtcpError::Truncated]);
        assert_eq!(errors(&[0x40, 201, 0, 1, 0, 0, 0, 1]), [RtcpError::Version]);
        assert_eq!(errors(&[0x80, 201, 0, 2, 0, 0, 0, 1]), [RtcpError::Truncated]);
        // Announces a block that the length has no room for.
        assert_eq!(errors(&[0x81, 201, 0, 1, 0, 0, 0, 1]), [RtcpError::Malformed]);
        // Padding longer than the packet.
        assert_eq!(errors(&[0xA0, 201, 0, 1, 0, 0, 0, 9]), [RtcpError::Malformed]);
        // A BYE of two sources with room for one; an SDES item that runs over its end.
        assert_eq!(errors(&[0x82, 203, 0, 1, 0, 0, 0, 1]), [RtcpError::Malformed]);
        assert_eq!(errors(&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 65, 65]), [RtcpError::Malformed]);
    }

    #[test]
    fn unknown_types_are_passed_over_and_cnames_found() {
        let mut datagram = vec![0x80, 207, 0, 0, 0x81, 202, 0, 4, 0, 0, 0, 1];
        datagram.extend([2, 1, b'x', 1, 3, b'a', b'@', b'b', 0, 0, 0, 0, 0x81, 203, 0, 1, 0, 0, 0, 1]);
        let packets: Vec<_> = Compound::new(&datagram).map(Result::unwrap).collect();
        assert_eq!(
            packets,
            [
                Packet::Other { packet_type: 207 },
                Packet::SourceDescription { cname: Some(b"a@b") },
                Packet::Bye { ssrc: Some(Ssrc(1)) }
            ]
        );
    }
}
