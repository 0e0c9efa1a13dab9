//! Session-Expires (RFC 4028 §4).

use crate::message::scan::{push_number, trim};
use crate::message::{ByteStr, HeaderName, Params, TypedHeader};

/// Who refreshes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The one that sent the request.
    Uac,
    /// The one that answers it.
    Uas,
}

/// The session interval and its refresher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds.
    pub seconds: u32,
    /// The refresher, where one is named.
    pub refresher: Option<Refresher>,
}

impl TypedHeader for SessionExpires {
    const NAME: HeaderName = HeaderName::SessionExpires;
    fn parse(value: &ByteStr) -> Option<Self> {
        let bytes = value.as_bytes();
        let end = memchr::memchr(b';', bytes).unwrap_or(bytes.len());
        let seconds = value.slice_of(trim(&bytes[..end])).to_number()?;
        let params = Params::new(value.slice_of(bytes.get(end + 1..).unwrap_or_default()));
        let refresher = match params.value("refresher") {
            Some(who) if who.eq_ignore_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(Self { seconds, refresher })
    }
    fn write(&self, out: &mut Vec<u8>) {
        push_number(self.seconds.into(), out);
        match self.refresher {
            Some(Refresher::Uac) => out.extend_from_slice(b";refresher=uac"),
            Some(Refresher::Uas) => out.extend_from_slice(b";refresher=uas"),
            None => {}
        }
    }
}
