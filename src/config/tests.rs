//! The contract file with every value checked, and the wording of mistakes.

use super::*;
use crate::number::{Number, NumberFormat};
use std::time::Duration;
use voip_core::codec::AudioCodec;
use voip_core::net::Transport;

const CONTRACT: &str = include_str!("tests/contract.toml");

fn environment() -> FixedEnvironment {
    let issued = rcgen::generate_simple_self_signed(vec!["gateway.example.com".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["other.example.com".to_owned()]).unwrap();
    FixedEnvironment { user_id: Some(1000), ..FixedEnvironment::default() }
        .with_variable("MANGO_PASSWORD", "first-secret")
        .with_variable("ELEVENLABS_SIP_PASSWORD", "two")
        .with_variable("EMPTY", "")
        .with_file("/etc/voip/fullchain.pem", issued.cert.pem())
        .with_file("/etc/voip/privkey.pem", issued.signing_key.serialize_pem())
        .with_file("/etc/voip/other-key.pem", other.signing_key.serialize_pem())
        .with_file("/etc/voip/ca.pem", other.cert.pem())
        .with_file("/etc/voip/password.txt", "third-secret\n")
        .with_file("/etc/voip/empty.txt", "\n")
        .with_file("/etc/voip/junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "/etc/voip/gateway.toml", &environment())
}

/// A small right configuration with `trunk` lines put into its trunk, `rest` after it.
fn with(trunk: &str, rest: &str) -> Result<Config, ConfigError> {
    parse(&format!(
        "[trunk.a]\nserver = \"sip:192.0.2.1\"\nidentify = [\"192.0.2.1\"]\n{trunk}\n[trunk.b]\nserver = \"sip:192.0.2.2\"\n[[route]]\nfrom = \"a\"\nto = \"b\"\n{rest}\n"
    ))
}

fn mistakes(result: Result<Config, ConfigError>) -> String {
    result.unwrap_err().to_string().replace("/etc/voip/", "")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_contract_file_is_read_to_the_last_value() {
    let config = parse(CONTRACT).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings, []);

    let gateway = &config.gateway;
    assert_eq!(gateway.public_address, Some("203.0.113.10".parse().unwrap()));
    let networks: Vec<String> = gateway.local_networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]);
    assert_eq!(gateway.rtp_ports, PortRange { first: 10_000, last: 20_000 });
    assert_eq!(gateway.rtp_ports.pairs(), 5000);
    assert_eq!(gateway.user_agent, "voip");
    assert_eq!(gateway.log.as_str(), "info");
    assert_eq!(gateway.unknown_sources, UnknownSources::Ignore);
    assert_eq!(gateway.max_calls, 500);

    let listens: Vec<_> =
        config.listen.iter().map(|l| (l.transport, l.bind.to_string(), l.identity.is_some())).collect();
    let any = |port| format!("0.0.0.0:{port}");
    assert_eq!(
        listens,
        [(Transport::Udp, any(5060), false), (Transport::Tcp, any(5060), false), (Transport::Tls, any(5061), true)]
    );
    let identity = config.listen[2].identity.as_ref().unwrap();
    assert_eq!(identity.certificate, Path::new("/etc/voip/fullchain.pem"));
    assert_eq!(identity.private_key, Path::new("/etc/voip/privkey.pem"));

    let names: Vec<_> = config.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    assert_eq!(names, ["mango", "elevenlabs"]);
    let mango = config.trunk("mango").unwrap();
    assert_eq!(mango.server().to_string(), "sip:vpbx400000000.mangosip.ru;transport=tcp");
    assert_eq!(mango.servers[1].to_string(), "sip:vpbx400000000.mangosip.ru:60000;transport=udp");
    assert_eq!(mango.username.as_deref(), Some("eleven"));
    assert_eq!(mango.auth_username.as_deref(), Some("eleven"));
    assert_eq!(mango.password.as_ref().unwrap().expose(), "first-secret");
    let registration =
        Registration { expires: seconds(120), retry_interval: seconds(60), forbidden_retry_interval: seconds(600) };
    assert_eq!(mango.registration, Some(registration));
    let networks = ["81.88.86.0/24", "81.88.88.0/24"].map(|net| net.parse().unwrap());
    assert_eq!(mango.identify, Identify::Address(networks.to_vec()));
    assert_eq!(mango.codecs, [AudioCodec::Pcma, AudioCodec::Pcmu]);
    assert_eq!(mango.dtmf, Dtmf::Rfc4733);
    assert_eq!(mango.max_calls, Some(5));
    assert_eq!(mango.qualify_interval, Some(seconds(60)));
    assert_eq!(mango.number_format, NumberFormat::Digits);
    use CalledNumberSource as From;
    assert_eq!(mango.called_number_from, [From::Diversion, From::To, From::RequestUri]);
    assert_eq!(mango.outbound_caller, CallerShown::Username);
    assert_eq!(mango.from_user.as_deref(), Some("eleven"));
    assert_eq!(mango.from_domain.as_deref(), Some("vpbx400000000.mangosip.ru"));
    assert_eq!(mango.contact_user, "eleven");
    assert_eq!(mango.caller_id_header, None);
    assert_eq!(mango.media, config.media);

    let agent = config.trunk("elevenlabs").unwrap();
    assert_eq!(agent.server().to_string(), "sip:sip.rtc.elevenlabs.io:5061;transport=tls");
    assert_eq!(agent.password.as_ref().unwrap().expose(), "two");
    assert_eq!(agent.registration, None);
    assert_eq!(agent.identify, Identify::Credentials(Vec::new()));
    assert!(agent.tls.verify && agent.tls.extra_roots.is_none());
    assert_eq!(agent.number_format, NumberFormat::Plus);
    assert_eq!(agent.called_number_from, [From::RequestUri]);
    assert_eq!(agent.outbound_caller, CallerShown::Pass);
    assert_eq!(agent.from_domain, None);
    assert_eq!(agent.max_calls, None);
    assert_eq!(agent.qualify_interval, None);
    assert_eq!(agent.caller_id_header.as_deref(), Some("X-CALLER-ID"));
    assert_eq!(agent.call_id_header.as_deref(), Some("X-CALL-ID"));

    let media = Media {
        rtp_timeout: Some(seconds(8)),
        rtp_timeout_hold: Some(seconds(12)),
        rtp_keepalive: Some(seconds(1)),
        symmetric: true,
    };
    assert_eq!(config.media, media);
    let timer = SessionTimer { min_se: seconds(90), expires: seconds(1800) };
    assert_eq!(config.session_timer, timer);
    assert_eq!(config.limits, Limits::default());

    let [out, back] = &config.routes[..] else { panic!("two routes") };
    assert_eq!((out.from.as_str(), out.to.as_str()), ("mango", "elevenlabs"));
    assert_eq!(out.number.as_deref(), Some("+74951234567"));
    assert_eq!(out.ring_timeout, seconds(90));
    assert_eq!((back.from.as_str(), back.to.as_str()), ("elevenlabs", "mango"));
    assert_eq!(back.number, None);
    assert_eq!(back.ring_timeout, seconds(90));
    assert_eq!(back.max_duration, None);
}

