//! Header field names, with their compact forms (RFC 3261 §7.3.3, §20).

use super::byte_str::ByteStr;
use std::fmt;

macro_rules! header_names {
    ($($variant:ident $name:literal $(compact $compact:literal)?),* $(,)?) => {
        /// The name of a header field. Names compare without regard to case, and a compact form equals its long one.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum HeaderName {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// Any other, as it came.
            Other(ByteStr),
        }

        impl HeaderName {
            /// The long form, as written.
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $(Self::$variant => $name.as_bytes(),)*
                    Self::Other(name) => name.as_bytes(),
                }
            }

            /// From a name of a message, in any case and either form.
            pub fn parse(name: &ByteStr) -> Self {
                Self::known(name.as_bytes()).unwrap_or_else(|| Self::Other(name.clone()))
            }

            fn known(name: &[u8]) -> Option<Self> {
                if let [letter] = name {
                    $($(if letter.eq_ignore_ascii_case(&$compact) { return Some(Self::$variant); })?)*
                    return None;
                }
                let first = name.first()?.to_ascii_uppercase();
                // The first letter and the length settle nearly all names before any comparison of whole names.
                $(if name.len() == $name.len() && first == $name.as_bytes()[0].to_ascii_uppercase()
                    && name.eq_ignore_ascii_case($name.as_bytes()) { return Some(Self::$variant); })*
                None
            }

            /// A number for each known name; `None` for others.
            const fn discriminant(&self) -> Option<u8> {
                #[derive(Clone, Copy)]
                enum Index { $($variant),* }
                match self {
                    $(Self::$variant => Some(Index::$variant as u8),)*
                    Self::Other(_) => None,
                }
            }
        }
    };
}

header_names! {
    Via "Via" compact b'v',
    From "From" compact b'f',
    To "To" compact b't',
    CallId "Call-ID" compact b'i',
    CSeq "CSeq",
    Contact "Contact" compact b'm',
    MaxForwards "Max-Forwards",
    ContentLength "Content-Length" compact b'l',
    ContentType "Content-Type" compact b'c',
    Route "Route",
    RecordRoute "Record-Route",
    Allow "Allow",
    Supported "Supported" compact b'k',
    Require "Require",
    ProxyRequire "Proxy-Require",
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    Server "Server",
    Expires "Expires",
    MinExpires "Min-Expires",
    SessionExpires "Session-Expires" compact b'x',
    MinSe "Min-SE",
    Authorization "Authorization",
    ProxyAuthorization "Proxy-Authorization",
    WwwAuthenticate "WWW-Authenticate",
    ProxyAuthenticate "Proxy-Authenticate",
    AuthenticationInfo "Authentication-Info",
    Accept "Accept",
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AlertInfo "Alert-Info",
    CallInfo "Call-Info",
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" compact b'e',
    ContentLanguage "Content-Language",
    Date "Date",
    ErrorInfo "Error-Info",
    InReplyTo "In-Reply-To",
    MimeVersion "MIME-Version",
    Organization "Organization",
    Priority "Priority",
    ReplyTo "Reply-To",
    RetryAfter "Retry-After",
    Subject "Subject" compact b's',
    Timestamp "Timestamp",
    Warning "Warning",
    Reason "Reason",
    Diversion "Diversion",
    HistoryInfo "History-Info",
    PAssertedIdentity "P-Asserted-Identity",
    PPreferredIdentity "P-Preferred-Identity",
    Privacy "Privacy",
    RemotePartyId "Remote-Party-ID",
    RSeq "RSeq",
    RAck "RAck",
    Event "Event" compact b'o',
    AllowEvents "Allow-Events" compact b'u',
    SubscriptionState "Subscription-State",
    ReferTo "Refer-To" compact b'r',
    ReferredBy "Referred-By" compact b'b',
    ReferSub "Refer-Sub",
    Replaces "Replaces",
    Path "Path",
    ServiceRoute "Service-Route",
    SipEtag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    InfoPackage "Info-Package",
    RecvInfo "Recv-Info",
}

impl HeaderName {
    /// A name that is not in this list.
    pub fn other(name: &'static str) -> Self {
        Self::known(name.as_bytes()).unwrap_or_else(|| Self::Other(ByteStr::from_static(name)))
    }

    /// A name given at run time: from configuration, say.
    pub fn from_text(name: &str) -> Self {
        Self::known(name.as_bytes()).unwrap_or_else(|| Self::Other(ByteStr::from(name)))
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        match (self.discriminant(), other.discriminant()) {
            (None, None) => self.as_bytes().eq_ignore_ascii_case(other.as_bytes()),
            (a, b) => a == b,
        }
    }
}

impl Eq for HeaderName {}

impl std::hash::Hash for HeaderName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for byte in self.as_bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_by_their_compact_form() {
        let name = |text: &str| HeaderName::parse(&ByteStr::from(text));
        assert_eq!(name("call-id"), HeaderName::CallId);
        assert_eq!(name("I"), HeaderName::CallId);
        assert_eq!(name("x"), HeaderName::SessionExpires);
        assert_eq!(name("CALLED_DID"), HeaderName::other("called_did"));
        assert_ne!(name("CALLED_DID"), HeaderName::CallId);
    }
}
