//! Calls from a carrier to an agent, from INVITE to BYE, with all that may happen between.

mod sim;

use sim::peer::sdp;
use sim::{AGENT, CARRIER, GATEWAY, NUMBER, World};
use std::time::Duration;
use voip::observe::record::EndedBy;
use voip_core::leg::Side;
use voip_core::media::Direction;
use voip_core::sim::LinkConfig;
use voip_sip::message::header::{From, MaxForwards, Reason};
use voip_sip::message::{HeaderName, Method};

#[test]
fn a_call_is_rung_through_answered_and_ended_by_the_caller() {
    let mut world = World::new();
    let agent = world.agent;
    let mut up = world.call();
    let invite = world.peer(agent).heard[0].clone();
    assert_eq!(invite.uri.user_name().as_deref(), Some(NUMBER));
    assert_eq!(invite.headers.required::<From>().unwrap().uri.user_name().as_deref(), Some("+79260577653"));
    assert_eq!(invite.headers.value(&HeaderName::other("X-CALLER-ID")).unwrap().as_str(), Some("+79260577653"));
    assert_eq!(invite.headers.required::<MaxForwards>().unwrap(), MaxForwards(69));
    let id = invite.headers.value(&HeaderName::other("X-CALL-ID")).unwrap().to_string();
    let text = String::from_utf8_lossy(&invite.body).into_owned();
    assert!(text.contains("m=audio 10002 RTP/AVP 8 0 101") && text.contains(GATEWAY), "{text}");
    for side in Side::BOTH {
        let (plan, policy) = world.gateway().core.media().plan(side);
        assert_eq!((plan.sending().send, plan.direction), (8, Direction::SendRecv));
        assert_eq!(policy.rtp_timeout, Some(Duration::from_secs(8)));
    }
    let now = world.net.now();
    let status = world.gateway().core.status(now);
    assert_eq!((status.calls[0].state.as_str(), status.trunks[0].calls), ("up", 1));

    world.run(Duration::from_secs(30));
    let bye = up.carrier.request(Method::Bye);
    let carrier = world.carrier;
    world.send(carrier, bye);
    world.request(agent, "BYE");
    let record = world.record();
    assert_eq!(record.id, id);
    assert_eq!((record.ended_by, record.cause.as_str()), (EndedBy::Caller, "normal"));
    assert!((30_000..31_000).contains(&record.talk_ms), "{}", record.talk_ms);
    assert_eq!(record.dialled.as_deref(), Some(NUMBER));
    assert_eq!(record.caller_leg.peer, format!("udp {CARRIER}:5060"));
    world.assert_empty();
}

#[test]
fn the_agent_ends_the_call() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    let mut up = world.call();
    let bye = up.agent.request(Method::Bye);
    world.send(agent, bye);
    world.request(carrier, "BYE");
    assert_eq!(world.record().ended_by, EndedBy::Callee);
    world.assert_empty();
}

#[test]
fn repeated_ringing_is_passed_once_and_early_media_with_its_description() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    world.invite(|_| {});
    let invite = world.request(agent, "INVITE");
    for _ in 0..5 {
        world.respond(agent, &invite, 180, None);
        world.run(Duration::from_secs(1));
    }
    let ringing = world.response(carrier, 180);
    assert!(ringing.body.is_empty());
    let trace = world.net.trace().to_string();
    assert_eq!(trace.matches("SIP/2.0 180").count(), 6, "{trace}");
    world.respond(agent, &invite, 183, Some(&sdp(AGENT, 20_000, "0", "sendrecv")));
    let early = world.response(carrier, 183);
    let early_text = String::from_utf8_lossy(&early.body).into_owned();
    assert!(early_text.contains("RTP/AVP 0"), "the codec of the callee is chosen: {early_text}");
    let (plan, policy) = world.gateway().core.media().plan(Side::Caller);
    assert_eq!((plan.sending().send, policy.rtp_timeout), (0, None));
    world.respond(agent, &invite, 200, Some(&sdp(AGENT, 20_000, "0", "sendrecv")));
    let ok = world.response(carrier, 200);
    assert_eq!(ok.body, early.body);
}

#[test]
fn a_caller_without_the_callees_codec_is_answered_with_its_own() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    world.invite(|invite| invite.set_body("application/sdp", sdp(CARRIER, 30_000, "0", "sendrecv")));
    let invite = world.request(agent, "INVITE");
    assert!(String::from_utf8_lossy(&invite.body).contains("RTP/AVP 0 8 101"), "the caller's codec comes first");
    world.respond(agent, &invite, 200, Some(&sdp(AGENT, 20_000, "8", "sendrecv")));
    let ok = world.response(carrier, 200);
    assert!(String::from_utf8_lossy(&ok.body).contains("RTP/AVP 0"));
    let media = world.gateway().core.media();
    assert_eq!([media.plan(Side::Caller).0.sending().send, media.plan(Side::Callee).0.sending().send], [0, 8]);
}

