//! Calls between two endpoints, in virtual time.

mod support;

use std::time::Duration;
use support::{World, credentials, sdp};
use voip_core::leg::{HangupCause, LegEnd};
use voip_core::net::Transport;
use voip_core::sim::LinkConfig;
use voip_sip::call::{CallEvent, CallKey, EndedBy};
use voip_sip::endpoint::{OutgoingCall, SessionTimerConfig};
use voip_sip::message::Headers;

fn place(world: &mut World) -> CallKey {
    let peer = world.peer_b;
    let call = OutgoingCall { user: "+74951234567".into(), from_user: "100".into(), ..OutgoingCall::default() };
    let key = world.act(world.a, |a, now| a.call(now, peer, call));
    assert!(matches!(world.event(world.a), (k, CallEvent::Routed { .. }) if k == key));
    world.act(world.a, |a, now| a.offer(now, key, sdp("offer")));
    key
}

/// A call from a to b, rung and answered; its keys at both ends.
fn establish(world: &mut World) -> (CallKey, CallKey) {
    let at_a = place(world);
    let (at_b, event) = world.event(world.b);
    let CallEvent::Incoming(incoming) = event else { panic!("{event:?}") };
    assert_eq!(incoming.offer.as_deref(), Some(b"offer".as_slice()));
    assert_eq!(incoming.request.uri.user_name().as_deref(), Some("+74951234567"));
    world.act(world.b, |b, now| {
        b.trying(now, at_b);
        b.progress(now, at_b, 180, None);
    });
    assert!(matches!(world.event(world.a).1, CallEvent::Progress { status: 180, sdp: None }));
    world.act(world.b, |b, now| b.answer(now, at_b, sdp("answer")));
    let event = world.event(world.a).1;
    assert!(matches!(event, CallEvent::Answered { sdp: Some(ref s), .. } if s == "answer"), "{event:?}");
    assert!(matches!(world.event(world.b).1, CallEvent::Confirmed { sdp: None }));
    (at_a, at_b)
}

fn hang_up(world: &mut World, from_a: bool, key: CallKey) {
    let (here, there) = if from_a { (world.a, world.b) } else { (world.b, world.a) };
    world.act(here, |e, now| e.hang_up(now, key, &LegEnd::new(HangupCause::Normal), Headers::new()));
    assert!(matches!(world.event(here).1, CallEvent::Ended { by: EndedBy::Local, .. }));
    let event = world.event(there).1;
    let CallEvent::Ended { end, by: EndedBy::Remote, words } = event else { panic!("{event:?}") };
    assert_eq!((end.cause, words.as_deref()), (HangupCause::Normal, Some("hung up")));
}

#[test]
fn a_call_is_answered_and_hung_up_by_either_side() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for from_a in [true, false] {
            let mut world = World::new(1, transport, LinkConfig::default());
            let (a, b) = establish(&mut world);
            hang_up(&mut world, from_a, if from_a { a } else { b });
            world.assert_empty();
        }
    }
}

#[test]
fn a_call_survives_a_third_of_its_datagrams_lost() {
    for seed in 0..40 {
        let link =
            LinkConfig { loss: 0.3, jitter: Duration::from_millis(40), duplication: 0.1, ..LinkConfig::default() };
        let mut world = World::new(seed, Transport::Udp, link);
        let at_a = place(&mut world);
        let (at_b, event) = world.event(world.b);
        assert!(matches!(event, CallEvent::Incoming(_)), "{event:?}");
        world.act(world.b, |b, now| {
            b.trying(now, at_b);
            b.answer(now, at_b, sdp("answer"));
        });
        let answered = world.event(world.a).1;
        assert!(matches!(answered, CallEvent::Answered { .. }), "seed {seed}: {answered:?}\n{}", world.net.trace());
        assert!(matches!(world.event(world.b).1, CallEvent::Confirmed { .. }), "seed {seed}");
        world.act(world.a, |a, now| a.hang_up(now, at_a, &LegEnd::new(HangupCause::Normal), Headers::new()));
        let ended = world.event(world.b).1;
        assert!(matches!(ended, CallEvent::Ended { by: EndedBy::Remote, .. }), "seed {seed}: {ended:?}");
        world.assert_empty();
    }
}

