//! The two stand-ins without a gateway between them: what holds here is what a gateway is measured against.

#![expect(clippy::unwrap_used, reason = "a test stops where something is missing")]

use std::net::SocketAddr;
use std::time::Duration;
use voip_core::codec::AudioCodec;
use voip_core::net::Transport;
use voip_sip::message::{HeaderName, Method};
use voip_standins::compare::Finding;
use voip_standins::digest::Account;
use voip_standins::trace::Trace;
use voip_standins::{
    Action, Agent, AgentConfig, AnswerPlan, CallPlan, CallReport, Called, Carrier, CarrierConfig, EndedBy, HangUp,
    Talk, speech,
};

const NUMBER: &str = "74951234567";

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn carrier(trace: &Trace) -> Carrier {
    Carrier::start(CarrierConfig::new(any(), Account::new("eleven", "secret")), trace.clone()).await.unwrap()
}

fn short_agent() -> AgentConfig {
    let talk = Talk { speech: Some(speech::agent()[..16_000].to_vec()), ..Talk::default() };
    AgentConfig {
        tls: false,
        answer: AnswerPlan { talk, ring: Duration::from_millis(50), ..AnswerPlan::default() },
        ..AgentConfig::new(any(), NUMBER, None)
    }
}

fn brief(hang_up: Duration) -> CallPlan {
    CallPlan { talk: Talk { hang_up: HangUp::After(hang_up), ..Talk::default() }, ..CallPlan::default() }
}

async fn both(carrier: &Carrier, agent: &Agent, transport: Transport, plan: CallPlan) -> (CallReport, CallReport) {
    let mine = carrier.call(agent.address(), transport, plan).await.unwrap();
    (mine, agent.finished_call(Duration::from_secs(5)).await.expect("the agent's end of the call"))
}

#[tokio::test]
async fn speech_is_bit_exact_both_ways() {
    let trace = Trace::default();
    let carrier = carrier(&trace).await;
    let agent = Agent::start(short_agent(), trace.clone()).await.unwrap();
    let says = speech::caller()[..16_000].to_vec();
    let talk = Talk {
        speech: Some(says.clone()),
        hang_up: HangUp::AfterSpeech(Duration::from_millis(500)),
        ..Talk::default()
    };
    let (ours, theirs) = both(&carrier, &agent, Transport::Tcp, CallPlan { talk, ..CallPlan::default() }).await;
    assert_eq!((ours.status(), ours.ended_by, theirs.ended_by), (Some(200), EndedBy::Us, EndedBy::Them));
    let to_agent = theirs.heard_of(&says, &ours).unwrap();
    let to_caller = ours.heard_of(&speech::agent()[..16_000], &theirs).unwrap();
    for heard in [to_agent, to_caller] {
        assert!(heard.is_perfect(), "{heard:?}");
        assert!(heard.delay.unwrap().median < 5.0, "{heard:?}");
    }
    let invite = String::from_utf8(theirs.invite.to_bytes().to_vec()).unwrap();
    assert!(invite.contains("From: \"79260577653\" <sip:79260577653@vpbx400000000.mangosip.ru>;tag="), "{invite}");
    assert!(invite.contains("Contact: <sip:127.0.0.1>\r\n"), "{invite}");
    assert!(invite.contains(" RTP/AVP 8 0 101\r\n"), "{invite}");
}

#[tokio::test]
async fn an_agent_of_the_other_law_hears_the_same_speech_converted() {
    let trace = Trace::default();
    let carrier = carrier(&trace).await;
    let agent = Agent::start(AgentConfig { codecs: vec![AudioCodec::Pcmu], ..short_agent() }, trace).await.unwrap();
    let says = speech::caller()[..8000].to_vec();
    let talk = Talk {
        speech: Some(says.clone()),
        hang_up: HangUp::AfterSpeech(Duration::from_millis(300)),
        ..Talk::default()
    };
    let (ours, theirs) = both(&carrier, &agent, Transport::Udp, CallPlan { talk, ..CallPlan::default() }).await;
    assert_eq!(theirs.audio.as_ref().unwrap().codec, AudioCodec::Pcmu);
    assert_eq!(theirs.heard_of(&says, &ours).unwrap().finding, Finding::BitExact);
}

#[tokio::test]
async fn an_agent_behind_tls_asks_for_a_digest_and_refuses_for_good() {
    let trace = Trace::default();
    let account = Account::new("asterisk_user", "secret");
    let config = AgentConfig { tls: true, account: Some(account.clone()), ..short_agent() };
    let agent = Agent::start(config, trace.clone()).await.unwrap();
    let other = Agent::start(short_agent(), trace.clone()).await.unwrap();
    let roots = agent.identity().unwrap().authority_pem.clone();
    let plan = |password: &str, number: &str| CallPlan {
        account: Some(Account::new("asterisk_user", password)),
        called: Called::RequestUri(number.into()),
        ..brief(Duration::from_millis(100))
    };
    let place =
        async |plan| other.call(agent.tls_address().unwrap(), Transport::Tls, Some(&roots), plan).await.unwrap();

    let right = place(plan("secret", NUMBER)).await;
    assert_eq!(right.status(), Some(200));
    assert!(right.invite.headers.value(&HeaderName::ProxyAuthorization).is_some());
    assert_eq!(agent.finished_call(Duration::from_secs(5)).await.unwrap().ended_by, EndedBy::Them);

    let wrong = place(plan("guess", NUMBER)).await;
    let (response, _) = wrong.response.unwrap();
    assert_eq!(response.status, 401);
    assert!(response.headers.value(&HeaderName::WwwAuthenticate).is_none(), "final: no challenge");
    assert_eq!(place(plan("secret", "74950000000")).await.status(), Some(404));
}

