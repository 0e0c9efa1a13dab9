//! What an INVITE from a trunk says: which number it is for, and who calls.
//!
//! Carriers put the called number into different places (RFC 3261 §8.1.1.1 and §8.1.1.2, Diversion of RFC 5806, headers
//! of their own), and the Request-URI is often the login they know us by. So places are looked at in the configured
//! order for the first that holds a phone number; failing that, for the first that holds anything but our login.

use crate::config::{self, CalledNumberSource};
use crate::number::Number;
use voip_sip::message::header::{Diversion, From, PAssertedIdentity, To};
use voip_sip::message::{ByteStr, HeaderName, NameAddr, Request, Uri};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The number; empty or `anonymous` when it is withheld.
    pub number: Number,
    /// The display name, when it says more than the number.
    pub display: Option<String>,
}

/// The number that an INVITE from `trunk` is for. `None`: it names none.
pub fn called_number(request: &Request, trunk: &config::Trunk) -> Option<Number> {
    let found: Vec<Number> = trunk
        .called_number_from
        .iter()
        .filter_map(|source| candidate(request, source))
        .filter(|number| !number.as_written().is_empty() && !is_own_login(number, trunk))
        .collect();
    let phone = found.iter().position(Number::is_phone_number);
    found.into_iter().nth(phone.unwrap_or(0))
}

/// Who calls: the user of From, unless it is no phone number and the trunk asserts one (RFC 3325 §9.1). An identity
/// that the caller wants withheld is not used (RFC 3323 §4.2, RFC 3325 §7): the far side belongs to another domain.
pub fn caller(request: &Request) -> Caller {
    let from = request.headers.typed::<From>().ok().flatten();
    let shown = from.as_ref().and_then(|from| from.uri.user_name()).unwrap_or_default();
    let mut number = Number::parse(&shown);
    let withheld = ["id", "user", "header"].iter().any(|word| is_private(request, word));
    if !number.is_phone_number() && !withheld {
        let asserted = request
            .headers
            .list::<PAssertedIdentity>()
            .filter_map(|identity| Some(Number::parse(&identity.ok()?.uri.user_name()?)))
            .find(Number::is_phone_number);
        number = asserted.unwrap_or(number);
    }
    let display = from
        .and_then(|from| from.display.clone())
        .map(|display| display.to_str_lossy().trim().to_owned())
        .filter(|display| !display.is_empty() && Number::parse(display).to_string() != number.to_string());
    Caller { number, display }
}

/// Whether Privacy has `word`; its values are parted by semicolons (RFC 3323 §4.2).
fn is_private(request: &Request, word: &str) -> bool {
    request.headers.values(&HeaderName::Privacy).any(|value| {
        value
            .as_bytes()
            .split(|b| matches!(b, b';' | b','))
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    })
}

fn candidate(request: &Request, source: &CalledNumberSource) -> Option<Number> {
    let user = |address: Option<NameAddr>| address.and_then(|address| address.uri.user_name());
    let written = match source {
        CalledNumberSource::RequestUri => request.uri.user_name(),
        CalledNumberSource::To => user(request.headers.typed::<To>().ok().flatten().map(|to| to.0)),
        CalledNumberSource::Diversion => user(request.headers.typed::<Diversion>().ok().flatten().map(|d| d.0)),
        CalledNumberSource::Header(name) => {
            request.headers.value(&HeaderName::from_text(name)).and_then(number_in_value)
        }
    }?;
    Some(Number::parse(&written))
}

/// A number in a header of unknown make: a URI, a name with a URI, or the number itself.
fn number_in_value(value: &ByteStr) -> Option<String> {
    let text = value.to_str_lossy();
    let lower = text.to_ascii_lowercase();
    if lower.contains("sip:") || lower.contains("sips:") || lower.contains("tel:") {
        let uri = match NameAddr::parse(value) {
            Some(address) => Some(address.uri),
            None => Uri::parse(value),
        };
        return uri?.user_name();
    }
    Some(text.trim().trim_matches('"').to_owned())
}

