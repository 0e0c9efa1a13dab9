//! Headers whose value is a number.

use crate::message::scan::{push_number, trim};
use crate::message::{ByteStr, HeaderName, TypedHeader};

macro_rules! number_header {
    ($(#[$doc:meta])* $type:ident, $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(pub u32);

        impl TypedHeader for $type {
            const NAME: HeaderName = HeaderName::$name;
            fn parse(value: &ByteStr) -> Option<Self> {
                leading_number(value).map(Self)
            }
            fn write(&self, out: &mut Vec<u8>) {
                push_number(self.0.into(), out);
            }
        }
    };
}

number_header!(
    /// Max-Forwards (RFC 3261 §20.22): hops left.
    MaxForwards, MaxForwards
);
number_header!(
    /// Expires (RFC 3261 §20.19), seconds.
    Expires, Expires
);
number_header!(
    /// Min-Expires (RFC 3261 §20.23), seconds.
    MinExpires, MinExpires
);
number_header!(
    /// Min-SE (RFC 4028 §5), seconds.
    MinSe, MinSe
);
number_header!(
    /// Retry-After (RFC 3261 §20.33), seconds; comment and parameters are left aside.
    RetryAfter, RetryAfter
);

/// The number before parameters or a comment; one too large for 32 bits counts as the largest (RFC 3261 §20.19 allows
/// values up to 2^32-1, RFC 4475 §3.1.2.4 shows larger ones).
fn leading_number(value: &ByteStr) -> Option<u32> {
    let bytes = value.as_bytes();
    let end = bytes.iter().position(|b| matches!(b, b';' | b'(' | b' ' | b'\t')).unwrap_or(bytes.len());
    let digits = trim(&bytes[..end]);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.slice_of(digits).to_number().unwrap_or(u32::MAX))
}
