//! Writing RTCP compound packets into a buffer (RFC 3550 §6.4 to §6.6), without allocation.

use super::packet_type;
use super::read::{ReportBlock, SenderInfo};
use crate::rtp::Ssrc;

/// Puts packets one after another into a buffer. What does not fit is left out whole.
#[derive(Debug)]
pub struct CompoundWriter<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> CompoundWriter<'a> {
    /// A buffer of this size holds everything this crate writes in one compound.
    pub const BUFFER: usize = 512;

    /// Over a buffer.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Bytes written so far.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// A sender report (§6.4.1).
    pub fn sender_report(&mut self, ssrc: Ssrc, sender: SenderInfo, block: Option<ReportBlock>) -> &mut Self {
        let mut body = Body::<52>::default();
        body.word(ssrc.0);
        body.word((sender.ntp.0 >> 32) as u32);
        body.word(sender.ntp.0 as u32);
        body.word(sender.rtp.0);
        body.word(sender.packets);
        body.word(sender.octets);
        body.block(block);
        self.packet(packet_type::SENDER_REPORT, u8::from(block.is_some()), body.bytes())
    }

    /// A receiver report (§6.4.2).
    pub fn receiver_report(&mut self, ssrc: Ssrc, block: Option<ReportBlock>) -> &mut Self {
        let mut body = Body::<28>::default();
        body.word(ssrc.0);
        body.block(block);
        self.packet(packet_type::RECEIVER_REPORT, u8::from(block.is_some()), body.bytes())
    }

    /// A source description with a canonical name (§6.5.1), cut to 255 bytes.
    pub fn cname(&mut self, ssrc: Ssrc, cname: &str) -> &mut Self {
        let text = &cname.as_bytes()[..cname.len().min(255)];
        let mut body = Body::<264>::default();
        body.word(ssrc.0);
        body.bytes_of(&[1, text.len() as u8]);
        body.bytes_of(text);
        // At least one zero ends the items, and the chunk ends on a word.
        body.bytes_of(&[0; 4][..4 - body.length % 4]);
        self.packet(packet_type::SOURCE_DESCRIPTION, 1, body.bytes())
    }

    /// A goodbye (§6.6).
    pub fn bye(&mut self, ssrc: Ssrc) -> &mut Self {
        self.packet(packet_type::BYE, 1, &ssrc.0.to_be_bytes())
    }

    fn packet(&mut self, packet_type: u8, count: u8, body: &[u8]) -> &mut Self {
        let Some(space) = self.buffer[self.length..].get_mut(..4 + body.len()) else { return self };
        space[0] = 2 << 6 | count;
        space[1] = packet_type;
        space[2..4].copy_from_slice(&((body.len() / 4) as u16).to_be_bytes());
        space[4..].copy_from_slice(body);
        self.length += 4 + body.len();
        self
    }
}

/// The body of one packet as it is put together.
struct Body<const N: usize> {
    buffer: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Body<N> {
    fn default() -> Self {
        Self { buffer: [0; N], length: 0 }
    }
}

impl<const N: usize> Body<N> {
    fn bytes_of(&mut self, bytes: &[u8]) {
        self.buffer[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.bytes_of(&word.to_be_bytes());
    }

    fn block(&mut self, block: Option<ReportBlock>) {
        let Some(block) = block else { return };
        self.word(block.ssrc.0);
        self.word(u32::from(block.fraction_lost) << 24 | block.cumulative_lost as u32 & 0x00FF_FFFF);
        self.word(block.highest_sequence);
        self.word(block.jitter);
        self.word(block.last_sender_report);
        self.word(block.delay_since_last);
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::{Compound, Packet};
    use super::*;
    use crate::rtp::RtpTime;
    use voip_core::time::NtpTime;

    const SENDER: SenderInfo =
        SenderInfo { ntp: NtpTime(0x0102_0304_0506_0708), rtp: RtpTime(9), packets: 10, octets: 1600 };
    const BLOCK: ReportBlock = ReportBlock {
        ssrc: Ssrc(7),
        fraction_lost: 3,
        cumulative_lost: -5,
        highest_sequence: 70_000,
        jitter: 12,
        last_sender_report: 0x0304_0506,
        delay_since_last: 65_536,
    };

    #[test]
    fn what_is_written_reads_back() {
        let mut buffer = [0xEE; CompoundWriter::BUFFER];
        let mut writer = CompoundWriter::new(&mut buffer);
        writer.sender_report(Ssrc(1), SENDER, Some(BLOCK)).receiver_report(Ssrc(1), None);
        let length = writer.cname(Ssrc(1), "gateway@example.org").bye(Ssrc(1)).length();
        assert_eq!(length % 4, 0);
        let packets: Vec<_> = Compound::new(&buffer[..length]).map(Result::unwrap).collect();
        let [
            Packet::SenderReport { ssrc: Ssrc(1), sender: SENDER, blocks: mut some },
            Packet::ReceiverReport { blocks: mut none, .. },
            Packet::SourceDescription { cname: Some(b"gateway@example.org") },
            Packet::Bye { ssrc: Some(Ssrc(1)) },
        ] = packets[..]
        else {
            panic!("{packets:?}")
        };
        assert_eq!((some.next(), none.next()), (Some(BLOCK), None));
    }

    #[test]
    fn names_of_any_length_are_padded_to_a_word() {
        for length in 0..300 {
            let name = "n".repeat(length);
            let mut buffer = [0xEE; CompoundWriter::BUFFER];
            let written = CompoundWriter::new(&mut buffer).cname(Ssrc(1), &name).length();
            let mut compound = Compound::new(&buffer[..written]);
            let Some(Ok(Packet::SourceDescription { cname: Some(read) })) = compound.next() else { panic!("{length}") };
            assert_eq!(read.len(), length.min(255));
            assert_eq!(compound.next(), None);
        }
    }

    #[test]
    fn a_buffer_too_small_gets_whole_packets_only() {
        let mut buffer = [0; 40];
        let length = CompoundWriter::new(&mut buffer)
            .sender_report(Ssrc(1), SENDER, None)
            .cname(Ssrc(1), "long enough")
            .length();
        assert_eq!(length, 28);
    }
}
