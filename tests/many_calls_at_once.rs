//! Two hundred calls, twenty a second, over a network that loses some of it: all complete, none are mixed up, and
//! nothing is held afterwards.

mod sim;

use sim::peer::{Dialog, sdp};
use sim::{AGENT, GATEWAY, World};
use std::collections::HashMap;
use std::time::Duration;
use voip_core::sim::LinkConfig;
use voip_sip::message::header::CSeq;
use voip_sip::message::{HeaderName, Method, Request};

const CALLS: usize = 200;
const STEP: Duration = Duration::from_millis(50);
/// How long each call lasts, in steps.
const TALK: usize = 100;

#[test]
fn two_hundred_calls_at_twenty_a_second_complete_and_leave_nothing() {
    let link = LinkConfig { loss: 0.02, jitter: Duration::from_millis(10), ..LinkConfig::default() };
    let mut world = World::with(5, link, "", "", "");
    let (carrier, agent) = (world.carrier, world.agent);
    // By Call-ID: the INVITE, then the dialog and the step in which it began.
    let mut invites: HashMap<String, Request> = HashMap::new();
    let mut up: Vec<(usize, Dialog)> = Vec::new();
    for step in 0..CALLS + TALK + 200 {
        if step < CALLS {
            let now = world.net.now();
            let peer = world.peer(carrier);
            let invite = peer.invite(GATEWAY, "74951234567", &format!("790000{step:05}"));
            invites.insert(invite.headers.call_id().unwrap().to_string(), invite.clone());
            peer.send(now, GATEWAY, invite);
        }
        world.run(STEP);
        let now = world.net.now();
        while let Some(invite) = world.peer(agent).take_request("INVITE") {
            let caller = invite.headers.value(&HeaderName::other("X-CALLER-ID")).unwrap().to_string();
            let number: u16 = caller[7..].parse().unwrap();
            let answer = sdp(AGENT, 20_000 + 2 * number, "8 101", "sendrecv");
            world.peer(agent).respond(now, &invite, 200, Some(&answer));
        }
        while let Some(ok) = world.peer(carrier).take_response(200) {
            assert_eq!(ok.headers.required::<CSeq>().unwrap().method, Method::Invite);
            let invite = invites.remove(ok.headers.call_id().unwrap().as_str().unwrap()).expect("one answer to a call");
            let dialog = Dialog::of_caller(&invite, &ok);
            world.peer(carrier).acknowledge(now, GATEWAY, dialog.ack());
            up.push((step, dialog));
        }
        let (ending, lasting) = up.into_iter().partition(|(since, _)| step >= since + TALK);
        up = lasting;
        let ending: Vec<(usize, Dialog)> = ending;
        for (_, mut dialog) in ending {
            let bye = dialog.request(Method::Bye);
            world.peer(carrier).send(now, GATEWAY, bye);
        }
    }
    assert!(invites.is_empty() && up.is_empty(), "{} calls were not answered", invites.len());
    assert_eq!(world.peer(agent).heard("BYE"), CALLS);
    let records = world.records();
    assert_eq!(records.len(), CALLS);
    assert!(records.iter().all(|record| record.cause == "normal" && record.talk_ms >= 4900));

    // Each call's media goes between the two that were to speak to each other.
    for record in &records {
        let peer = record.callee_leg.as_ref().unwrap().media_peer.as_ref().unwrap();
        let port: usize = peer.rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!((port - 20_000) / 2, record.caller[7..].parse::<usize>().unwrap());
    }
    world.assert_empty();
}
