//! Writes a session description: lines in the order of RFC 8866 §9, CRLF ends, no value breaks out of its line.

use super::attribute::Attributes;
use super::description::{Connection, Line, MediaDescription, SessionDescription};
use crate::message::scan::{push_line_safe, push_number};
use bytes::Bytes;

impl SessionDescription {
    /// The description as text.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(512);
        line(&mut out, b'v', b"0");
        if let Some(origin) = &self.origin {
            out.extend_from_slice(b"o=");
            push_word(origin.user.as_bytes(), &mut out);
            for part in [&origin.session_id, &origin.version] {
                out.push(b' ');
                push_word(part.as_bytes(), &mut out);
            }
            push_address(origin.address.as_bytes(), &mut out);
        }
        line(&mut out, b's', if self.name.is_empty() { b"-" } else { self.name.as_bytes() });
        lines(&mut out, &self.lines, b"iuep");
        connection(&mut out, self.connection.as_ref());
        lines(&mut out, &self.lines, b"b");
        if !self.lines.iter().any(|l| l.kind == b't') {
            line(&mut out, b't', b"0 0");
        }
        lines(&mut out, &self.lines, b"trzk");
        attributes(&mut out, &self.attributes);
        for media in &self.media {
            media.write(&mut out);
        }
        out.into()
    }
}

impl MediaDescription {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"m=");
        push_word(self.media.as_bytes(), out);
        out.push(b' ');
        push_number(self.port.into(), out);
        out.push(b' ');
        push_word(self.protocol.as_bytes(), out);
        for format in &self.formats {
            out.push(b' ');
            push_word(format.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        lines(out, &self.lines, b"i");
        connection(out, self.connection.as_ref());
        lines(out, &self.lines, b"bk");
        attributes(out, &self.attributes);
    }
}

fn line(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    out.extend_from_slice(&[kind, b'=']);
    push_line_safe(value, out);
    out.extend_from_slice(b"\r\n");
}

/// The lines of some kinds, in the order of the kinds. Those the RFC does not know are not written.
fn lines(out: &mut Vec<u8>, lines: &[Line], kinds: &[u8]) {
    for kind in kinds {
        for l in lines.iter().filter(|l| l.kind == *kind) {
            line(out, *kind, l.value.as_bytes());
        }
    }
}

fn connection(out: &mut Vec<u8>, connection: Option<&Connection>) {
    if let Some(connection) = connection {
        out.extend_from_slice(b"c=");
        // push_address begins with a space, for `o=`.
        let start = out.len();
        push_address(connection.address.as_bytes(), out);
        out.remove(start);
    }
}

fn attributes(out: &mut Vec<u8>, attributes: &Attributes) {
    for attribute in &attributes.0 {
        out.extend_from_slice(b"a=");
        push_line_safe(attribute.name.as_bytes(), out);
        if let Some(value) = &attribute.value {
            out.push(b':');
            push_line_safe(value.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// ` IN IP4 address` or ` IN IP6 address` and the line's end.
fn push_address(address: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if address.contains(&b':') { b" IN IP6 " } else { b" IN IP4 " });
    push_word(address, out);
    out.extend_from_slice(b"\r\n");
}

/// A field that white space would split: it becomes `_`, and nothing becomes `-`.
fn push_word(word: &[u8], out: &mut Vec<u8>) {
    if word.is_empty() {
        out.push(b'-');
    }
    out.extend(word.iter().map(|b| if b.is_ascii_whitespace() || *b == 0 { b'_' } else { *b }));
}