#[test]
fn giving_up_before_the_answer_cancels() {
    let mut world = World::new(1, Transport::Udp, LinkConfig::default());
    let at_a = place(&mut world);
    let (at_b, _) = world.event(world.b);
    world.act(world.b, |b, now| {
        b.trying(now, at_b);
        b.progress(now, at_b, 180, None);
    });
    assert!(matches!(world.event(world.a).1, CallEvent::Progress { .. }));
    world.act(world.a, |a, now| a.hang_up(now, at_a, &LegEnd::new(HangupCause::Cancelled), Headers::new()));
    let event = world.event(world.b).1;
    assert!(
        matches!(&event, CallEvent::Ended { end, by: EndedBy::Remote, .. } if end.cause == HangupCause::Cancelled),
        "{event:?}"
    );
    world.assert_empty();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut world =
        World::new(1, Transport::Udp, LinkConfig { latency: Duration::from_millis(50), ..LinkConfig::default() });
    let at_a = place(&mut world);
    let (at_b, _) = world.event(world.b);
    world.act(world.b, |b, now| b.progress(now, at_b, 180, None));
    assert!(matches!(world.event(world.a).1, CallEvent::Progress { .. }));
    world.act(world.b, |b, now| b.answer(now, at_b, sdp("answer")));
    world.act(world.a, |a, now| a.hang_up(now, at_a, &LegEnd::new(HangupCause::Cancelled), Headers::new()));
    assert!(matches!(world.event(world.b).1, CallEvent::Confirmed { .. }));
    let event = world.event(world.b).1;
    assert!(matches!(event, CallEvent::Ended { by: EndedBy::Remote, .. }), "{event:?}");
    world.assert_empty();
}

#[test]
fn a_rejection_tells_its_cause() {
    let mut world = World::new(1, Transport::Tcp, LinkConfig::default());
    place(&mut world);
    let (at_b, _) = world.event(world.b);
    world.act(world.b, |b, now| b.hang_up(now, at_b, &LegEnd::new(HangupCause::Busy), Headers::new()));
    let event = world.event(world.a).1;
    let CallEvent::Ended { end, by: EndedBy::Remote, .. } = event else { panic!("{event:?}") };
    assert_eq!((end.cause, end.status), (HangupCause::Busy, Some(486)));
    world.assert_empty();
}

#[test]
fn an_ack_that_never_comes_ends_the_call() {
    let mut world = World::new(1, Transport::Udp, LinkConfig::default());
    place(&mut world);
    let (at_b, _) = world.event(world.b);
    world.net.set_link_one_way(world.a, world.b, LinkConfig { down: true, ..LinkConfig::default() });
    world.act(world.b, |b, now| b.answer(now, at_b, sdp("answer")));
    let event = world.event(world.b).1;
    let CallEvent::Ended { end, by: EndedBy::Failure, .. } = event else { panic!("{event:?}") };
    assert_eq!(end.cause, HangupCause::DialogLost);
    assert!(world.net.elapsed() >= Duration::from_secs(32));
}

#[test]
fn hold_and_resume_are_offers_within_the_call() {
    let mut world = World::new(1, Transport::Udp, LinkConfig::default());
    let (at_a, at_b) = establish(&mut world);
    for offer in ["hold", "resume"] {
        world.act(world.a, |a, now| a.reinvite(now, at_a, sdp(offer)));
        let event = world.event(world.b).1;
        assert!(matches!(&event, CallEvent::Offer { sdp: Some(s) } if s == offer), "{event:?}");
        world.act(world.b, |b, now| b.accept_offer(now, at_b, sdp("yes")));
        assert!(matches!(world.event(world.a).1, CallEvent::OfferAnswered { sdp } if sdp == "yes"));
    }
    world.act(world.b, |b, now| b.reinvite(now, at_b, sdp("opus")));
    assert!(matches!(world.event(world.a).1, CallEvent::Offer { .. }));
    world.act(world.a, |a, now| a.refuse_offer(now, at_a, 488));
    assert!(matches!(world.event(world.b).1, CallEvent::OfferRefused { status: 488 }));
    hang_up(&mut world, true, at_a);
    world.assert_empty();
}

