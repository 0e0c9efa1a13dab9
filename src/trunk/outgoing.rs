//! How a call to a trunk is written: the number dialled, whom From names, and the headers that tell the far side more.

use super::incoming::Caller;
use crate::config::{CallerShown, Trunk};
use crate::number::Number;
use voip_sip::endpoint::OutgoingCall;
use voip_sip::message::{Header, HeaderName};

/// Writes a call to `trunk`. `id` is the gateway's name for the call; `max_forwards` what is left of the caller's.
pub fn dialling(trunk: &Trunk, number: &Number, caller: &Caller, id: &str, max_forwards: u32) -> OutgoingCall {
    let (from_display, from_user) = match &trunk.outbound_caller {
        CallerShown::Pass => (caller.display.clone(), shown(&caller.number, trunk)),
        CallerShown::Username => (None, trunk.from_user.clone().unwrap_or_else(|| ANONYMOUS.to_owned())),
        CallerShown::Number(number) => (None, number.clone()),
    };
    let mut headers = Vec::new();
    let own = [(&trunk.caller_id_header, caller.number.to_string()), (&trunk.call_id_header, id.to_owned())];
    for (name, value) in own {
        if let Some(name) = name.as_deref().filter(|_| !value.is_empty()) {
            headers.push(Header { name: HeaderName::from_text(name), value: value.into() });
        }
    }
    OutgoingCall {
        user: number.write(trunk.number_format),
        from_display,
        from_user,
        from_host: trunk.from_domain.clone(),
        headers,
        max_forwards: Some(max_forwards),
    }
}

fn shown(caller: &Number, trunk: &Trunk) -> String {
    let written = caller.write(trunk.number_format);
    if written.is_empty() { ANONYMOUS.to_owned() } else { written }
}

/// The user of a From that names nobody (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "anonymous";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FixedEnvironment};

    fn trunks() -> (Trunk, Trunk) {
        let text = r#"
            [trunk.mango]
            server = "sip:vpbx400000000.mangosip.ru;transport=tcp"
            username = "eleven"
            password = "x"
            register = true
            identify = ["81.88.86.0/24"]
            number_format = "digits"
            [trunk.agent]
            server = "sip:sip.rtc.elevenlabs.io:5061;transport=tls"
            [[route]]
            from = "mango"
            to = "agent"
        "#;
        let mut trunks = Config::parse(text, "test.toml", &FixedEnvironment::default()).unwrap().trunks;
        let agent = trunks.pop().unwrap();
        (trunks.pop().unwrap(), agent)
    }

    fn caller(number: &str) -> Caller {
        Caller { number: Number::parse(number), display: Some("Anna".into()) }
    }

    fn header<'a>(dialling: &'a OutgoingCall, name: &'static str) -> Option<&'a str> {
        dialling.headers.iter().find(|h| h.name == HeaderName::other(name)).and_then(|h| h.value.as_str())
    }

    #[test]
    fn an_agent_is_told_the_callers_number_three_times_over() {
        let (_, agent) = trunks();
        let call = dialling(&agent, &Number::parse("84951234567"), &caller("79260577653"), "c-1", 69);
        assert_eq!((call.user.as_str(), call.from_user.as_str()), ("+74951234567", "+79260577653"));
        assert_eq!(call.from_display.as_deref(), Some("Anna"));
        assert_eq!(header(&call, "X-CALLER-ID"), Some("+79260577653"));
        assert_eq!(header(&call, "X-CALL-ID"), Some("c-1"));
        assert_eq!(call.max_forwards, Some(69));
    }

    #[test]
    fn a_carrier_is_told_the_login_it_knows_and_numbers_its_way() {
        let (mango, _) = trunks();
        let call = dialling(&mango, &Number::parse("+79150863586"), &caller("+74951234567"), "c-1", 70);
        assert_eq!((call.user.as_str(), call.from_user.as_str()), ("79150863586", "eleven"));
        assert_eq!(
            (call.from_display.as_deref(), call.from_host.as_deref()),
            (None, Some("vpbx400000000.mangosip.ru"))
        );
        assert_eq!((header(&call, "X-CALLER-ID"), header(&call, "X-CALL-ID")), (None, None));
    }

    #[test]
    fn a_caller_without_a_number_is_anonymous() {
        let (_, agent) = trunks();
        let nobody = Caller { number: Number::parse(""), display: None };
        let call = dialling(&agent, &Number::parse("101"), &nobody, "c-1", 70);
        assert_eq!((call.user.as_str(), call.from_user.as_str()), ("101", "anonymous"));
        assert_eq!(header(&call, "X-CALLER-ID"), None);
    }
}
