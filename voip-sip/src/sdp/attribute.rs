//! Attributes (RFC 8866 §6), kept as they came and read as types on demand.

use super::description::{Connection, words};
use crate::message::scan::trim;
use crate::message::{ByteStr, decimal};
use voip_core::media::Direction;

/// `a=name` or `a=name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Name.
    pub name: ByteStr,
    /// What follows the colon, trimmed.
    pub value: Option<ByteStr>,
}

/// The attributes of a session or of one stream, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<Attribute>);

/// `a=rtpmap` without its payload type (RFC 8866 §6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// Encoding name.
    pub encoding: ByteStr,
    /// Clock rate, Hz.
    pub clock_rate: u32,
    /// Encoding parameters, for audio the number of channels, where written.
    pub channels: Option<u8>,
}

/// `a=rtcp` (RFC 3605 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpAddress {
    /// Port.
    pub port: u16,
    /// Address, where it is not that of RTP.
    pub connection: Option<Connection>,
}

impl Attribute {
    pub(super) fn parse(value: &ByteStr) -> Self {
        let bytes = value.as_bytes();
        match memchr::memchr(b':', bytes) {
            Some(colon) => Self {
                name: value.slice_of(trim(&bytes[..colon])),
                value: Some(value.slice_of(trim(&bytes[colon + 1..]))),
            },
            None => Self { name: value.clone(), value: None },
        }
    }
}

impl Attributes {
    /// Adds a flag.
    pub fn push_flag(&mut self, name: &'static str) {
        self.0.push(Attribute { name: ByteStr::from_static(name), value: None });
    }

    /// Adds an attribute with a value.
    pub fn push(&mut self, name: &'static str, value: impl Into<ByteStr>) {
        self.0.push(Attribute { name: ByteStr::from_static(name), value: Some(value.into()) });
    }

    /// Whether there is one of that name. Names compare without regard to case, which the RFC does not ask for and
    /// devices do.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|a| a.name.eq_ignore_case(name))
    }

    /// The values of those of that name, raw: `crypto`, `ssrc`, `candidate` and their kin.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ByteStr> {
        self.0.iter().filter(move |a| a.name.eq_ignore_case(name)).filter_map(|a| a.value.as_ref())
    }

    /// `a=rtpmap` of a payload type.
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap> {
        let value = self.of_format("rtpmap", payload_type)?;
        let mut parts = value.as_bytes().split(|b| *b == b'/').map(trim);
        let encoding = parts.next().filter(|name| !name.is_empty())?;
        Some(RtpMap {
            encoding: value.slice_of(encoding),
            clock_rate: parts.next().and_then(|rate| words(rate).next()).and_then(decimal)?,
            channels: parts.next().and_then(decimal),
        })
    }

    /// `a=fmtp` of a payload type, without it.
    pub fn fmtp(&self, payload_type: u8) -> Option<ByteStr> {
        self.of_format("fmtp", payload_type)
    }

    /// The value of an attribute that begins with a payload type, after it.
    fn of_format(&self, name: &str, payload_type: u8) -> Option<ByteStr> {
        self.values(name).find_map(|value| {
            let bytes = value.as_bytes();
            let word = words(bytes).next()?;
            if decimal::<u8>(word) != Some(payload_type) {
                return None;
            }
            Some(value.slice_of(trim(&bytes[word.len()..])))
        })
    }

    /// The direction, from the view of whoever wrote the description; the last of several counts.
    pub fn direction(&self) -> Option<Direction> {
        const ALL: [Direction; 4] =
            [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        self.0.iter().rev().find_map(|a| ALL.into_iter().find(|d| a.name.eq_ignore_case(d.name())))
    }

    /// `a=ptime`, ms (RFC 8866 §6.4). A fraction is cut off.
    pub fn ptime(&self) -> Option<u32> {
        self.leading_number("ptime")
    }

    /// `a=maxptime`, ms (RFC 8866 §6.5).
    pub fn maxptime(&self) -> Option<u32> {
        self.leading_number("maxptime")
    }

    fn leading_number(&self, name: &str) -> Option<u32> {
        let value = self.values(name).next()?.as_bytes();
        let end = value.iter().position(|b| !b.is_ascii_digit()).unwrap_or(value.len());
        decimal(&value[..end])
    }

    /// `a=rtcp`.
    pub fn rtcp(&self) -> Option<RtcpAddress> {
        let value = self.values("rtcp").next()?;
        let bytes = value.as_bytes();
        let word = words(bytes).next()?;
        let port = decimal(word).filter(|port| *port != 0)?;
        Some(RtcpAddress { port, connection: Connection::parse(&value.slice_of(trim(&bytes[word.len()..]))) })
    }

    /// `a=rtcp-mux` (RFC 5761 §5.1.1).
    pub fn rtcp_mux(&self) -> bool {
        self.has("rtcp-mux")
    }

    /// The synchronisation sources named by `a=ssrc` (RFC 5576 §4.1), each once.
    pub fn ssrcs(&self) -> Vec<u32> {
        let mut sources = Vec::new();
        for ssrc in self.values("ssrc").filter_map(|v| words(v.as_bytes()).next().and_then(decimal)) {
            if !sources.contains(&ssrc) {
                sources.push(ssrc);
            }
        }
        sources
    }
}
