//! Calls that end before they are answered, and what each side is told: rejections, giving up, limits, strangers.

mod sim;

use sim::peer::sdp;
use sim::{AGENT, GATEWAY, World};
use std::time::Duration;
use voip::gateway::GatewayEvent;
use voip::observe::record::EndedBy;
use voip_core::sim::LinkConfig;
use voip_sip::message::header::{MaxForwards, Reason, RetryAfter};
use voip_sip::message::{HeaderName, Method};

#[test]
fn a_rejection_reaches_the_caller_with_its_cause() {
    for (said, told, q850, cause) in [
        (486, 486, 17, "busy"),
        (600, 600, 17, "busy"),
        (603, 603, 21, "declined"),
        (404, 404, 1, "not-found"),
        (480, 480, 19, "no-answer"),
        (503, 503, 41, "unavailable"),
        (500, 503, 41, "unavailable"),
        (488, 488, 88, "no-codec"),
        (403, 403, 21, "forbidden"),
        (302, 502, 23, "redirected"),
        // Wrong credentials, and no challenge to answer.
        (401, 502, 57, "authentication-failed"),
        (400, 502, 111, "protocol-error"),
    ] {
        let mut world = World::new();
        let (carrier, agent) = (world.carrier, world.agent);
        world.invite(|_| {});
        let invite = world.request(agent, "INVITE");
        world.respond(agent, &invite, said, None);
        world.run(Duration::from_secs(1));
        let response = world.peer(carrier).take_response(told);
        let response = response.unwrap_or_else(|| panic!("{said} is not told as {told}\n{}", world.net.trace()));
        let reasons: Vec<Reason> = response.headers.list().map(Result::unwrap).collect();
        let of_q850 = reasons.iter().find(|reason| reason.protocol.eq_ignore_case("Q.850"));
        assert_eq!(of_q850.and_then(|reason| reason.cause), Some(q850), "{said}: {reasons:?}");
        let record = world.record();
        assert_eq!((record.cause.as_str(), record.ended_by), (cause, EndedBy::Callee), "{said}");
        world.assert_empty();
    }
}

#[test]
fn a_caller_that_gives_up_has_the_callee_cancelled() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    let invite = world.invite(|_| {});
    let to_agent = world.request(agent, "INVITE");
    world.respond(agent, &to_agent, 180, None);
    world.response(carrier, 180);
    let now = world.net.now();
    world.peer(carrier).cancel(now, GATEWAY, &invite);
    world.response(carrier, 487);
    world.request(agent, "CANCEL");
    world.respond(agent, &to_agent, 487, None);
    let record = world.record();
    assert_eq!((record.cause.as_str(), record.ended_by), ("cancelled", EndedBy::Caller));
    world.assert_empty();
}

#[test]
fn a_cancel_is_held_back_until_the_callee_has_said_something() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    let invite = world.invite(|_| {});
    let to_agent = world.request(agent, "INVITE");
    let now = world.net.now();
    world.peer(carrier).cancel(now, GATEWAY, &invite);
    world.response(carrier, 487);
    world.run(Duration::from_secs(2));
    assert_eq!(world.peer(agent).heard("CANCEL"), 0, "RFC 3261 §9.1");
    world.respond(agent, &to_agent, 180, None);
    world.request(agent, "CANCEL");
    world.respond(agent, &to_agent, 487, None);
    world.record();
    world.assert_empty();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    let invite = world.invite(|_| {});
    let to_agent = world.request(agent, "INVITE");
    world.respond(agent, &to_agent, 180, None);
    world.response(carrier, 180);
    let now = world.net.now();
    world.peer(carrier).cancel(now, GATEWAY, &invite);
    world.respond(agent, &to_agent, 200, Some(&sdp(AGENT, 20_000, "8", "sendrecv")));
    world.run(Duration::from_secs(2));
    assert!(world.peer(agent).heard("ACK") == 1 && world.peer(agent).heard("BYE") == 1, "{}", world.net.trace());
    // Whichever came first, the caller is told one thing only.
    let finals = [200, 487].map(|status| world.peer(carrier).take_response(status).is_some());
    let trace = world.net.trace().to_string();
    assert!(finals[1], "the CANCEL came before the answer\n{trace}");
    assert!(!trace.contains("SIP/2.0 480"));
    assert_eq!(world.record().cause, "cancelled");
    world.assert_empty();
}

#[test]
fn a_cancel_that_comes_after_the_answer_changes_nothing() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    let invite = world.invite(|_| {});
    let to_agent = world.request(agent, "INVITE");
    world.respond(agent, &to_agent, 200, Some(&sdp(AGENT, 20_000, "8", "sendrecv")));
    let ok = world.response(carrier, 200);
    let now = world.net.now();
    world.peer(carrier).cancel(now, GATEWAY, &invite);
    let mut caller = sim::peer::Dialog::of_caller(&invite, &ok);
    let ack = caller.ack();
    world.peer(carrier).acknowledge(now, GATEWAY, ack);
    world.run(Duration::from_secs(2));
    assert_eq!(world.peer(agent).heard("BYE"), 0);
    let bye = caller.request(Method::Bye);
    world.send(carrier, bye);
    world.request(agent, "BYE");
    assert_eq!(world.record().cause, "normal");
    world.assert_empty();
}

