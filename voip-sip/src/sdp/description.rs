//! A session description as text taken apart (RFC 8866 §5), read as forgivingly as telephony needs.
//!
//! Lines may come in any order within their section, end with LF alone, be unknown, be missing (`s=`, `t=`, `o=`) or be
//! no SDP at all; nothing need be UTF-8. What cannot be used is kept or counted. Refused are only another version, an
//! `m=` line that cannot be answered, and sizes past the limits.

use super::attribute::{Attribute, Attributes};
use super::error::SdpError;
use crate::message::ByteStr;
use crate::message::decimal;
use crate::message::scan::{is_space, trim};
use bytes::Bytes;
use std::net::IpAddr;

/// Bytes of a session description that are read. A browser's with all its candidates has some 10 kB.
pub const MAX_BYTES: usize = 65_535;
/// Lines of a session description that are read.
pub const MAX_LINES: usize = 1000;
/// Media of a session description that are read.
pub const MAX_MEDIA: usize = 32;
/// Formats of one `m=` line that are read: there are 128 payload types.
const MAX_FORMATS: usize = 128;

/// A session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`, where there is one that can be read.
    pub origin: Option<Origin>,
    /// `s=`.
    pub name: ByteStr,
    /// The session's `c=`.
    pub connection: Option<Connection>,
    /// The other lines of the session section: `i= u= e= p= b= t= r= z= k=` and unknown ones.
    pub lines: Vec<Line>,
    /// The session's attributes.
    pub attributes: Attributes,
    /// The media, in order.
    pub media: Vec<MediaDescription>,
    /// Lines that were not of the form `x=value`.
    pub ignored_lines: usize,
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription {
    /// `audio`, `video`, `image` and so on.
    pub media: ByteStr,
    /// The port; 0 rejects or ends the stream (RFC 3264 §6, §8.2).
    pub port: u16,
    /// The transport protocol, such as `RTP/AVP`.
    pub protocol: ByteStr,
    /// Formats, for RTP payload type numbers, in the sender's order of preference.
    pub formats: Vec<ByteStr>,
    /// The stream's own `c=`.
    pub connection: Option<Connection>,
    /// The other lines of the section: `i= b= k=` and unknown ones.
    pub lines: Vec<Line>,
    /// Attributes.
    pub attributes: Attributes,
}

/// `o=` (RFC 8866 §5.2): kept as text, since devices write numbers of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name, `-` for none.
    pub user: ByteStr,
    /// Session identifier.
    pub session_id: ByteStr,
    /// Session version.
    pub version: ByteStr,
    /// The address after `IN IP4` or `IN IP6`.
    pub address: ByteStr,
}

/// `c=` (RFC 8866 §5.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The address or name as written, without TTL and count.
    pub address: ByteStr,
}

/// A line as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The letter before `=`.
    pub kind: u8,
    /// What follows it, trimmed.
    pub value: ByteStr,
}

impl SessionDescription {
    /// Reads a description, sharing its buffer.
    pub fn parse(bytes: Bytes) -> Result<Self, SdpError> {
        if bytes.len() > MAX_BYTES {
            return Err(SdpError::TooLarge);
        }
        let whole = ByteStr::from(bytes);
        let mut description = Self::default();
        let mut count = 0;
        let mut recognised = false;
        for line in whole.as_bytes().split(|b| *b == b'\n') {
            // Some devices count the terminator of their C string into the body.
            let line = trim(line.strip_suffix(b"\0").map_or(line, trim_nul));
            if line.is_empty() {
                continue;
            }
            count += 1;
            if count > MAX_LINES {
                return Err(SdpError::TooLarge);
            }
            match *line {
                [kind, b'=', ref value @ ..] if kind.is_ascii_alphabetic() => {
                    recognised |= matches!(kind, b'v' | b'm');
                    description.add(kind, whole.slice_of(trim(value)))?;
                }
                _ => description.ignored_lines += 1,
            }
        }
        if recognised { Ok(description) } else { Err(SdpError::NotSdp) }
    }

    fn add(&mut self, kind: u8, value: ByteStr) -> Result<(), SdpError> {
        match (kind, self.media.last_mut()) {
            (b'm', _) => {
                if self.media.len() >= MAX_MEDIA {
                    return Err(SdpError::TooLarge);
                }
                self.media.push(MediaDescription::parse(&value)?);
            }
            (b'v', None) if value != "0" => return Err(SdpError::Version(value)),
            (b'v', None) => {}
            (b'o', None) => self.origin = Origin::parse(&value),
            (b's', None) => self.name = value,
            (b'c', None) => self.connection = Connection::parse(&value),
            (b'a', None) => self.attributes.0.push(Attribute::parse(&value)),
            (_, None) => self.lines.push(Line { kind, value }),
            // RFC 8866 §5.7 allows several for layered multicast: the first counts.
            (b'c', Some(media)) if media.connection.is_none() => media.connection = Connection::parse(&value),
            (b'a', Some(media)) => media.attributes.0.push(Attribute::parse(&value)),
            (_, Some(media)) => media.lines.push(Line { kind, value }),
        }
        Ok(())
    }

    /// The connection of a stream: its own, or else the session's (RFC 8866 §5.7).
    pub fn connection_of<'a>(&'a self, media: &'a MediaDescription) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }
}

impl MediaDescription {
    fn parse(value: &ByteStr) -> Result<Self, SdpError> {
        let malformed = || SdpError::MediaLine(value.clone());
        let mut words = words(value.as_bytes());
        let media = words.next().ok_or_else(malformed)?;
        let port = words.next().ok_or_else(malformed)?;
        let port = port.split(|b| *b == b'/').next().and_then(decimal).ok_or_else(malformed)?;
        let protocol = words.next().ok_or_else(malformed)?;
        Ok(Self {
            media: value.slice_of(media),
            port,
            protocol: value.slice_of(protocol),
            formats: words.take(MAX_FORMATS).map(|word| value.slice_of(word)).collect(),
            connection: None,
            lines: Vec::new(),
            attributes: Attributes::default(),
        })
    }

    /// Whether this is an audio stream.
    pub fn is_audio(&self) -> bool {
        self.media.eq_ignore_case("audio")
    }
}

impl Origin {
    fn parse(value: &ByteStr) -> Option<Self> {
        let words: Vec<&[u8]> = words(value.as_bytes()).collect();
        // Counted from the end, since a user name with spaces is seen in the wild.
        let [user @ .., session_id, version, _in, _ip, address] = words.as_slice() else { return None };
        Some(Self {
            user: value.slice_of(user.first()?),
            session_id: value.slice_of(session_id),
            version: value.slice_of(version),
            address: value.slice_of(address),
        })
    }
}

impl Connection {
    /// Reads `IN IP4 address[/ttl[/count]]`.
    pub fn parse(value: &ByteStr) -> Option<Self> {
        let word = words(value.as_bytes()).nth(2)?;
        let address = word.split(|b| *b == b'/').next()?;
        Some(Self { address: value.slice_of(address) })
    }

    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.as_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether it says "nowhere", as in a hold by RFC 3264 §8.4: `0.0.0.0`, `::`, or a name under `.invalid`
    /// (RFC 2606 §2).
    pub fn is_unspecified(&self) -> bool {
        match self.ip() {
            Some(ip) => ip.is_unspecified(),
            None => {
                let name = self.address.as_bytes();
                name.len() >= 8 && name[name.len() - 8..].eq_ignore_ascii_case(b".invalid")
            }
        }
    }
}

/// The parts between runs of white space.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| is_space(*b)).filter(|word| !word.is_empty())
}

fn trim_nul(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., 0] = line {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests;