#[test]
fn offers_that_cross_are_both_answered_in_the_end() {
    for seed in 0..20 {
        let mut world = World::new(seed, Transport::Udp, LinkConfig::default());
        let (at_a, at_b) = establish(&mut world);
        world.act(world.a, |a, now| a.reinvite(now, at_a, sdp("from a")));
        world.act(world.b, |b, now| b.reinvite(now, at_b, sdp("from b")));
        let mut answered = 0;
        let limit = Duration::from_secs(30);
        world.net.run_until(limit, |net| {
            let now = net.now();
            for (node, key) in [(world.a, at_a), (world.b, at_b)] {
                match net.node_mut(node).next_call_event() {
                    Some((_, CallEvent::Offer { .. })) => {
                        net.node_mut(node).endpoint.accept_offer(now, key, sdp("yes"));
                    }
                    Some((_, CallEvent::OfferAnswered { .. })) => answered += 1,
                    Some((_, event)) => panic!("{event:?}"),
                    None => {}
                }
            }
            answered == 2
        });
        assert_eq!(answered, 2, "seed {seed}\n{}", world.net.trace());
        hang_up(&mut world, true, at_a);
        world.assert_empty();
    }
}

#[test]
fn the_session_is_refreshed_for_hours_in_either_role() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let timer = SessionTimerConfig { min_se: 90, expires: 300 };
        let mut world =
            World::with(1, transport, LinkConfig::default(), |p| p.session_timer = timer, |p| p.session_timer = timer);
        let (at_a, _) = establish(&mut world);
        world.net.run_for(Duration::from_secs(2 * 3600));
        for node in [world.a, world.b] {
            assert!(world.net.node_mut(node).next_call_event().is_none(), "the call went on undisturbed");
            assert_eq!(world.net.node(node).endpoint.counters().calls, 1);
        }
        let updates = world.net.trace().entries().iter().filter(|e| e.summary().starts_with("UPDATE")).count();
        assert!((46..=48).contains(&updates), "{updates} refreshes in two hours of 300 s intervals");
        hang_up(&mut world, true, at_a);
        world.assert_empty();
    }
}

#[test]
fn a_session_whose_refresher_vanished_ends() {
    let timer = SessionTimerConfig { min_se: 90, expires: 300 };
    let mut world =
        World::with(1, Transport::Udp, LinkConfig::default(), |p| p.session_timer = timer, |p| p.session_timer = timer);
    establish(&mut world);
    let down = LinkConfig { down: true, ..LinkConfig::default() };
    world.net.set_link(world.a, world.b, down);
    for node in [world.a, world.b] {
        let event = world.event(node).1;
        let CallEvent::Ended { end, by: EndedBy::Failure, .. } = event else { panic!("{event:?}") };
        assert!(matches!(end.cause, HangupCause::SessionExpired | HangupCause::DialogLost), "{:?}", end.cause);
    }
    world.assert_empty();
}

#[test]
fn an_interval_too_small_is_raised_and_the_call_goes_on() {
    let small = SessionTimerConfig { min_se: 90, expires: 100 };
    let large = SessionTimerConfig { min_se: 600, expires: 1800 };
    let mut world =
        World::with(1, Transport::Udp, LinkConfig::default(), |p| p.session_timer = large, |p| p.session_timer = small);
    establish(&mut world);
    let statuses: Vec<String> = world.net.trace().entries().iter().map(voip_core::sim::TraceEntry::summary).collect();
    assert!(statuses.iter().any(|s| s.starts_with("SIP/2.0 422")), "{statuses:?}");
}