fn is_own_login(number: &Number, trunk: &config::Trunk) -> bool {
    [&trunk.username, &trunk.auth_username, &Some(trunk.contact_user.clone())]
        .into_iter()
        .flatten()
        .any(|login| login.eq_ignore_ascii_case(number.as_written()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FixedEnvironment};
    use voip_sip::message::{Message, MessageLimits};

    fn trunk(places: &str) -> config::Trunk {
        let text = format!(
            "[trunk.a]\nserver = \"sip:192.0.2.1\"\nusername = \"user4\"\npassword = \"x\"\nidentify = [\"192.0.2.1\"]\n\
             called_number_from = {places}\n[trunk.b]\nserver = \"sip:192.0.2.2\"\n[[route]]\nfrom = \"a\"\nto = \"b\"\n"
        );
        Config::parse(&text, "test.toml", &FixedEnvironment::default()).unwrap().trunks.remove(0)
    }

    fn invite(uri: &str, to: &str, headers: &str) -> Request {
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nTo: {to}\r\n{headers}\
             Call-ID: a\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(text.into(), &MessageLimits::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    fn called(places: &str, uri: &str, to: &str, headers: &str) -> Option<String> {
        let headers = format!("From: <sip:79260577653@mangosip.ru>;tag=1\r\n{headers}");
        called_number(&invite(uri, to, &headers), &trunk(places)).map(|number| number.to_string())
    }

    const MANGO: &str = r#"["diversion", "to", "request-uri"]"#;

    #[test]
    fn the_called_number_is_found_wherever_the_carrier_put_it() {
        let number = Some("+74996382584".to_owned());
        let in_diversion = "Diversion: <sip:84996382584@mangosip.ru>;reason=unconditional\r\n";
        assert_eq!(called(MANGO, "sip:user4@192.0.2.9", "<sip:user4@a.ru>", in_diversion), number);
        assert_eq!(called(MANGO, "sip:user4@192.0.2.9", "<sip:84996382584@a.ru>", ""), number);
        assert_eq!(called(MANGO, "sip:84996382584@192.0.2.9", "<sip:user4@a.ru>", ""), number);
        assert_eq!(called(MANGO, "sip:user4@192.0.2.9", "<sip:user4@a.ru>", ""), None);
        let own = r#"["x-did", "request-uri"]"#;
        assert_eq!(called(own, "sip:user4@192.0.2.9", "<sip:user4@a.ru>", "X-DID: 4996382584\r\n"), number);
        assert_eq!(called(own, "sip:user4@h", "<sip:user4@a.ru>", "X-DID: \"D\" <sip:+74996382584@h>\r\n"), number);
        assert_eq!(called(own, "sip:84996382584@h", "<sip:user4@a.ru>", "X-DID: none\r\n"), number);
    }

    #[test]
    fn an_identifier_is_taken_where_no_place_holds_a_phone_number() {
        let places = r#"["to", "request-uri"]"#;
        assert_eq!(called(places, "sip:john@h", "<sip:user4@h>", ""), Some("john".into()));
        assert_eq!(called(places, "sip:1000@h", "<sip:101@h>", ""), Some("101".into()));
    }

    #[test]
    fn the_caller_is_in_from_or_asserted_unless_withheld() {
        let who = |headers: &str| caller(&invite("sip:1@h", "<sip:1@h>", headers));
        let plain = who("From: \"79260577653\" <sip:79260577653@mangosip.ru>;tag=1\r\n");
        assert_eq!((plain.number.to_string(), plain.display), ("+79260577653".into(), None));
        let named = who("From: \"Anna\" <sip:+79260577653@h>;tag=1\r\nP-Asserted-Identity: <tel:+74950000000>\r\n");
        assert_eq!((named.number.to_string(), named.display), ("+79260577653".into(), Some("Anna".into())));
        let asserted = "From: <sip:anonymous@anonymous.invalid>;tag=1\r\nP-Asserted-Identity: <tel:+79260577653>\r\n";
        assert_eq!(who(asserted).number.to_string(), "+79260577653");
        let withheld = format!("{asserted}Privacy: id;critical\r\n");
        assert_eq!(who(&withheld).number.to_string(), "anonymous");
    }
}