#[tokio::test]
async fn what_the_agent_does_not_do_is_405_and_hold_is_not_understood() {
    let trace = Trace::default();
    let carrier = carrier(&trace).await;
    let agent = Agent::start(short_agent(), trace).await.unwrap();
    let at = Duration::from_millis;
    let actions = vec![
        (at(100), Action::Request(Method::Update)),
        (at(200), Action::Request(Method::Info)),
        (at(300), Action::Request(Method::Options)),
        (at(400), Action::Hold),
        (at(500), Action::Resume),
        (at(600), Action::MoveAudio),
        (at(700), Action::Press('5', at(100))),
        (at(900), Action::Press('#', at(100))),
    ];
    let talk = Talk { actions, hang_up: HangUp::After(at(1300)), ..Talk::default() };
    let (ours, theirs) = both(&carrier, &agent, Transport::Udp, CallPlan { talk, ..CallPlan::default() }).await;
    let statuses: Vec<(String, u16)> = ours.responses.iter().map(|(m, r)| (m.clone(), r.status)).collect();
    let expected = ["UPDATE 405", "INFO 405", "OPTIONS 200", "INVITE 200", "INVITE 200", "INVITE 200", "BYE 200"];
    assert_eq!(statuses.iter().map(|(m, s)| format!("{m} {s}")).collect::<Vec<_>>(), expected);
    let held = String::from_utf8(ours.responses[3].1.body.to_vec()).unwrap();
    assert!(held.contains("a=sendrecv"), "the first description again: {held}");
    assert_eq!(theirs.keys(), "5#");
    let heard = &theirs.audio.unwrap().recording.heard;
    let ports: Vec<u16> = heard.iter().map(|a| a.from.port()).collect();
    assert_ne!(ports.first(), ports.last(), "the caller's audio moved");
}

#[tokio::test]
async fn the_answer_is_repeated_until_its_ack_and_the_ringing_every_second() {
    let trace = Trace::default();
    let carrier = carrier(&trace).await;
    let mut config = short_agent();
    config.answer.ring = Duration::from_millis(1100);
    let agent = Agent::start(config, trace.clone()).await.unwrap();
    let plan = CallPlan { lost_acks: 2, ..brief(Duration::from_millis(1500)) };
    let (ours, theirs) = both(&carrier, &agent, Transport::Tcp, plan).await;
    let provisional: Vec<u16> = ours.provisional.iter().map(|(status, _)| *status).collect();
    assert_eq!(provisional, [100, 180, 180]);
    assert_eq!(theirs.repeated_answers, 2, "after 250 and 500 ms");
    assert!(theirs.acknowledged.is_some() && ours.ended_by == EndedBy::Us);
}

#[tokio::test]
async fn a_call_can_be_cancelled_rejected_and_without_a_common_codec() {
    let trace = Trace::default();
    let carrier = carrier(&trace).await;
    let mut config = short_agent();
    config.answer.ring = Duration::from_secs(10);
    let agent = Agent::start(config, trace.clone()).await.unwrap();
    let plan = CallPlan { cancel_after: Some(Duration::from_millis(100)), ..CallPlan::default() };
    let (ours, theirs) = both(&carrier, &agent, Transport::Udp, plan).await;
    assert_eq!((ours.status(), theirs.ended_by), (Some(487), EndedBy::Them));
    let plan = CallPlan { codecs: vec![AudioCodec::G722], ..CallPlan::default() };
    let (ours, _) = both(&carrier, &agent, Transport::Udp, plan).await;
    assert_eq!(ours.status(), Some(400));
    drop(agent);

    let mut config = short_agent();
    config.answer.reject = Some(486);
    let agent = Agent::start(config, trace).await.unwrap();
    let (ours, _) = both(&carrier, &agent, Transport::Tcp, CallPlan::default()).await;
    assert_eq!((ours.status(), ours.ended_by), (Some(486), EndedBy::Them));
}

#[tokio::test]
async fn an_agent_that_hears_nothing_hangs_up_and_a_late_offer_is_answered_in_the_ack() {
    let trace = Trace::default();
    let carrier = carrier(&trace).await;
    let patience = (Duration::from_millis(900), Duration::from_millis(300));
    let agent = Agent::start(AgentConfig { patience, ..short_agent() }, trace).await.unwrap();
    let silent = CallPlan { talk: Talk { sends_audio: false, ..Talk::default() }, ..CallPlan::default() };
    let (ours, theirs) = both(&carrier, &agent, Transport::Tcp, silent).await;
    assert_eq!((ours.ended_by, theirs.ended_by), (EndedBy::Them, EndedBy::Silence));
    assert!(ours.audio.unwrap().recording.sent.is_empty());

    let talk = Talk { actions: vec![(Duration::from_millis(300), Action::Mute)], ..Talk::default() };
    let plan = CallPlan { late_offer: true, talk, ..CallPlan::default() };
    let (ours, theirs) = both(&carrier, &agent, Transport::Udp, plan).await;
    assert_eq!(theirs.ended_by, EndedBy::Silence);
    assert!(!ours.audio.unwrap().recording.heard.is_empty() && !theirs.audio.unwrap().recording.heard.is_empty());
}
