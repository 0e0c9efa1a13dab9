//! Messages cut out of a byte stream by their Content-Length (RFC 3261 §18.3), and the keepalives between them
//! (RFC 5626 §3.5.1).

use crate::message::{HeaderName, MessageLimits, header_section_end};
use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// Cuts a stream into messages. Holds one unfinished message at the most.
#[derive(Debug)]
pub struct StreamFramer {
    buffer: BytesMut,
    limits: MessageLimits,
    /// Bytes of the buffer that are known not to end a header section: they are not searched again.
    searched: usize,
    /// Length of the message at the front of the buffer, once its header section is complete.
    length: Option<usize>,
}

/// One thing cut out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message, whole.
    Message(Bytes),
    /// A double CRLF: answered with a single one (RFC 5626 §4.4.1).
    Ping,
    /// A single CRLF.
    Pong,
}

/// The boundaries between messages are lost: the connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum FramingError {
    /// The header section is longer than a message may be.
    #[error("headers without end")]
    HeadersTooLong,
    /// Header and body together are longer than a message may be.
    #[error("message longer than the limit")]
    TooLong,
    /// Content-Length is missing: on a stream it must be there (RFC 3261 §20.14).
    #[error("no Content-Length")]
    NoContentLength,
    /// Content-Length is not a number, or there are two that differ.
    #[error("malformed Content-Length")]
    ContentLength,
}

impl StreamFramer {
    /// A framer for a new connection.
    pub fn new(limits: MessageLimits) -> Self {
        Self { buffer: BytesMut::new(), limits, searched: 0, length: None }
    }

    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether part of a message waits for its rest. Line ends alone are none: a lone CRLF is a keepalive that stays in
    /// the buffer until it is known not to be half a ping.
    pub fn is_partial(&self) -> bool {
        self.buffer.iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }

    /// The next frame, when it is complete. After an error the connection is to be closed.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FramingError> {
        if let Some(keepalive) = self.keepalive() {
            return Ok(Some(keepalive));
        }
        let length = match self.length {
            Some(length) => length,
            None => match self.find_length()? {
                Some(length) => *self.length.insert(length),
                None => return Ok(None),
            },
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.length = None;
        self.searched = 0;
        Ok(Some(Frame::Message(self.buffer.split_to(length).freeze())))
    }

    /// Line ends before a message: a ping, a pong, or the sloppy end of the message before. A CR or CRLF that may still
    /// become a ping stays in the buffer.
    fn keepalive(&mut self) -> Option<Frame> {
        if self.length.is_some() {
            return None;
        }
        match &self.buffer[..] {
            [b'\r', b'\n', b'\r', b'\n', ..] => {
                self.buffer.advance(4);
                Some(Frame::Ping)
            }
            [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => None,
            [b'\r', b'\n', ..] => {
                self.buffer.advance(2);
                Some(Frame::Pong)
            }
            [b'\n', ..] => {
                self.buffer.advance(1);
                Some(Frame::Pong)
            }
            _ => None,
        }
    }

    fn find_length(&mut self) -> Result<Option<usize>, FramingError> {
        let from = self.searched.saturating_sub(3);
        let Some(end) = header_section_end(&self.buffer[from..]).map(|end| from + end) else {
            self.searched = self.buffer.len();
            return if self.buffer.len() > self.limits.max_message {
                Err(FramingError::HeadersTooLong)
            } else {
                Ok(None)
            };
        };
        let body = content_length(&self.buffer[..end])?;
        let length = end.saturating_add(body);
        if length > self.limits.max_message { Err(FramingError::TooLong) } else { Ok(Some(length)) }
    }
}

/// The body length that a header section announces.
fn content_length(head: &[u8]) -> Result<usize, FramingError> {
    let mut found = None;
    for line in head.split(|b| *b == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = line[..colon].trim_ascii_end();
        let is_length =
            name.eq_ignore_ascii_case(HeaderName::ContentLength.as_bytes()) || name.eq_ignore_ascii_case(b"l");
        if !is_length {
            continue;
        }
        let value = line[colon + 1..].trim_ascii();
        let length = std::str::from_utf8(value)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse::<usize>().ok())
            .ok_or(FramingError::ContentLength)?;
        if found.is_some_and(|other| other != length) {
            return Err(FramingError::ContentLength);
        }
        found = Some(length);
    }
    found.ok_or(FramingError::NoContentLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";

    fn framer() -> StreamFramer {
        StreamFramer::new(MessageLimits { max_message: 200, ..MessageLimits::default() })
    }

    fn frames(framer: &mut StreamFramer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next_frame().unwrap()).collect()
    }

    #[test]
    fn messages_and_keepalives_come_out_however_the_stream_is_cut() {
        let stream = format!("{OPTIONS}\r\n\r\n{OPTIONS}\r\n{OPTIONS}");
        let message = || Frame::Message(Bytes::from_static(OPTIONS.as_bytes()));
        let expected = vec![message(), Frame::Ping, message(), Frame::Pong, message()];
        for size in 1..stream.len() {
            let mut framer = framer();
            let mut found = Vec::new();
            for chunk in stream.as_bytes().chunks(size) {
                framer.push(chunk);
                found.extend(frames(&mut framer));
            }
            assert_eq!(found, expected, "chunks of {size}");
            assert!(!framer.is_partial());
        }
    }

    #[test]
    fn a_lone_keepalive_is_not_half_a_message() {
        let mut framer = framer();
        framer.push(b"\r\n");
        assert_eq!(framer.next_frame(), Ok(None));
        assert!(!framer.is_partial());
        framer.push(b"O");
        assert_eq!(frames(&mut framer), [Frame::Pong]);
        assert!(framer.is_partial());
    }

    #[test]
    fn lost_boundaries_are_errors() {
        let error = |text: &str| {
            let mut framer = framer();
            framer.push(text.as_bytes());
            framer.next_frame().unwrap_err()
        };
        assert_eq!(error("OPTIONS sip:a SIP/2.0\r\n\r\n"), FramingError::NoContentLength);
        assert_eq!(error("OPTIONS sip:a SIP/2.0\r\nl: x\r\n\r\n"), FramingError::ContentLength);
        assert_eq!(error("OPTIONS sip:a SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n"), FramingError::ContentLength);
        assert_eq!(error("OPTIONS sip:a SIP/2.0\r\nl: 18446744073709551615\r\n\r\n"), FramingError::TooLong);
        assert_eq!(error(&"x".repeat(300)), FramingError::HeadersTooLong);
    }
}
