//! `[trunk.NAME]`: a carrier, a PBX or an agent's SIP service.

use super::gateway::{Media, SessionTimer};
use super::section::{Section, Source};
use super::tls::TlsClient;
use super::values::{self, ServerUri};
use super::{Context, secret};
use crate::number::NumberFormat;
use ipnet::IpNet;
use std::time::Duration;
use voip_core::codec::AudioCodec;
use voip_core::redact::Secret;

/// One trunk.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// The name in the section's title.
    pub name: String,
    /// `server`, then `fallback_servers`, in the order in which they are tried. Never empty.
    pub servers: Vec<ServerUri>,
    /// The login: digest user name, and user of the address of record.
    pub username: Option<String>,
    /// The digest user name, where it is not `username`. Filled in with `username` otherwise.
    pub auth_username: Option<String>,
    /// The digest password: ours towards the trunk, the trunk's towards us with [`Identify::Credentials`].
    pub password: Option<Secret>,
    /// Keep a binding at the server; `None`: do not register.
    pub registration: Option<Registration>,
    /// How calls from this trunk are known.
    pub identify: Identify,
    /// Codecs offered and accepted, the preferred first. Never empty.
    pub codecs: Vec<AudioCodec>,
    /// How digits travel.
    pub dtmf: Dtmf,
    /// Calls at the same time through this trunk, both directions; `None`: only the gateway's limit.
    pub max_calls: Option<u32>,
    /// How often the server is asked with OPTIONS; `None`: never.
    pub qualify_interval: Option<Duration>,
    /// How numbers are written towards this trunk.
    pub number_format: NumberFormat,
    /// Where the called number is looked for in an INVITE from this trunk, in this order. Never empty.
    pub called_number_from: Vec<CalledNumberSource>,
    /// Whom From names in calls to this trunk.
    pub outbound_caller: CallerShown,
    /// The user of From where it is not the caller: `from_user`, or `username`.
    pub from_user: Option<String>,
    /// The host of From; `None`: the address this gateway shows to the trunk.
    pub from_domain: Option<String>,
    /// The user of Contact.
    pub contact_user: String,
    /// The header that repeats the caller's number towards this trunk.
    pub caller_id_header: Option<String>,
    /// The header that carries the gateway's call id towards this trunk.
    pub call_id_header: Option<String>,
    /// How its TLS certificate is verified.
    pub tls: TlsClient,
    /// `[media]` with this trunk's overrides.
    pub media: Media,
    /// `[session_timer]` with this trunk's overrides.
    pub session_timer: SessionTimer,
}

/// How a registration is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The expiry asked for; what the registrar grants counts.
    pub expires: Duration,
    /// How long to wait after a failure, before back-off.
    pub retry_interval: Duration,
    /// How long to wait after 403: asking again soon gets an address banned.
    pub forbidden_retry_interval: Duration,
}

/// How calls from a trunk are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identify {
    /// Not at all: it never calls us.
    Never,
    /// By source address, the longest prefix of all trunks first; never challenged. Networks are never empty.
    Address(Vec<IpNet>),
    /// By digest with `username` and `password`; if networks are given, only from them.
    Credentials(Vec<IpNet>),
}

/// How digits travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtmf {
    /// As telephone events (RFC 4733).
    Rfc4733,
    /// Not at all, besides what the audio itself carries.
    Off,
}

/// Where a called number is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalledNumberSource {
    /// The user of the Request-URI.
    RequestUri,
    /// The user of To.
    To,
    /// The user of the topmost Diversion (RFC 5806 §4).
    Diversion,
    /// Another header, whose value is a number, a URI or a name with a URI; in lower case.
    Header(String),
}

/// Whom From names towards a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerShown {
    /// The caller's number, as it came in.
    Pass,
    /// [`Trunk::from_user`].
    Username,
    /// Always this number.
    Number(String),
}

