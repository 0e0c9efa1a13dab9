//! Calls that last: lost ACK and 200, session timers, the longest duration, and a gateway that shuts down.

mod sim;

use sim::peer::{Dialog, sdp};
use sim::{AGENT, GATEWAY, World};
use std::time::Duration;
use voip::observe::record::EndedBy;
use voip_core::sim::LinkConfig;
use voip_sip::message::header::{Refresher, SessionExpires};
use voip_sip::message::{HeaderName, Method};

#[test]
fn a_lost_answer_and_a_lost_ack_are_repeated() {
    let mut world = World::new();
    let (carrier, agent, gateway) = (world.carrier, world.agent, world.gateway);
    let invite = world.invite(|_| {});
    let to_agent = world.request(agent, "INVITE");
    let down = LinkConfig { down: true, ..LinkConfig::default() };
    // The agent's 200 comes, our ACK and our 200 do not.
    world.net.set_link_one_way(gateway, agent, down.clone());
    world.net.set_link_one_way(gateway, carrier, down);
    world.respond(agent, &to_agent, 200, Some(&sdp(AGENT, 20_000, "8", "sendrecv")));
    world.run(Duration::from_secs(4));
    assert!(world.peer(agent).heard("ACK") == 0 && world.peer(carrier).take_response(200).is_none());
    world.net.set_link_one_way(gateway, agent, LinkConfig::default());
    world.net.set_link_one_way(gateway, carrier, LinkConfig::default());
    world.request(agent, "ACK");
    let ok = world.response(carrier, 200);
    let now = world.net.now();
    let mut caller = Dialog::of_caller(&invite, &ok);
    let ack = caller.ack();
    world.peer(carrier).acknowledge(now, GATEWAY, ack);
    world.run(Duration::from_secs(60));
    let now = world.net.now();
    assert_eq!(world.gateway().core.status(now).calls[0].state, "up");
    let bye = caller.request(Method::Bye);
    world.send(carrier, bye);
    world.request(agent, "BYE");
    world.record();
    world.assert_empty();
}

#[test]
fn a_call_whose_ack_never_comes_is_ended_on_both_sides() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    world.invite(|_| {});
    let to_agent = world.request(agent, "INVITE");
    world.respond(agent, &to_agent, 200, Some(&sdp(AGENT, 20_000, "8", "sendrecv")));
    world.response(carrier, 200);
    world.request(carrier, "BYE");
    world.request(agent, "BYE");
    assert!((32.0..35.0).contains(&world.net.elapsed().as_secs_f64()));
    let record = world.record();
    assert_eq!((record.cause.as_str(), record.ended_by), ("dialog-lost", EndedBy::Caller));
    world.assert_empty();
}

/// A carrier that asks for a session timer and refreshes itself; an agent that knows none, so that we refresh there.
#[test]
fn a_call_lasts_two_hours_with_session_timers_refreshed() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    let invite = world.invite(|invite| {
        invite.headers.push(HeaderName::Supported, "timer");
        invite.headers.push_typed(&SessionExpires { seconds: 1800, refresher: Some(Refresher::Uac) });
    });
    let to_agent = world.request(agent, "INVITE");
    assert!(to_agent.headers.has_token(&HeaderName::Supported, "timer"));
    let now = world.net.now();
    let answer = sdp(AGENT, 20_000, "8", "sendrecv");
    // The agent's side lets us refresh, and lists UPDATE though it refuses it.
    world.peer(agent).respond_with(now, &to_agent, 200, Some(&answer), |ok| {
        ok.headers.push(HeaderName::Allow, "INVITE, ACK, BYE, CANCEL, UPDATE");
        ok.headers.push(HeaderName::Require, "timer");
        ok.headers.push_typed(&SessionExpires { seconds: 1800, refresher: Some(Refresher::Uac) });
    });
    let ok = world.response(carrier, 200);
    let expires = ok.headers.required::<SessionExpires>().unwrap();
    assert_eq!((expires.seconds, expires.refresher), (1800, Some(Refresher::Uac)));
    let mut caller = Dialog::of_caller(&invite, &ok);
    let ack = caller.ack();
    let now = world.net.now();
    world.peer(carrier).acknowledge(now, GATEWAY, ack);
    for quarter in 1..=8 {
        let refresh = {
            let mut refresh = caller.offer(Method::Invite, &sdp(sim::CARRIER, 30_000, "8 0 101", "sendrecv"));
            refresh.headers.push(HeaderName::Supported, "timer");
            refresh.headers.push_typed(&SessionExpires { seconds: 1800, refresher: Some(Refresher::Uac) });
            refresh
        };
        world.send(carrier, refresh);
        world.response(carrier, 200);
        let ack = caller.ack();
        let now = world.net.now();
        world.peer(carrier).acknowledge(now, GATEWAY, ack);
        // A quarter of an hour in steps, the agent refusing UPDATE and accepting re-INVITE.
        for _ in 0..900 {
            world.run(Duration::from_secs(1));
            let now = world.net.now();
            let peer = world.peer(agent);
            if let Some(update) = peer.take_request("UPDATE") {
                peer.respond(now, &update, 405, None);
            }
            if let Some(reinvite) = peer.take_request("INVITE") {
                peer.respond_with(now, &reinvite, 200, Some(&answer), |ok| {
                    ok.headers.push(HeaderName::Require, "timer");
                    ok.headers.push_typed(&SessionExpires { seconds: 1800, refresher: Some(Refresher::Uac) });
                });
            }
        }
        let now = world.net.now();
        let status = world.gateway().core.status(now);
        assert_eq!(status.calls.len(), 1, "quarter {quarter}\n{}", world.net.trace());
    }
    assert!(world.peer(agent).heard("UPDATE") <= 1, "UPDATE is never sent again to a peer that answered 405");
    assert!(world.peer(agent).heard("INVITE") > 4, "the session was refreshed by re-INVITE");
    let bye = caller.request(Method::Bye);
    world.send(carrier, bye);
    world.request(agent, "BYE");
    let record = world.record();
    assert!(record.talk_ms >= 7_200_000 && record.cause == "normal", "{record:?}");
    world.assert_empty();
}

