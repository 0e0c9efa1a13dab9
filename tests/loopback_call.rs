//! The gateway as a program runs it, on loopback sockets: a carrier that demands registration over TCP, an agent behind
//! TLS that asks for credentials, and one call between them with speech both ways.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use voip::config::{Config, FixedEnvironment};
use voip::gateway::{ExitReason, Gateway, GatewayEvent, Options};
use voip::observe::record::EndedBy;
use voip_standins::digest::Account;
use voip_standins::trace::Trace;
use voip_standins::{Agent, AgentConfig, CallPlan, Called, Carrier, CarrierConfig, HangUp, Talk, speech};

const LIMIT: Duration = Duration::from_secs(10);
const NUMBER: &str = "+74951234567";

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// The gateway reads authorities from files.
fn authority_file(pem: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("voip-loopback-{}.pem", std::process::id()));
    std::fs::write(&path, pem).expect("a file for the authority");
    path
}

fn config(carrier: SocketAddr, agent: SocketAddr, authority: &str) -> Config {
    let pem = std::fs::read(authority).expect("the authority that was just written");
    let environment = FixedEnvironment::default().with_file(authority, pem);
    let text = format!(
        r#"
        [gateway]
        rtp_ports = "30000-30400"
        call_records = "off"
        status_socket = "off"
        [[listen]]
        transport = "tcp"
        bind = "127.0.0.1:0"
        [[listen]]
        transport = "udp"
        bind = "127.0.0.1:0"
        [trunk.mango]
        server = "sip:{carrier};transport=tcp"
        username = "eleven"
        password = "secret"
        register = true
        identify = ["127.0.0.1"]
        number_format = "digits"
        called_number_from = ["diversion", "to", "request-uri"]
        [trunk.elevenlabs]
        server = "sip:{agent};transport=tls"
        username = "asterisk_user"
        password = "other"
        tls = {{ extra_roots = "{authority}" }}
        [[route]]
        from = "mango"
        to = "elevenlabs"
        number = "{NUMBER}"
        "#
    );
    Config::parse(&text, "/gateway.toml", &environment).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_carriers_call_is_answered_by_an_agent_and_speech_arrives_bit_exact() {
    let trace = Trace::default();
    let account = Account::new("eleven", "secret");
    let carrier = Carrier::start(CarrierConfig::new(any_port(), account), trace.clone()).await.unwrap();
    let mut agent = AgentConfig::new(any_port(), NUMBER, Some(Account::new("asterisk_user", "other")));
    agent.answer.talk = Talk { speech: Some(speech::agent()), ..Talk::default() };
    let agent = Agent::start(agent, trace.clone()).await.unwrap();
    let authority = authority_file(&agent.identity().unwrap().authority_pem);
    let config = config(carrier.address(), agent.tls_address().unwrap(), authority.to_str().unwrap());
    let gateway = Gateway::start(&config, Options::default()).unwrap();
    let mut events = gateway.events();
    assert!(carrier.registered(LIMIT).await.is_some(), "{trace:?}");

    let talk = Talk {
        speech: Some(speech::caller()),
        hang_up: HangUp::AfterSpeech(Duration::from_secs(1)),
        ..Talk::default()
    };
    let heard_by_carrier = carrier.call_registered(CallPlan { talk, ..CallPlan::default() }).await.unwrap();
    assert_eq!(heard_by_carrier.status(), Some(200), "{:#?} {:#?}", trace.lines("carrier"), trace.lines("agent"));
    let heard_by_agent = agent.finished_call(LIMIT).await.expect("the agent's call ended");

    let comparison = heard_by_agent.heard_of(&speech::caller(), &heard_by_carrier).unwrap();
    assert!(comparison.is_perfect(), "{comparison:#?}");
    assert_eq!(heard_by_agent.invite.uri.user_name().as_deref(), Some(NUMBER));
    let caller_id = heard_by_agent.invite.headers.value(&voip_sip::message::HeaderName::other("X-CALLER-ID"));
    assert_eq!(caller_id.and_then(|value| value.as_str()), Some("+79260577653"));

    let record = loop {
        let event = tokio::time::timeout(LIMIT, events.recv()).await.expect("the call's record").unwrap();
        if let GatewayEvent::CallEnded(record) = event {
            break record;
        }
    };
    assert_eq!((record.ended_by, record.cause.as_str()), (EndedBy::Caller, "normal"));
    assert_eq!(record.caller_leg.codec_received.as_deref(), Some("PCMA"));
    assert_eq!(record.caller_leg.lost_received, 0);
    assert!(record.callee_leg.unwrap().packets_sent > 100);

    let status = gateway.status().await.unwrap();
    assert_eq!((status.usage.calls, status.registrations[0].state.as_str()), (0, "registered"));
    assert_eq!(status.usage.media_ports, 0);
    assert_eq!(gateway.shut_down().await, ExitReason::Finished);
    assert!(carrier.unregistered(LIMIT).await);
    let _ = std::fs::remove_file(authority);
}

/// An agent's calls come from addresses that nobody can list, so it proves itself by digest.
#[tokio::test]
async fn an_agent_proves_itself_and_calls_out_through_the_carrier() {
    let trace = Trace::default();
    let carrier_at = (Ipv4Addr::new(127, 0, 0, 2), 0).into();
    let mut carrier = CarrierConfig::new(carrier_at, Account::new("eleven", "secret"));
    carrier.answer.talk = Talk { speech: Some(speech::caller()), ..Talk::default() };
    // It is not on port 5060 here, which a Contact without a port means.
    carrier.contact_with_port = true;
    let carrier = Carrier::start(carrier, trace.clone()).await.unwrap();
    let agent_at = (Ipv4Addr::new(127, 0, 0, 3), 0).into();
    let agent = AgentConfig { tls: false, ..AgentConfig::new(agent_at, NUMBER, None) };
    let agent = Agent::start(agent, trace.clone()).await.unwrap();
    let text = format!(
        r#"
        [gateway]
        rtp_ports = "31000-31400"
        call_records = "off"
        status_socket = "off"
        [[listen]]
        transport = "udp"
        bind = "127.0.0.1:0"
        [trunk.mango]
        server = "sip:{}"
        username = "eleven"
        password = "secret"
        identify = ["127.0.0.2"]
        number_format = "digits"
        outbound_caller = "username"
        [trunk.elevenlabs]
        server = "sip:{}"
        username = "asterisk_user"
        password = "other"
        identify_by = "credentials"
        [[route]]
        from = "elevenlabs"
        to = "mango"
        "#,
        carrier.address(),
        agent.address()
    );
    let config = Config::parse(&text, "/gateway.toml", &FixedEnvironment::default()).unwrap();
    let gateway = Gateway::start(&config, Options::default()).unwrap();
    let (transport, address) = gateway.listening()[0];

    let plan = |account| CallPlan {
        caller: NUMBER.into(),
        called: Called::RequestUri("+79150863586".into()),
        account: Some(account),
        talk: Talk { hang_up: HangUp::After(Duration::from_secs(1)), ..Talk::default() },
        ..CallPlan::default()
    };
    let right = plan(Account::new("asterisk_user", "other"));
    let report = agent.call(address, transport, None, right).await.unwrap();
    assert_eq!(report.status(), Some(200), "{:#?}", trace.lines("agent"));
    let heard = carrier.finished_call(LIMIT).await.unwrap_or_else(|| panic!("{:#?}", trace.lines("carrier")));
    assert_eq!(heard.invite.uri.user_name().as_deref(), Some("79150863586"));
    let from = heard.invite.headers.required::<voip_sip::message::header::From>().unwrap();
    assert_eq!(from.uri.user_name().as_deref(), Some("eleven"));

    let wrong = plan(Account::new("asterisk_user", "guessed"));
    let report = agent.call(address, transport, None, wrong).await.unwrap();
    assert!(matches!(report.status(), Some(401 | 403)), "{:?}", report.status());
    let status = gateway.status().await.unwrap();
    assert_eq!(status.trunks[1].calls_in, 1, "wrong credentials never reach a route");
    assert_eq!(gateway.shut_down().await, ExitReason::Finished);
}

/// A far side that does not answer a BYE holds the gateway up for the time it allows, and no longer.
#[tokio::test]
async fn a_gateway_leaves_in_time_when_nobody_answers_its_bye() {
    let trace = Trace::default();
    let account = Account::new("eleven", "secret");
    let carrier = Carrier::start(CarrierConfig::new(any_port(), account), trace.clone()).await.unwrap();
    let address = carrier.address();
    let text = format!(
        "[gateway]\ncall_records = \"off\"\nstatus_socket = \"off\"\nshutdown_timeout = 1\n\
         [[listen]]\ntransport = \"udp\"\nbind = \"127.0.0.1:0\"\n\
         [trunk.mango]\nserver = \"sip:{address}\"\nusername = \"eleven\"\npassword = \"secret\"\n\
         register = true\nidentify = [\"127.0.0.1\"]\n\
         [trunk.agent]\nserver = \"sip:127.0.0.9\"\n[[route]]\nfrom = \"mango\"\nto = \"agent\"\n"
    );
    let config = Config::parse(&text, "/gateway.toml", &FixedEnvironment::default()).unwrap();
    let gateway = Gateway::start(&config, Options::default()).unwrap();
    assert!(carrier.registered(LIMIT).await.is_some());
    drop(carrier);
    let begun = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let reason = gateway.shut_down().await;
    let taken = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap() - begun;
    assert_eq!(reason, ExitReason::TimedOut);
    assert!(taken < Duration::from_secs(3), "{taken:?}");
}
