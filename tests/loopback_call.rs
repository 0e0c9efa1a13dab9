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
use voip_standins::{Agent, AgentConfig, CallPlan, Carrier, CarrierConfig, HangUp, Talk, speech};

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