#[test]
fn what_is_left_out_takes_its_default() {
    let config = parse("").unwrap();
    let listens: Vec<_> = config.listen.iter().map(|listen| (listen.transport, listen.bind.port())).collect();
    assert_eq!(listens, [(Transport::Udp, 5060), (Transport::Tcp, 5060)]);
    assert_eq!(config.gateway.call_records, CallRecords::Stdout);
    assert_eq!(config.gateway.status_socket.as_deref(), Some(Path::new("/tmp/voip-1000/status.sock")));
    assert_eq!(config.gateway.shutdown_timeout, seconds(4));
    assert_eq!(config.gateway.media_threads, 1);
    assert_eq!(config.gateway.rtp_gather, Duration::from_micros(750));
    assert_eq!(config.media, Media::default());
    assert_eq!(config.warnings[0].problem, "there is no route: every call is refused");
}

#[test]
fn a_trunk_overrides_what_sections_set_for_all() {
    let config = with(
        "rtp_timeout = 0\nsymmetric = false\nsession_timer = { expires = 600 }\noutbound_caller = \"84951234567\"\n\
         called_number_from = [\"CALLED_DID\", \"to\"]",
        "match = \"+7495*\"\nmax_duration = 3600\n[media]\nrtp_timeout = 30\nrtp_keepalive = 0.5\n[session_timer]\nmin_se = 120\n[gateway]\nstatus_socket = \"off\"\ncall_records = \"calls.jsonl\"",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let (a, b) = (config.trunk("a").unwrap(), config.trunk("b").unwrap());
    assert_eq!((a.media.rtp_timeout, a.media.symmetric), (None, false));
    assert_eq!((b.media.rtp_timeout, b.media.symmetric), (Some(seconds(30)), true));
    assert_eq!(a.media.rtp_keepalive, Some(Duration::from_millis(500)));
    assert_eq!(a.session_timer, SessionTimer { min_se: seconds(120), expires: seconds(600) });
    assert_eq!(b.session_timer, config.session_timer);
    assert_eq!(a.outbound_caller, CallerShown::Number("84951234567".to_owned()));
    assert_eq!(a.called_number_from, [CalledNumberSource::Header("called_did".to_owned()), CalledNumberSource::To]);
    assert_eq!(a.identify, Identify::Address(vec!["192.0.2.1/32".parse().unwrap()]));
    assert!(config.routes[0].matching.as_ref().unwrap().matches(&Number::parse("84951112233")));
    assert_eq!(config.routes[0].max_duration, Some(seconds(3600)));
    assert_eq!(config.gateway.status_socket, None);
    assert_eq!(config.gateway.call_records, CallRecords::File("/etc/voip/calls.jsonl".into()));
}

#[test]
fn a_password_comes_from_a_file_a_variable_or_the_text() {
    for (written, secret) in [
        ("{ file = \"password.txt\" }", "third-secret"),
        ("\"fourth-secret\"", "fourth-secret"),
        ("{ env = \"MANGO_PASSWORD\" }", "first-secret"),
    ] {
        let config = with(&format!("username = \"u\"\npassword = {written}"), "").unwrap();
        assert_eq!(config.trunks[0].password.as_ref().unwrap().expose(), secret);
        assert!(!format!("{config:?}").contains(secret), "Debug shows a secret");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    assert_eq!(
        mistakes(parse("[gateway]\nmax_cals = 5\n\n[gatewy]\n")),
        "gateway.toml:2:1: gateway.max_cals: [gateway] has no key \"max_cals\"\n    \
         did you mean \"max_calls\"? known: public_address, local_networks, rtp_ports, user_agent, log, \
         unknown_sources, max_calls, call_records, status_socket, shutdown_timeout, media_threads, rtp_gather_us\n\
         gateway.toml:4:2: gatewy: this file has no key \"gatewy\"\n    \
         did you mean \"gateway\"? known: gateway, listen, trunk, media, session_timer, route, limits"
    );
}

#[test]
fn a_wrong_type_says_what_was_found_and_what_would_do() {
    assert_eq!(
        mistakes(parse(
            "[gateway]\nmax_calls = \"many\"\nrtp_ports = 10000\npublic_address = \"gw.example.com\"\nlocal_networks = \"10.0.0.0/8\"\n[media]\nsymmetric = 1\nrtp_timeout = -1"
        )),
        "gateway.toml:2:13: gateway.max_calls: is the text \"many\", not a whole number\n    \
         write, for example: max_calls = 500\n\
         gateway.toml:3:13: gateway.rtp_ports: is the number 10000, not text\n    \
         write, for example: rtp_ports = \"10000-20000\"\n\
         gateway.toml:4:18: gateway.public_address: \"gw.example.com\" is not an IP address; a host name will not do here\n    \
         write, for example: public_address = \"203.0.113.10\"\n\
         gateway.toml:5:18: gateway.local_networks: is the text \"10.0.0.0/8\", not a list\n    \
         write, for example: local_networks = [\"10.0.0.0/8\"]\n\
         gateway.toml:7:13: media.symmetric: is the number 1, not true or false\n    \
         write, for example: symmetric = true\n\
         gateway.toml:8:15: media.rtp_timeout: -1 is out of bounds\n    \
         write seconds from 0 to 86400, for example: rtp_timeout = 8 (0: never)"
    );
}

#[test]
fn broken_toml_is_placed_and_does_not_show_the_line() {
    let text = mistakes(parse("[trunk.a]\npassword = \"hush hush\n"));
    assert!(text.starts_with("gateway.toml:2:"), "{text}");
    assert!(!text.contains("hush"), "{text}");
    let text = mistakes(parse("[gateway]\nlog = \"info\"\nlog = \"debug\"\n"));
    assert!(text.starts_with("gateway.toml:3:1: duplicate key"), "{text}");
}

#[test]
fn a_route_to_nowhere_names_the_nearest_trunk() {
    assert_eq!(
        mistakes(with("", "[[route]]\nfrom = \"a\"\nto = \"bb\"")),
        "gateway.toml:12:6: route[2].to: there is no [trunk.bb]\n    did you mean \"b\"? known: a, b"
    );
    assert_eq!(
        mistakes(parse("[[route]]\nfrom = \"mango\"")),
        "gateway.toml:1:1: route[1].to: is missing\n    write, for example: to = \"elevenlabs\"\n\
         gateway.toml:2:8: route[1].from: there is no [trunk.mango]\n    add a section [trunk.mango]"
    );
    assert_eq!(
        mistakes(with("", "[[route]]\nfrom = \"a\"\nto = \"b\"\nmatch = \"+7*\"\n[[route]]\nfrom = \"b\"\nto = \"a\"")),
        "gateway.toml:11:8: route[2].from: this route is never taken: route[1] already takes these calls from a\n    \
         put routes with a match first, and one without a match last\n\
         gateway.toml:15:8: route[3].from: calls from b cannot be told from a stranger's\n    \
         add to [trunk.b]: identify = [\"NETWORK/LENGTH\"] or identify_by = \"credentials\""
    );
}

#[test]
fn secrets_that_are_not_there_are_named_with_the_key_that_wants_them() {
    let trunk = |password: &str| mistakes(with(&format!("username = \"u\"\npassword = {password}"), ""));
    assert_eq!(
        trunk("{ env = \"NO_SUCH\" }"),
        "gateway.toml:5:20: trunk.a.password.env: the environment variable NO_SUCH is not set\n    \
         set it before starting: export NO_SUCH=..."
    );
    assert!(trunk("{ env = \"EMPTY\" }").contains("the environment variable EMPTY is empty"));
    assert!(
        trunk("{ file = \"nowhere.txt\" }")
            .contains("trunk.a.password.file: nowhere.txt cannot be read: there is no such file")
    );
    assert!(trunk("{ file = \"empty.txt\" }").contains("empty.txt is empty"));
    assert!(trunk("{ file = \"password.txt\", env = \"EMPTY\" }").contains("has both env and file"));
    assert!(trunk("{ enw = \"EMPTY\" }").contains("[trunk.a.password] has no key \"enw\"\n    did you mean \"env\"?"));
    assert!(trunk("{ }").contains("says nowhere to find the password"));
    assert!(trunk("\"\"").contains("trunk.a.password: is empty"));
    let text = trunk("12345678");
    assert!(
        text.contains("trunk.a.password: is a value like a number, not a table") && !text.contains("12345678"),
        "{text}"
    );
}

#[test]
fn credentials_must_be_whole() {
    assert_eq!(
        mistakes(with("password = \"x\"", "")),
        "gateway.toml:4:12: trunk.a.password: there is a password and no username\n    add, for example: username = \"eleven\""
    );
    assert!(mistakes(with("register = true", "")).contains("a trunk that registers needs a username"));
    assert!(mistakes(with("identify_by = \"credentials\"", "")).contains("and there are none"));
    let other =
        "[trunk.c]\nserver = \"sip:192.0.2.3\"\nusername = \"u\"\npassword = \"p\"\nidentify_by = \"credentials\"";
    let text = mistakes(with("username = \"u\"\npassword = \"p\"\nidentify_by = \"credentials\"", other));
    assert!(text.contains("trunk.c.username: \"u\" already identifies calls of [trunk.a]"), "{text}");
    assert!(mistakes(with("username = \"eleven \"", "")).contains("stray blanks"));
}

#[test]
fn srtp_and_unsupported_codecs_are_refused_clearly() {
    assert_eq!(
        mistakes(with("srtp = \"required\"\ncodecs = [\"pcma\", \"g722\", \"alaw\", \"gsm\"]", "")),
        "gateway.toml:4:8: trunk.a.srtp: \"required\" arrives with a later version: this one carries RTP without encryption\n    \
         write srtp = \"disabled\", and allow unencrypted media at the far side\n\
         gateway.toml:5:19: trunk.a.codecs: \"g722\" arrives with a later version: G722 is not yet carried\n    \
         write, for example: codecs = [\"pcma\", \"pcmu\"]\n\
         gateway.toml:5:27: trunk.a.codecs: \"alaw\" is called pcma here\n    write, for example: codecs = [\"pcma\", \"pcmu\"]\n\
         gateway.toml:5:35: trunk.a.codecs: \"gsm\" is not a codec known here\n    write, for example: codecs = [\"pcma\", \"pcmu\"]"
    );
    assert!(with("srtp = \"disabled\"", "").is_ok());
}

#[test]
fn listeners_must_not_collide() {
    let text = "[gateway]\nrtp_ports = \"5000-9000\"\nmax_calls = 10\n\
        [[listen]]\ntransport = \"udp\"\nbind = \"0.0.0.0:5060\"\n\
        [[listen]]\ntransport = \"udp\"\nbind = \"192.0.2.1:5060\"\n\
        [[listen]]\ntransport = \"tcp\"\nbind = \"0.0.0.0\"\ncertificate = \"x.pem\"\n[[listen]]\ntransport = \"sctp\"";
    assert_eq!(
        mistakes(parse(text)),
        "gateway.toml:6:8: listen[1].bind: port 5060 lies within rtp_ports\n    \
         choose rtp_ports above it, for example: rtp_ports = \"10000-20000\"\n\
         gateway.toml:9:8: listen[2].bind: 192.0.2.1:5060 is already taken by listen[1]\n    \
         TCP and TLS share their ports: give each listener an address and port of its own\n\
         gateway.toml:9:8: listen[2].bind: port 5060 lies within rtp_ports\n    \
         choose rtp_ports above it, for example: rtp_ports = \"10000-20000\"\n\
         gateway.toml:12:8: listen[3].bind: \"0.0.0.0\" is not an IP address with a port\n    \
         write, for example: bind = \"0.0.0.0:5060\"\n\
         gateway.toml:13:15: listen[3].certificate: is for TLS only\n    \
         write transport = \"tls\", or leave the key out\n\
         gateway.toml:14:1: listen[4].bind: is missing\n    write, for example: bind = \"0.0.0.0:5060\"\n\
         gateway.toml:15:13: listen[4].transport: \"sctp\" is not known here\n    did you mean \"tcp\"? known: udp, tcp, tls"
    );
}

#[test]
fn certificates_are_read_and_matched_before_anything_listens() {
    let tls = |certificate: &str, key: &str| {
        let text = format!(
            "[[listen]]\ntransport = \"tls\"\nbind = \"0.0.0.0:5061\"\ncertificate = \"{certificate}\"\nprivate_key = \"{key}\""
        );
        parse(&text)
    };
    assert!(tls("fullchain.pem", "privkey.pem").is_ok());
    for (certificate, key, problem) in [
        ("nowhere.pem", "privkey.pem", "listen[1].certificate: nowhere.pem cannot be read: there is no such file"),
        ("junk.pem", "privkey.pem", "listen[1].certificate: junk.pem: certificate 1 in it cannot be read"),
        ("password.txt", "privkey.pem", "listen[1].certificate: password.txt holds no certificate"),
        ("fullchain.pem", "fullchain.pem", "listen[1].private_key: fullchain.pem holds no private key"),
        ("fullchain.pem", "other-key.pem", "listen[1].private_key: the key does not belong to the certificate"),
    ] {
        let text = mistakes(tls(certificate, key));
        assert!(text.contains(problem), "{text}");
    }
    assert!(mistakes(with("tls = { extra_roots = \"junk.pem\" }", "")).contains("trunk.a.tls.extra_roots: junk.pem"));
    let config = with("tls = { extra_roots = \"ca.pem\" }", "").unwrap();
    assert_eq!(config.trunks[0].tls.extra_roots.as_deref(), Some(Path::new("/etc/voip/ca.pem")));
}

#[test]
fn two_trunks_cannot_claim_one_network() {
    let other = "[trunk.c]\nserver = \"sip:192.0.2.3\"\nidentify = [\"192.0.2.1/32\"]";
    let text = mistakes(with("", other));
    assert!(text.contains("trunk.c.identify: 192.0.2.1/32 is already claimed by [trunk.a]"), "{text}");
    assert!(with("", &other.replace("/32", "/24")).is_ok(), "a longer prefix wins");
    assert!(
        mistakes(
            with("identify_by = \"address\"", "")
                .and_then(|_| parse("[trunk.a]\nserver=\"sip:h\"\nidentify_by = \"address\""))
        )
        .contains("there are no addresses")
    );
    assert!(
        mistakes(parse("[trunk.a]\nserver=\"sip:h\"\nidentify = [\"1.2.3.4/40\", 5]"))
            .contains("prefix length from 0 to 32")
    );
}

#[test]
fn ports_servers_and_timers_are_judged() {
    let config = with("", "[gateway]\nrtp_ports = \"10001-10010\"").unwrap();
    assert_eq!(
        config.warnings[0].to_string().replace("/etc/voip/", ""),
        "gateway.toml:11:13: gateway.rtp_ports: has room for 2 calls, and max_calls is 500\n    \
         a call takes four ports: widen rtp_ports to 2000 ports or more, or lower max_calls"
    );
    for (ports, problem) in [
        ("20000-10000", "ends before it begins"),
        ("10000", "is no range of ports"),
        ("10001-10004", "has no room for one call"),
        ("0-100", "is no range of ports"),
        ("10000-70000", "is no range of ports"),
    ] {
        let text = mistakes(with("", &format!("[gateway]\nrtp_ports = \"{ports}\"")));
        assert!(text.contains(problem), "{text}");
    }
    let tcp_only = "[[listen]]\ntransport = \"tcp\"\nbind = \"0.0.0.0:5060\"";
    assert!(mistakes(with("", tcp_only)).contains("is reached over UDP, and there is no [[listen]]"));
    assert!(mistakes(parse("[trunk.a]\nserver = \"sip.novofon.ru\"")).contains("does not begin with sip:"));
    assert!(mistakes(with("", "[session_timer]\nmin_se = 60")).contains("write a whole number from 90 to 86400"));
    assert!(
        mistakes(with("", "[session_timer]\nexpires = 90\nmin_se = 200"))
            .contains("expires (90 s) is below min_se (200 s)")
    );
    assert!(mistakes(with("", "[gateway]\nlog = \"loud\"")).contains("\"loud\" is none of off, error"));
    assert!(mistakes(parse("[trunk.\"a b\"]\nserver = \"sip:h\"")).contains("is no name for a trunk"));
    assert!(
        mistakes(parse("[trunk]\nserver = \"sip:h\"")).contains("trunk.server: is the text \"sip:h\", not a table")
    );
    assert!(mistakes(with("caller_id_header = \"From\"", "")).contains("begins with X-"));
    assert!(mistakes(with("from_domain = \"sip:x\"", "")).contains("is not a host name"));
}

#[test]
fn the_file_itself_must_be_there_and_be_text() {
    let environment = environment().with_file("/etc/voip/binary.toml", [b'a', 0xff]);
    let read = |name: &str| mistakes(Config::from_file(Path::new(name), &environment));
    assert_eq!(
        read("/etc/voip/none.toml"),
        "none.toml: the configuration cannot be read: there is no such file\n    name an existing file: --config FILE"
    );
    assert_eq!(read("/etc/voip/binary.toml"), "binary.toml: byte 2 is not UTF-8\n    save the file as UTF-8 text");
}

#[test]
fn the_status_socket_is_placed_in_a_directory_of_the_users_own() {
    let place = |environment: &FixedEnvironment| default_status_socket(environment).display().to_string();
    let user = FixedEnvironment { user_id: Some(1000), ..FixedEnvironment::default() };
    assert_eq!(place(&user), "/tmp/voip-1000/status.sock");
    assert_eq!(
        place(&user.clone().with_variable("XDG_RUNTIME_DIR", "/run/user/1000")),
        "/run/user/1000/voip/status.sock"
    );
    assert_eq!(place(&user.with_variable("XDG_RUNTIME_DIR", "relative")), "/tmp/voip-1000/status.sock");
    let root = FixedEnvironment { user_id: Some(0), ..FixedEnvironment::default() };
    assert_eq!(place(&root), "/run/voip/status.sock");
}

/// Every key that any section knows: from what a wrong key is answered with.
fn known_keys() -> Vec<String> {
    let text = "nonsense = 1\n[gateway]\nnonsense = 1\n[[listen]]\ntransport = \"tls\"\nnonsense = 1\n[trunk.a]\nnonsense = 1\n\
        tls = { nonsense = 1 }\nsession_timer = { nonsense = 1 }\n[media]\nnonsense = 1\n[session_timer]\nnonsense = 1\n[[route]]\n\
        nonsense = 1\n[limits]\nnonsense = 1\n";
    let error = parse(text).unwrap_err();
    let unknown = error.mistakes.iter().filter(|mistake| mistake.problem.contains("has no key"));
    let keys: Vec<_> = unknown.flat_map(|mistake| mistake.advice.trim_start_matches("known: ").split(", ")).collect();
    assert!(keys.len() > 60, "{keys:?}");
    keys.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_manual_has_every_key() {
    let manual = include_str!("../../docs/configuration.md");
    for key in known_keys() {
        assert!(manual.contains(&format!("`{key}`")) || manual.contains(&format!("[{key}")), "{key}");
    }
}

#[test]
fn the_manuals_gateway_is_right() {
    let manual = include_str!("../../docs/configuration.md");
    let (_, rest) = manual.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let config = parse(example).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.warnings, []);
}

#[test]
fn tables_and_lists_of_tables_are_told_apart() {
    assert!(
        mistakes(parse("[listen]\ntransport = \"udp\"")).contains("listen: is a single table, not a list of tables")
    );
    assert!(mistakes(parse("[[gateway]]")).contains("gateway: is a list of tables, not a table"));
    assert!(mistakes(parse("listen = [5]")).contains("listen: is the number 5, not a table"));
    let inline = "listen = [{ transport = \"udp\", bind = \"0.0.0.0:5070\" }]";
    assert_eq!(parse(inline).unwrap().listen[0].bind.port(), 5070);
}

/// Cuts, doubles and replaces what stands in the contract file: nothing may panic, every mistake has a place and a way
/// out, and no secret is told.
#[test]
fn a_mangled_file_is_refused_or_read_and_never_tells_a_secret() {
    let odd = [
        "",
        "\"\"",
        "-1",
        "1e400",
        "nan",
        "[]",
        "[[]]",
        "{}",
        "true",
        "\"\u{0}\"",
        "\"é\"",
        "9223372036854775807",
        "1979-05-27",
    ];
    let contract = CONTRACT.replace("{ env = \"MANGO_PASSWORD\" }", "\"hush hush\"");
    let mut texts: Vec<String> = contract.char_indices().step_by(7).map(|(at, _)| contract[..at].to_owned()).collect();
    let lines: Vec<&str> = contract.lines().collect();
    let with_line = |i: usize, line: &str| {
        let mut lines = lines.clone();
        lines[i] = line;
        lines.join("\n")
    };
    for (i, line) in lines.iter().enumerate() {
        texts.push(with_line(i, ""));
        texts.push(with_line(i, &format!("{line}\n{line}")));
        texts.push(with_line(i, &line.replace('"', "")));
        if let Some((key, _)) = line.split_once('=') {
            texts.extend(odd.iter().map(|value| with_line(i, &format!("{key}= {value}"))));
            texts.push(with_line(i, &line.replacen(key.trim(), "é", 1)));
        }
    }
    let mut refused = 0;
    for text in &texts {
        if let Err(error) = parse(text) {
            refused += 1;
            assert!(error.mistakes.iter().all(|mistake| mistake.line > 0 && !mistake.advice.is_empty()), "{error}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
    assert!(refused > texts.len() / 2, "{refused} of {} are refused", texts.len());
}