#[test]
fn a_callee_that_rings_too_long_is_cancelled() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    world.invite(|_| {});
    let to_agent = world.request(agent, "INVITE");
    world.respond(agent, &to_agent, 180, None);
    let response = world.response(carrier, 480);
    assert_eq!(response.headers.required::<Reason>().unwrap().cause, Some(19));
    assert!((60.0..61.0).contains(&world.net.elapsed().as_secs_f64()));
    world.request(agent, "CANCEL");
    world.respond(agent, &to_agent, 487, None);
    let record = world.record();
    assert_eq!((record.cause.as_str(), record.ended_by), ("no-answer", EndedBy::Gateway));
    world.assert_empty();
}

#[test]
fn a_callee_that_does_not_answer_at_all_is_unreachable() {
    let mut world = World::new();
    let (carrier, agent, gateway) = (world.carrier, world.agent, world.gateway);
    world.net.set_link(gateway, agent, LinkConfig { down: true, ..LinkConfig::default() });
    world.invite(|_| {});
    let told = [504, 408];
    world.run(Duration::from_secs(40));
    let found = told.into_iter().find(|status| world.peer(carrier).take_response(*status).is_some());
    assert!(found.is_some(), "{}", world.net.trace());
    assert_eq!(world.record().cause, "unreachable");
    world.assert_empty();
}

#[test]
fn calls_past_a_limit_are_told_to_come_again_and_others_do_not_notice() {
    for (gateway, mango) in [("max_calls = 1", ""), ("", "max_calls = 1")] {
        let mut world = World::with(1, LinkConfig::default(), gateway, mango, "");
        let (carrier, agent) = (world.carrier, world.agent);
        let mut up = world.call();
        world.invite(|_| {});
        let refused = world.response(carrier, 503);
        assert!(refused.headers.required::<RetryAfter>().unwrap().0 > 0);
        let record = world.record();
        assert_eq!((record.cause.as_str(), record.to_trunk), ("limit", None));
        let now = world.net.now();
        assert_eq!(world.gateway().core.status(now).calls.len(), 1);
        let bye = up.carrier.request(Method::Bye);
        world.send(carrier, bye);
        world.request(agent, "BYE");
        world.record();
        world.run(Duration::from_secs(1));
        let mut again = world.call();
        let bye = again.carrier.request(Method::Bye);
        world.send(carrier, bye);
        world.record();
        world.assert_empty();
    }
}

#[test]
fn a_call_without_ports_is_told_to_come_again() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    world.gateway().core.media_mut().exhausted = true;
    world.invite(|_| {});
    let refused = world.response(carrier, 503);
    assert!(refused.headers.required::<RetryAfter>().is_ok());
    assert_eq!(world.peer(agent).heard("INVITE"), 0);
    assert_eq!(world.record().cause, "limit");
    world.assert_empty();
}

#[test]
fn calls_that_lead_nowhere_are_refused_before_anybody_rings() {
    let mut world = World::with(1, LinkConfig::default(), "", "", "");
    let (carrier, agent) = (world.carrier, world.agent);
    world.invite(|invite| invite.set_body("application/sdp", sdp("10.0.0.2", 30_000, "18", "sendrecv")));
    let refused = world.response(carrier, 488);
    assert!(refused.headers.value(&HeaderName::Warning).is_some());
    world.invite(|invite| invite.headers.set_typed(&MaxForwards(0)));
    world.response(carrier, 483);
    world.invite(|invite| invite.set_body("application/sdp", "noise"));
    world.response(carrier, 400);
    assert_eq!(world.peer(agent).heard("INVITE"), 0);
    let causes: Vec<String> = world.records().into_iter().map(|record| record.cause).collect();
    assert_eq!(causes, ["no-codec", "protocol-error"], "what the endpoint refuses by itself is no call");
    world.assert_empty();
}

#[test]
fn a_number_without_a_route_does_not_exist() {
    let mut world = World::new();
    let agent = world.agent;
    // The agent may call numbers of the carrier; a call that names none leads nowhere.
    let now = world.net.now();
    let invite = world.peer(agent).invite(GATEWAY, "user", "+74951234567");
    world.peer(agent).send(now, GATEWAY, invite);
    world.response(agent, 404);
    assert_eq!(world.record().cause, "no-route");
    world.assert_empty();
}

#[test]
fn strangers_get_no_answer_and_are_counted() {
    let mut world = World::new();
    let stranger = world.net.add("stranger", sim::Party::Peer(sim::peer::Peer::new("10.9.9.9", "stranger")));
    let now = world.net.now();
    let invite = world.peer(stranger).invite(GATEWAY, "100", "scanner");
    world.peer(stranger).send(now, GATEWAY, invite);
    world.run(Duration::from_secs(3));
    let heard = world.net.trace().entries().iter().filter(|entry| entry.to == Some(stranger)).count();
    assert_eq!(heard, 0, "{}", world.net.trace());
    let now = world.net.now();
    let gateway = world.gateway();
    assert!(gateway.core.status(now).counters["ignored_strangers"] > 0);
    assert!(gateway.events.iter().any(|event| matches!(event, GatewayEvent::Stranger { .. })));
    assert!(gateway.records().is_empty());
}

#[test]
fn strangers_are_refused_where_the_configuration_says_so() {
    let mut world = World::with(1, LinkConfig::default(), "unknown_sources = \"reject\"", "", "");
    let stranger = world.net.add("stranger", sim::Party::Peer(sim::peer::Peer::new("10.9.9.9", "stranger")));
    let now = world.net.now();
    let invite = world.peer(stranger).invite(GATEWAY, "100", "scanner");
    world.peer(stranger).send(now, GATEWAY, invite);
    world.response(stranger, 403);
    assert!(world.records().is_empty());
    world.assert_empty();
}