#[test]
fn a_session_that_its_far_side_does_not_refresh_is_ended() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    let invite = world.invite(|invite| {
        invite.headers.push(HeaderName::Supported, "timer");
        invite.headers.push_typed(&SessionExpires { seconds: 100, refresher: Some(Refresher::Uac) });
    });
    let to_agent = world.request(agent, "INVITE");
    let up = world.answer(&invite, &to_agent);
    drop(up);
    world.request(carrier, "BYE");
    world.request(agent, "BYE");
    let record = world.record();
    assert_eq!(record.cause, "session-expired");
    assert!((60_000..101_000).contains(&record.talk_ms), "{}", record.talk_ms);
    world.assert_empty();
}

#[test]
fn a_call_ends_when_it_has_lasted_as_long_as_its_route_allows() {
    let rest = "max_duration = 60";
    let mut world = World::with(1, LinkConfig::default(), "", "", rest);
    let (carrier, agent) = (world.carrier, world.agent);
    // The last route leads from the agent to the carrier.
    let now = world.net.now();
    let invite = world.peer(agent).invite(GATEWAY, "+79150863586", "+74951234567");
    world.peer(agent).send(now, GATEWAY, invite.clone());
    let to_carrier = world.request(carrier, "INVITE");
    assert_eq!(to_carrier.uri.user_name().as_deref(), Some("79150863586"), "written the carrier's way");
    world.respond(carrier, &to_carrier, 200, Some(&sdp(sim::CARRIER, 30_000, "8", "sendrecv")));
    let ok = world.response(agent, 200);
    let ack = Dialog::of_caller(&invite, &ok).ack();
    let now = world.net.now();
    world.peer(agent).acknowledge(now, GATEWAY, ack);
    world.request(carrier, "BYE");
    world.request(agent, "BYE");
    let record = world.record();
    assert_eq!(record.cause, "maximum-duration");
    assert!((60_000..60_100).contains(&record.talk_ms));
    world.assert_empty();
}

#[test]
fn a_shutdown_ends_calls_in_every_state_and_takes_no_more() {
    let mut world = World::new();
    let (carrier, agent) = (world.carrier, world.agent);
    world.call();
    world.invite(|_| {});
    let ringing = world.request(agent, "INVITE");
    world.respond(agent, &ringing, 180, None);
    world.response(carrier, 180);
    let now = world.net.now();
    world.gateway().core.shut_down(now);
    world.request(carrier, "BYE");
    world.request(agent, "BYE");
    world.response(carrier, 503);
    world.request(agent, "CANCEL");
    world.respond(agent, &ringing, 487, None);
    world.invite(|_| {});
    world.response(carrier, 503);
    world.run(Duration::from_secs(2));
    assert!(world.gateway().core.is_finished(), "{}", world.net.trace());
    let causes: Vec<String> = world.records().into_iter().map(|record| record.cause).collect();
    assert_eq!(causes, ["shutdown", "shutdown"]);
}