#[test]
fn a_challenged_caller_proves_itself_and_a_wrong_password_is_refused() {
    for (password, accepted) in [("right", true), ("wrong", false)] {
        let mut world = World::with(
            1,
            Transport::Tcp,
            LinkConfig::default(),
            |p| {
                p.identify.clear();
                p.challenge = true;
                p.credentials = credentials("agent", "right");
            },
            |p| p.credentials = credentials("agent", password),
        );
        place(&mut world);
        if accepted {
            let (at_b, event) = world.event(world.b);
            assert!(matches!(event, CallEvent::Incoming(_)), "{event:?}");
            world.act(world.b, |b, now| b.hang_up(now, at_b, &LegEnd::new(HangupCause::Busy), Headers::new()));
            assert!(matches!(world.event(world.a).1, CallEvent::Ended { .. }));
            world.assert_empty();
        } else {
            let event = world.event(world.a).1;
            let CallEvent::Ended { end, .. } = event else { panic!("{event:?}") };
            assert!(matches!(end.cause, HangupCause::AuthenticationFailed | HangupCause::Forbidden), "{:?}", end.cause);
            assert_eq!(world.net.node(world.b).endpoint.counters().received.unauthorized, 1);
        }
    }
}

#[test]
fn strangers_get_no_answer_and_leave_nothing() {
    let mut world = World::with(1, Transport::Udp, LinkConfig::default(), |p| p.identify.clear(), |_| {});
    place(&mut world);
    let event = world.event(world.a).1;
    assert!(matches!(&event, CallEvent::Ended { end, .. } if end.cause == HangupCause::Unreachable), "{event:?}");
    let from_b = world.net.trace().entries().iter().filter(|entry| entry.from == world.b).count();
    assert_eq!(from_b, 0);
    assert!(world.net.node(world.b).endpoint.counters().received.strangers > 1);
    world.assert_empty();
}

#[test]
fn a_dead_server_is_passed_over_for_the_next() {
    let mut world = World::with(
        1,
        Transport::Tcp,
        LinkConfig::default(),
        |_| {},
        |p| {
            let mut dead = p.servers[0].clone();
            dead.host = "10.0.0.9".into();
            p.servers.insert(0, dead);
        },
    );
    let at_a = place(&mut world);
    let (at_b, event) = world.event(world.b);
    assert!(matches!(event, CallEvent::Incoming(_)));
    world.act(world.b, |b, now| b.answer(now, at_b, sdp("answer")));
    assert!(matches!(world.event(world.a).1, CallEvent::Answered { .. }));
    assert!(matches!(world.event(world.b).1, CallEvent::Confirmed { .. }));
    hang_up(&mut world, true, at_a);
}

#[test]
fn a_call_outlives_its_connection() {
    let mut world = World::new(1, Transport::Tcp, LinkConfig::default());
    let (at_a, _) = establish(&mut world);
    world.net.cut_streams(world.a);
    hang_up(&mut world, true, at_a);
    let mut world = World::new(1, Transport::Tcp, LinkConfig::default());
    let (_, at_b) = establish(&mut world);
    world.net.cut_streams(world.a);
    hang_up(&mut world, false, at_b);
    world.assert_empty();
}

#[test]
fn a_challenged_caller_is_not_challenged_again_for_what_comes_twice() {
    for seed in 0..40 {
        let link = LinkConfig { loss: 0.3, duplication: 0.3, ..LinkConfig::default() };
        let mut world = World::with(
            seed,
            Transport::Udp,
            link,
            |p| {
                p.identify.clear();
                p.challenge = true;
                p.credentials = credentials("agent", "right");
            },
            |p| p.credentials = credentials("agent", "right"),
        );
        let at_a = place(&mut world);
        let (at_b, event) = world.event(world.b);
        assert!(matches!(event, CallEvent::Incoming(_)), "seed {seed}: {event:?}");
        world.act(world.b, |b, now| {
            b.trying(now, at_b);
            b.progress(now, at_b, 180, None);
        });
        world.net.run_for(Duration::from_secs(3));
        world.act(world.a, |a, now| a.hang_up(now, at_a, &LegEnd::new(HangupCause::Cancelled), Headers::new()));
        let event = world.event(world.b).1;
        assert!(
            matches!(&event, CallEvent::Ended { end, .. } if end.cause == HangupCause::Cancelled),
            "seed {seed}: {event:?}\n{}",
            world.net.trace()
        );
        world.assert_empty();
    }
}
