use super::*;
use proptest::prelude::*;

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn start() -> Instant {
    Instant::now()
}

const RING: u64 = 30;
const LONGEST: u64 = 3600;

fn coupling(now: Instant) -> Coupling {
    let max_duration = Some(Duration::from_secs(LONGEST));
    Coupling::new(now, CouplingConfig { ring_timeout: Duration::from_secs(RING), max_duration })
}

fn commands(coupling: &mut Coupling) -> Vec<(Side, LegCommand)> {
    std::iter::from_fn(|| coupling.poll_command()).collect()
}

fn ringing() -> LegEvent {
    LegEvent::Progress { status: 180, early_media: false }
}

fn ended(cause: HangupCause) -> LegEvent {
    LegEvent::Ended(LegEnd::new(cause))
}

fn rejected(status: u16) -> LegEvent {
    LegEvent::Ended(LegEnd { cause: HangupCause::from_status(status), status: Some(status) })
}

fn hang_up(cause: HangupCause) -> LegCommand {
    LegCommand::HangUp(LegEnd::new(cause))
}

fn established(now: Instant) -> Coupling {
    let mut call = coupling(now);
    call.handle_event(now, Side::Callee, LegEvent::Answered);
    call.handle_event(now, Side::Caller, LegEvent::Answered);
    commands(&mut call);
    assert_eq!(call.state(), CouplingState::Established);
    call
}

#[test]
fn a_call_rings_is_answered_and_ended_by_its_caller() {
    let t0 = start();
    let mut call = coupling(t0);
    assert_eq!(call.state(), CouplingState::Calling);
    call.handle_event(t0, Side::Callee, ringing());
    assert_eq!(call.state(), CouplingState::Alerting);
    assert_eq!(commands(&mut call), [(Side::Caller, LegCommand::Progress { status: 180, early_media: false })]);
    call.handle_event(t0, Side::Callee, LegEvent::Answered);
    assert_eq!(call.state(), CouplingState::Answering);
    assert_eq!(commands(&mut call), [(Side::Caller, LegCommand::Answer)]);
    call.handle_event(t0, Side::Caller, LegEvent::Answered);
    assert_eq!(call.state(), CouplingState::Established);
    call.handle_event(t0, Side::Caller, ended(HangupCause::Normal));
    assert_eq!(commands(&mut call), [(Side::Callee, hang_up(HangupCause::Normal))]);
    assert_eq!(call.state(), CouplingState::Ending);
    call.handle_event(t0, Side::Callee, ended(HangupCause::Normal));
    assert!(call.is_over());
    let outcome = call.outcome().unwrap();
    assert_eq!((outcome.by, outcome.answered), (EndingParty::Leg(Side::Caller), true));
    assert_eq!(call.poll_timeout(), None);
}

#[test]
fn progress_is_passed_once_and_again_only_each_minute() {
    let t0 = start();
    let mut call = Coupling::new(t0, CouplingConfig { ring_timeout: Duration::from_secs(180), max_duration: None });
    let mut passed = 0;
    for second in 0..120 {
        call.handle_event(t0 + Duration::from_secs(second), Side::Callee, ringing());
        passed += commands(&mut call).len();
    }
    assert_eq!(passed, 2);
    let early = LegEvent::Progress { status: 183, early_media: true };
    call.handle_event(t0 + Duration::from_secs(120), Side::Callee, early);
    assert_eq!(commands(&mut call), [(Side::Caller, LegCommand::Progress { status: 183, early_media: true })]);
}

#[test]
fn a_callee_that_does_not_answer_is_cancelled_and_its_caller_told_480() {
    let t0 = start();
    let mut call = coupling(t0);
    call.handle_event(t0, Side::Callee, ringing());
    commands(&mut call);
    let deadline = call.poll_timeout().unwrap();
    assert_eq!(deadline, t0 + Duration::from_secs(RING));
    call.handle_timeout(deadline - Duration::from_millis(1));
    assert_eq!(commands(&mut call), []);
    call.handle_timeout(deadline);
    let told = commands(&mut call);
    assert_eq!(told, Side::BOTH.map(|side| (side, hang_up(HangupCause::NoAnswer))));
    let LegCommand::HangUp(end) = &told[0].1 else { panic!("the caller is hung up") };
    assert_eq!((end.rejection(), end.cause.q850()), (480, 19));
    assert_eq!(call.outcome().unwrap().by, EndingParty::Gateway);
    assert_eq!(call.poll_timeout(), None);
}

#[test]
fn an_answer_that_crosses_the_callers_cancel_is_hung_up() {
    let t0 = start();
    let mut call = coupling(t0);
    call.handle_event(t0, Side::Caller, ended(HangupCause::Cancelled));
    assert_eq!(commands(&mut call), [(Side::Callee, hang_up(HangupCause::Cancelled))]);
    call.handle_event(t0, Side::Callee, LegEvent::Answered);
    assert_eq!(commands(&mut call), [(Side::Callee, hang_up(HangupCause::Cancelled))]);
    call.handle_event(t0, Side::Callee, ended(HangupCause::Cancelled));
    assert!(call.is_over() && !call.outcome().unwrap().answered);
}