#[test]
fn an_invite_without_an_offer_is_answered_with_one() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    let invite = world.invite(|invite| {
        invite.body = bytes::Bytes::new();
        invite.headers.remove(&HeaderName::ContentType);
    });
    let to_agent = world.request(agent, "INVITE");
    world.respond(agent, &to_agent, 200, Some(&sdp(AGENT, 20_000, "8", "sendrecv")));
    let ok = world.response(carrier, 200);
    assert!(String::from_utf8_lossy(&ok.body).contains("RTP/AVP 8 0"));
    let mut ack = sim::peer::Dialog::of_caller(&invite, &ok).ack();
    ack.set_body("application/sdp", sdp(CARRIER, 30_000, "8", "sendrecv"));
    let now = world.net.now();
    world.peer(carrier).acknowledge(now, GATEWAY, ack);
    world.run(Duration::from_secs(1));
    assert_eq!(world.gateway().core.media().plan(Side::Caller).0.remote_rtp.port(), 30_000);
    assert_eq!(world.gateway().core.status(now).calls[0].state, "up");
}

#[test]
fn hold_and_resume_are_answered_for_their_leg_alone() {
    for method in [Method::Invite, Method::Update] {
        let mut world = World::new();
        let (carrier, agent) = (world.carrier, world.agent);
        let mut up = world.call();
        for (wish, answered, direction) in [
            ("sendonly", "a=recvonly", Direction::RecvOnly),
            ("inactive", "a=inactive", Direction::Inactive),
            ("sendrecv", "a=sendrecv", Direction::SendRecv),
        ] {
            let offer = up.carrier.offer(method.clone(), &sdp(CARRIER, 31_000, "8 101", wish));
            world.send(carrier, offer);
            let ok = world.response(carrier, 200);
            let text = String::from_utf8_lossy(&ok.body).into_owned();
            assert!(text.contains(answered), "{text}");
            if method == Method::Invite {
                let ack = up.carrier.ack();
                let now = world.net.now();
                world.peer(carrier).acknowledge(now, GATEWAY, ack);
            }
            world.run(Duration::from_secs(1));
            let (plan, _) = world.gateway().core.media().plan(Side::Caller);
            assert_eq!((plan.direction, plan.remote_rtp.port()), (direction, 31_000));
            assert_eq!(world.gateway().core.media().plan(Side::Callee).0.direction, Direction::SendRecv);
        }
        let heard = world.peer(agent).heard.clone();
        assert_eq!(heard.iter().filter(|r| r.method == Method::Invite).count(), 1, "nothing of it reaches the agent");
        assert_eq!(world.peer(agent).heard("UPDATE"), 0);
    }
}

#[test]
fn an_offer_that_cannot_be_met_is_refused_and_the_call_goes_on() {
    let mut world = World::new();
    let carrier = world.carrier;
    let mut up = world.call();
    let offer = up.carrier.offer(Method::Invite, &sdp(CARRIER, 30_000, "18", "sendrecv"));
    world.send(carrier, offer);
    world.response(carrier, 488);
    world.run(Duration::from_secs(5));
    let now = world.net.now();
    assert_eq!(world.gateway().core.status(now).calls[0].state, "up");
    assert_eq!(world.gateway().core.media().plan(Side::Caller).0.sending().send, 8);
}

#[test]
fn a_leg_that_stays_silent_ends_the_call() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    world.call();
    let id = world.gateway().core.media().only_call();
    let silent_for = Duration::from_secs(8);
    let event = voip_media::MediaEvent::TimedOut { id, side: Side::Callee, silent_for };
    let now = world.net.now();
    world.gateway().core.handle_media_event(now, event);
    for node in [carrier, agent] {
        let bye = world.request(node, "BYE");
        let reason = bye.headers.required::<Reason>().unwrap();
        assert_eq!(reason.cause, Some(102));
    }
    let record = world.record();
    assert_eq!((record.cause.as_str(), record.ended_by), ("media-timeout", EndedBy::Gateway));
    assert!(record.reason.contains("callee"), "{}", record.reason);
    world.assert_empty();
}

#[test]
fn calls_come_up_and_end_though_three_of_ten_datagrams_are_lost() {
    for seed in 0..20 {
        let link = LinkConfig { loss: 0.3, burst_loss: 0.3, ..LinkConfig::default() };
        let mut world = World::with(seed, link, "", "", "");
        let (carrier, agent) = (world.carrier, world.agent);
        let mut up = world.call_at_once();
        let bye = up.agent.request(Method::Bye);
        world.send(agent, bye);
        world.request(carrier, "BYE");
        assert_eq!(world.record().ended_by, EndedBy::Callee, "seed {seed}");
        world.assert_empty();
    }
}