impl Trunk {
    pub(super) fn read(
        name: &str,
        section: &mut Section<'_>,
        context: &Context<'_>,
        media: &Media,
        session_timer: &SessionTimer,
    ) -> Option<Self> {
        let servers = read_servers(section);
        let user = |text: &str| {
            if !values::is_user_part(text) {
                return Err("holds characters that a SIP user cannot have; stray blanks, perhaps".to_owned());
            }
            Ok(text.to_owned())
        };
        let username = section.parse("username", "username = \"eleven\"", user);
        let auth_username = section.parse("auth_username", "auth_username = \"eleven\"", user);
        let password = secret::read(section, "password", context);
        let registration = read_registration(section);
        let identify = read_identify(section);
        let codecs = read_codecs(section);
        let dtmf = section.choice("dtmf", &[("rfc4733", Dtmf::Rfc4733), ("off", Dtmf::Off)]);
        let max_calls = section.whole("max_calls", 1..=100_000, "max_calls = 5");
        let qualify = section.seconds("qualify_interval", 0..=86_400, "qualify_interval = 60 (0: off)");
        let number_format = section.choice("number_format", &NumberFormat::WORDS);
        let called_number_from = read_called_number_from(section);
        let outbound_caller = section.text("outbound_caller", "outbound_caller = \"pass\"").map(|text| match text {
            "pass" => Ok(CallerShown::Pass),
            "username" => Ok(CallerShown::Username),
            number if values::is_user_part(number) && number.bytes().any(|c| c.is_ascii_digit()) => {
                Ok(CallerShown::Number(number.to_owned()))
            }
            other => Err(other),
        });
        let outbound_caller = match outbound_caller {
            Some(Err(text)) => {
                let advice = "write \"pass\" (the caller's number), \"username\" (the login) or a number";
                section.mistake("outbound_caller", format!("\"{text}\" is not known here"), advice);
                None
            }
            Some(Ok(caller)) => Some(caller),
            None => None,
        };
        let from_user = section.parse("from_user", "from_user = \"74951234567\"", user);
        let host = |text: &str| match ServerUri::parse(&format!("sip:{text}")) {
            Ok(ServerUri { port: None, .. }) if !text.contains([';', '@']) => Ok(text.to_ascii_lowercase()),
            Ok(_) | Err(_) => Err("is not a host name or address alone".to_owned()),
        };
        let from_domain = section.parse("from_domain", "from_domain = \"sip.example.com\"", host);
        let contact_user = section.parse("contact_user", "contact_user = \"eleven\"", user);
        let registers = registration.is_some();
        let mut header = |key, default: &str| read_header_name(section, key, default, registers);
        let caller_id_header = header("caller_id_header", "X-CALLER-ID");
        let call_id_header = header("call_id_header", "X-CALL-ID");
        let tls = TlsClient::read(section, context);
        refuse_srtp(section);
        let media = media.read(section);
        let session_timer = match section.take_table("session_timer", "session_timer = { expires = 600 }") {
            Some(mut own) => session_timer.read(&mut own),
            None => session_timer.clone(),
        };
        section.finish();

        let servers = servers?;
        let domain = registration.is_some().then(|| servers[0].uri_host());
        Some(Self {
            name: name.to_owned(),
            auth_username: auth_username.or_else(|| username.clone()),
            password,
            identify,
            codecs,
            dtmf: dtmf.unwrap_or(Dtmf::Rfc4733),
            max_calls,
            qualify_interval: qualify.filter(|interval| !interval.is_zero()),
            number_format: number_format.unwrap_or_default(),
            called_number_from,
            // Whom a carrier registered is whom it lets call: other names in From get 403 from many.
            outbound_caller: outbound_caller.unwrap_or(if registers {
                CallerShown::Username
            } else {
                CallerShown::Pass
            }),
            from_user: from_user.or_else(|| username.clone()),
            from_domain: from_domain.or(domain),
            contact_user: contact_user.or_else(|| username.clone()).unwrap_or_else(|| "voip".to_owned()),
            caller_id_header,
            call_id_header,
            tls,
            media,
            session_timer,
            servers,
            username,
            registration,
        })
    }

    /// The server tried first.
    pub fn server(&self) -> &ServerUri {
        &self.servers[0]
    }
}

/// Names appear in titles, logs and records, so they are kept simple.
pub(super) fn check_name(name: &str, place: usize, source: &Source<'_>) {
    let simple = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
    if !simple || name.is_empty() || name.len() > 40 {
        source.mistake(
            place,
            &format!("trunk.{name}"),
            "is no name for a trunk",
            "use up to 40 letters, digits, - and _, for example: [trunk.mango]",
        );
    }
}

fn read_servers(section: &mut Section<'_>) -> Option<Vec<ServerUri>> {
    let example = "server = \"sip:sip.example.com;transport=tcp\"";
    section.require("server", example);
    let server = section.parse("server", example, ServerUri::parse);
    let fallback = "fallback_servers = [\"sip:sip2.example.com;transport=tcp\"]";
    let fallback = section.list("fallback_servers", fallback, ServerUri::parse).unwrap_or_default();
    let mut servers = vec![server?];
    for server in fallback {
        if servers.contains(&server) {
            section.warning("fallback_servers", format!("{server} is written twice"), "leave it out");
        } else {
            servers.push(server);
        }
    }
    Some(servers)
}

fn read_registration(section: &mut Section<'_>) -> Option<Registration> {
    let register = section.flag("register");
    let expires = section.seconds("expires", 30..=86_400, "expires = 120");
    let retry = section.seconds("retry_interval", 1..=86_400, "retry_interval = 60");
    let forbidden = section.seconds("forbidden_retry_interval", 1..=86_400, "forbidden_retry_interval = 600");
    if register != Some(true) {
        for key in ["expires", "retry_interval", "forbidden_retry_interval"] {
            if section.has(key) {
                section.warning(key, "has no effect: this trunk does not register", "write register = true");
            }
        }
        return None;
    }
    Some(Registration {
        expires: expires.unwrap_or(Duration::from_secs(120)),
        retry_interval: retry.unwrap_or(Duration::from_secs(60)),
        forbidden_retry_interval: forbidden.unwrap_or(Duration::from_secs(600)),
    })
}