#[test]
fn a_callee_that_ends_before_its_answer_was_passed_on_leaves_a_rejected_caller() {
    let t0 = start();
    let mut call = coupling(t0);
    call.handle_event(t0, Side::Callee, LegEvent::Answered);
    call.handle_event(t0, Side::Callee, ended(HangupCause::Normal));
    assert_eq!(commands(&mut call), [(Side::Caller, hang_up(HangupCause::Normal))]);
}

#[test]
fn a_rejection_reaches_the_caller_as_a_status_that_is_true_there() {
    for (came, told) in [
        (486, 486),
        (600, 600),
        (603, 603),
        (404, 404),
        (480, 480),
        (408, 480),
        (503, 503),
        (500, 503),
        (488, 488),
        (403, 403),
        (401, 502),
        (407, 502),
        (302, 502),
        (400, 502),
        (487, 480),
    ] {
        let t0 = start();
        let mut call = coupling(t0);
        call.handle_event(t0, Side::Callee, rejected(came));
        let told_end = match commands(&mut call).as_slice() {
            [(Side::Caller, LegCommand::HangUp(end))] => end.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(told_end.rejection(), told, "{came}");
        assert_eq!(call.outcome().unwrap().end.status, Some(came));
    }
}

#[test]
fn a_call_ends_when_it_has_lasted_as_long_as_it_may() {
    let t0 = start();
    let mut call = established(t0);
    call.handle_timeout(t0 + Duration::from_secs(LONGEST));
    assert_eq!(commands(&mut call), Side::BOTH.map(|side| (side, hang_up(HangupCause::MaximumDuration))));
}

#[test]
fn the_gateways_wish_is_told_to_both_legs_once() {
    let t0 = start();
    let mut call = established(t0);
    call.hang_up(t0, LegEnd::new(HangupCause::Shutdown));
    call.hang_up(t0, LegEnd::new(HangupCause::MediaTimeout));
    assert_eq!(commands(&mut call), Side::BOTH.map(|side| (side, hang_up(HangupCause::Shutdown))));
    call.handle_event(t0, Side::Callee, ended(HangupCause::Shutdown));
    call.handle_event(t0, Side::Caller, ended(HangupCause::Normal));
    assert_eq!(commands(&mut call), []);
    assert_eq!(call.outcome().unwrap().end.cause, HangupCause::Shutdown);
}

#[derive(Clone, Debug)]
enum Step {
    Event(Side, LegEvent),
    Wait(u64),
    HangUp,
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Side::Caller), Just(Side::Callee)];
    let event = prop_oneof![
        4 => Just(ringing()),
        2 => Just(LegEvent::Progress { status: 183, early_media: true }),
        4 => Just(LegEvent::Answered),
        1 => Just(LegEvent::Dtmf { digit: '5', duration_ms: 100 }),
        1 => Just(ended(HangupCause::Normal)),
        1 => Just(rejected(486)),
    ];
    prop_oneof![
        12 => (side, event).prop_map(|(side, event)| Step::Event(side, event)),
        2 => (0_u64..5000).prop_map(Step::Wait),
        1 => Just(Step::HangUp),
    ]
}

proptest! {
    /// Whatever happens in whatever order: once something ends the call, both legs are told or over, each that is told
    /// and obeys brings the call to its end, the outcome does not change, and no timer is left.
    #[test]
    fn any_order_of_events_ends_with_both_legs_over(steps in prop::collection::vec(step(), 0..40)) {
        let t0 = start();
        let mut now = t0;
        let mut call = coupling(now);
        let mut told = [false; 2];
        let mut over = [false; 2];
        let mut answers = 0;
        let mut outcome = None;
        let mut take = |call: &mut Coupling, told: &mut [bool; 2], over: &[bool; 2]| {
            for (side, command) in commands(call) {
                prop_assert!(!over[side.index()], "{side} is over and told {command:?}");
                match command {
                    LegCommand::HangUp(_) => told[side.index()] = true,
                    LegCommand::Answer => {
                        answers += 1;
                        prop_assert!(side == Side::Caller && answers == 1 && !told[0]);
                    }
                    LegCommand::Progress { .. } => prop_assert!(side == Side::Caller && !told[0]),
                }
            }
            Ok(())
        };
        for step in steps {
            match step {
                Step::Event(side, event) => {
                    over[side.index()] |= matches!(event, LegEvent::Ended(_));
                    call.handle_event(now, side, event);
                }
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    call.handle_timeout(now);
                }
                Step::HangUp => call.hang_up(now, LegEnd::new(HangupCause::Shutdown)),
            }
            take(&mut call, &mut told, &over)?;
            if outcome.is_some() {
                prop_assert_eq!(outcome.as_ref(), call.outcome());
            }
            outcome = call.outcome().cloned();
        }
        call.hang_up(now, LegEnd::new(HangupCause::Shutdown));
        take(&mut call, &mut told, &over)?;
        prop_assert!(call.outcome().is_some());
        for side in Side::BOTH {
            if !over[side.index()] {
                prop_assert!(told[side.index()], "{side} is neither over nor told");
                call.handle_event(now, side, ended(HangupCause::Normal));
            }
        }
        prop_assert!(call.is_over());
        prop_assert_eq!(call.poll_timeout(), None);
        prop_assert!(call.poll_command().is_none());
    }
}
