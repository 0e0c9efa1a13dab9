//! Headers whose value is a URI with a display name and parameters.

use crate::message::{ByteStr, HeaderName, NameAddr, TypedHeader};
use std::ops::{Deref, DerefMut};

macro_rules! address_header {
    ($(#[$doc:meta])* $type:ident, $name:ident, list: $list:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(pub NameAddr);

        impl TypedHeader for $type {
            const NAME: HeaderName = HeaderName::$name;
            const IS_LIST: bool = $list;
            fn parse(value: &ByteStr) -> Option<Self> {
                NameAddr::parse(value).map(Self)
            }
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }
        }

        impl Deref for $type {
            type Target = NameAddr;
            fn deref(&self) -> &NameAddr {
                &self.0
            }
        }

        impl DerefMut for $type {
            fn deref_mut(&mut self) -> &mut NameAddr {
                &mut self.0
            }
        }
    };
}

address_header!(
    /// From (RFC 3261 §20.20).
    From, From, list: false
);
address_header!(
    /// To (RFC 3261 §20.39).
    To, To, list: false
);
address_header!(
    /// One value of Route (RFC 3261 §20.34).
    Route, Route, list: true
);
address_header!(
    /// One value of Record-Route (RFC 3261 §20.30).
    RecordRoute, RecordRoute, list: true
);
address_header!(
    /// One value of Diversion (RFC 5806).
    Diversion, Diversion, list: true
);
address_header!(
    /// One value of P-Asserted-Identity (RFC 3325 §9.1).
    PAssertedIdentity, PAssertedIdentity, list: true
);
address_header!(
    /// Refer-To (RFC 3515 §2.1).
    ReferTo, ReferTo, list: false
);
address_header!(
    /// Referred-By (RFC 3892 §3).
    ReferredBy, ReferredBy, list: false
);

/// One value of Contact (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// `*`: all bindings, in a REGISTER that removes them.
    All,
    /// An address.
    Address(Box<NameAddr>),
}

impl Contact {
    /// The address, unless it is `*`.
    pub fn address(self) -> Option<NameAddr> {
        match self {
            Self::All => None,
            Self::Address(address) => Some(*address),
        }
    }
}

impl TypedHeader for Contact {
    const NAME: HeaderName = HeaderName::Contact;
    const IS_LIST: bool = true;
    fn parse(value: &ByteStr) -> Option<Self> {
        if *value == "*" {
            Some(Self::All)
        } else {
            NameAddr::parse(value).map(|address| Self::Address(Box::new(address)))
        }
    }
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::All => out.push(b'*'),
            Self::Address(address) => address.write(out),
        }
    }
}
