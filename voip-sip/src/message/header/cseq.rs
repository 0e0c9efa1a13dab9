//! CSeq (RFC 3261 §20.16).

use crate::message::scan::{is_space, is_token, push_line_safe, push_number, trim};
use crate::message::{ByteStr, HeaderName, Method, TypedHeader};

/// Sequence number and method of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The request's method.
    pub method: Method,
}

impl TypedHeader for CSeq {
    const NAME: HeaderName = HeaderName::CSeq;
    fn parse(value: &ByteStr) -> Option<Self> {
        let bytes = trim(value.as_bytes());
        let end = bytes.iter().position(|b| is_space(*b))?;
        let number = value.slice_of(&bytes[..end]).to_number::<u32>().filter(|n| *n < 1 << 31)?;
        let method = trim(&bytes[end..]);
        let valid = !method.is_empty() && method.iter().all(|b| is_token(*b));
        valid.then(|| Self { number, method: Method::parse(&value.slice_of(method)) })
    }
    fn write(&self, out: &mut Vec<u8>) {
        push_number(self.number.into(), out);
        out.push(b' ');
        push_line_safe(self.method.as_bytes(), out);
    }
}