fn read_identify(section: &mut Section<'_>) -> Identify {
    let networks = section.list("identify", "identify = [\"81.88.86.0/24\"]", values::network).unwrap_or_default();
    #[derive(Clone)]
    enum By {
        Address,
        Credentials,
    }
    let by = section.choice("identify_by", &[("address", By::Address), ("credentials", By::Credentials)]);
    match by {
        Some(By::Credentials) => Identify::Credentials(networks),
        Some(By::Address) | None if !networks.is_empty() => Identify::Address(networks),
        Some(By::Address) => {
            if !section.has("identify") {
                let advice = "add the networks it calls from: identify = [\"81.88.86.0/24\"]";
                section.mistake("identify_by", "identifies by address, and there are no addresses", advice);
            }
            Identify::Never
        }
        None => Identify::Never,
    }
}

fn read_codecs(section: &mut Section<'_>) -> Vec<AudioCodec> {
    let supported = [AudioCodec::Pcma, AudioCodec::Pcmu];
    let codecs = section.list("codecs", "codecs = [\"pcma\", \"pcmu\"]", |text| {
        let known = AudioCodec::ALL.into_iter().find(|codec| codec.encoding_name().eq_ignore_ascii_case(text));
        match known {
            Some(codec) if supported.contains(&codec) => Ok(codec),
            Some(codec) => Err(format!("arrives with a later version: {codec} is not yet carried")),
            None if text.eq_ignore_ascii_case("alaw") => Err("is called pcma here".to_owned()),
            None if text.eq_ignore_ascii_case("ulaw") => Err("is called pcmu here".to_owned()),
            None => Err("is not a codec known here".to_owned()),
        }
    });
    let mut codecs = codecs.unwrap_or_else(|| supported.to_vec());
    let mut seen = Vec::new();
    codecs.retain(|codec| {
        let first = !seen.contains(codec);
        seen.push(*codec);
        first
    });
    if codecs.is_empty() && section.has("codecs") {
        section.mistake("codecs", "names no codec", "write, for example: codecs = [\"pcma\", \"pcmu\"]");
    }
    codecs
}

fn read_called_number_from(section: &mut Section<'_>) -> Vec<CalledNumberSource> {
    let example = "called_number_from = [\"diversion\", \"to\", \"request-uri\"]";
    let sources = section.list("called_number_from", example, |text| {
        match text.to_ascii_lowercase().as_str() {
            "request-uri" | "request_uri" => Ok(CalledNumberSource::RequestUri),
            "to" => Ok(CalledNumberSource::To),
            "diversion" => Ok(CalledNumberSource::Diversion),
            // RFC 3261 §25.1 token; the underscore is part of it, as in CALLED_DID.
            header if is_token(header) => Ok(CalledNumberSource::Header(header.to_owned())),
            _ => Err("is not the name of a header".to_owned()),
        }
    });
    match sources {
        Some(sources) if !sources.is_empty() => sources,
        Some(_) => {
            section.mistake("called_number_from", "names no place to look", format!("write, for example: {example}"));
            vec![CalledNumberSource::RequestUri]
        }
        None => vec![CalledNumberSource::RequestUri],
    }
}

fn read_header_name(section: &mut Section<'_>, key: &'static str, default: &str, registers: bool) -> Option<String> {
    let example = format!("{key} = \"{default}\"");
    if !section.has(key) {
        section.take(key);
        // A carrier has no use for them, and a caller may not want his number repeated there.
        return (!registers).then(|| default.to_owned());
    }
    let name = section.parse(key, &example, |text| {
        // Headers that the stack itself writes would become contradictory if they came twice.
        if is_token(text) && (text == "off" || text.len() > 2 && text[..2].eq_ignore_ascii_case("x-")) {
            Ok(text.to_owned())
        } else {
            Err("is not the name of a header that begins with X-, nor \"off\"".to_owned())
        }
    });
    name.filter(|name| name != "off")
}

/// SRTP arrives with a later version; until then a wish for it must not be silently ignored.
fn refuse_srtp(section: &mut Section<'_>) {
    let Some(mode) =
        section.choice("srtp", &[("disabled", None), ("optional", Some("optional")), ("required", Some("required"))])
    else {
        return;
    };
    if let Some(mode) = mode {
        section.mistake(
            "srtp",
            format!("\"{mode}\" arrives with a later version: this one carries RTP without encryption"),
            "write srtp = \"disabled\", and allow unencrypted media at the far side",
        );
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&c))
}
