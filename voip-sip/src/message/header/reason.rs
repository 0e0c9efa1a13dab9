//! Reason (RFC 3326).

use crate::message::scan::{push_line_safe, push_number, quote, trim};
use crate::message::{ByteStr, HeaderName, Params, TypedHeader};

/// Why a request is sent: `Q.850;cause=16;text="..."`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, or another registered protocol.
    pub protocol: ByteStr,
    /// The protocol's cause value.
    pub cause: Option<u16>,
    /// Words for a person.
    pub text: Option<ByteStr>,
}

impl Reason {
    /// A Q.850 cause.
    pub fn q850(cause: u8, text: &str) -> Self {
        Self { protocol: ByteStr::from_static("Q.850"), cause: Some(cause.into()), text: Some(text.into()) }
    }

    /// A SIP status.
    pub fn sip(status: u16, text: &str) -> Self {
        Self { protocol: ByteStr::from_static("SIP"), cause: Some(status), text: Some(text.into()) }
    }
}

impl TypedHeader for Reason {
    const NAME: HeaderName = HeaderName::Reason;
    const IS_LIST: bool = true;
    fn parse(value: &ByteStr) -> Option<Self> {
        let bytes = value.as_bytes();
        let end = memchr::memchr(b';', bytes).unwrap_or(bytes.len());
        let protocol = trim(&bytes[..end]);
        if protocol.is_empty() {
            return None;
        }
        let params = Params::new(value.slice_of(bytes.get(end + 1..).unwrap_or_default()));
        Some(Self {
            protocol: value.slice_of(protocol),
            cause: params.value("cause").and_then(|cause| cause.to_number()),
            text: params.unquoted("text"),
        })
    }
    fn write(&self, out: &mut Vec<u8>) {
        push_line_safe(self.protocol.as_bytes(), out);
        if let Some(cause) = self.cause {
            out.extend_from_slice(b";cause=");
            push_number(cause.into(), out);
        }
        if let Some(text) = &self.text {
            out.extend_from_slice(b";text=");
            quote(text.as_bytes(), out);
        }
    }
}
