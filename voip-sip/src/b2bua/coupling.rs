//! The machine: two legs, one call.
//!
//! The caller's leg reports `Answered` when the answer it was told to give is confirmed (its ACK came); the callee's
//! when the far side answers. A leg that is told to hang up reports `Ended` in any case: what a CANCEL or a BYE meets
//! on its way is the leg's affair.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};
use voip_core::leg::{HangupCause, LegCommand, LegEnd, LegEvent, Side};
use voip_core::time::{TimerIndex, TimerTable};

/// How long a coupled call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CouplingConfig {
    /// How long the callee may take to answer, from the moment it is called.
    pub ring_timeout: Duration,
    /// How long the call may last once it is answered. `None`: as long as both sides like.
    pub max_duration: Option<Duration>,
}

impl Default for CouplingConfig {
    /// 90 s of ringing: half of the three minutes after which proxies give up (RFC 3261 §16.6 timer C).
    fn default() -> Self {
        Self { ring_timeout: Duration::from_secs(90), max_duration: None }
    }
}

/// Where a coupled call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CouplingState {
    /// The callee is being called and has said nothing yet.
    Calling,
    /// The callee rings or makes progress.
    Alerting,
    /// The callee answered; the caller is told and has not confirmed it yet.
    Answering,
    /// Both legs are up.
    Established,
    /// One leg is over, or the gateway wants the call to end; not both legs have ended yet.
    Ending,
    /// Both legs are over.
    Ended,
}

impl fmt::Display for CouplingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calling => "calling",
            Self::Alerting => "alerting",
            Self::Answering => "answering",
            Self::Established => "established",
            Self::Ending => "ending",
            Self::Ended => "ended",
        })
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndingParty {
    /// The leg of that side: its far side, or a failure of the way to it.
    Leg(Side),
    /// This gateway: a limit, a timer, a shutdown.
    Gateway,
}

impl fmt::Display for EndingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leg(side) => side.fmt(f),
            Self::Gateway => f.write_str("gateway"),
        }
    }
}

/// How a call ended: decided once, by whatever ended it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why.
    pub end: LegEnd,
    /// Who ended it.
    pub by: EndingParty,
    /// Whether the callee had answered by then.
    pub answered: bool,
}

/// Two legs coupled into one call.
#[derive(Debug)]
pub struct Coupling {
    config: CouplingConfig,
    state: CouplingState,
    ended: [bool; 2],
    outcome: Option<Outcome>,
    /// The last progress the caller was told, and when.
    progress: Option<(u16, bool, Instant)>,
    timers: TimerTable<Timer, 2>,
    commands: VecDeque<(Side, LegCommand)>,
}

impl Coupling {
    /// A caller that waits, and a callee that is being called from `now` on.
    pub fn new(now: Instant, config: CouplingConfig) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::Ring, now + config.ring_timeout);
        Self {
            config,
            state: CouplingState::Calling,
            ended: [false; 2],
            outcome: None,
            progress: None,
            timers,
            commands: VecDeque::with_capacity(2),
        }
    }

    /// Where the call stands.
    pub const fn state(&self) -> CouplingState {
        self.state
    }

    /// How the call ended, as soon as that is decided.
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Whether both legs are over.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, CouplingState::Ended)
    }

    /// Something happened to a leg.
    pub fn handle_event(&mut self, now: Instant, side: Side, event: LegEvent) {
        if self.ended[side.index()] {
            return;
        }
        match (side, event) {
            (Side::Callee, LegEvent::Progress { status, early_media }) => {
                self.handle_progress(now, status, early_media);
            }
            (Side::Callee, LegEvent::Answered) => self.handle_answer(now),
            (Side::Caller, LegEvent::Answered) => {
                if self.state == CouplingState::Answering {
                    self.state = CouplingState::Established;
                }
            }
            (side, LegEvent::Ended(end)) => self.handle_end(side, end),
            // Telephone events travel in the media; a caller that calls makes no progress.
            (_, LegEvent::Dtmf { .. }) | (Side::Caller, LegEvent::Progress { .. }) => {}
        }
    }

    /// A deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            let cause = match timer {
                Timer::Ring => HangupCause::NoAnswer,
                Timer::Duration => HangupCause::MaximumDuration,
            };
            self.hang_up(now, LegEnd::new(cause));
        }
    }

    /// The gateway wants the call to end: a shutdown, a limit, audio that stays away.
    pub fn hang_up(&mut self, _now: Instant, end: LegEnd) {
        if self.begin_ending(end.clone(), EndingParty::Gateway) {
            for side in Side::BOTH {
                self.tell_end(side, end.clone());
            }
        }
    }

    /// The next thing a leg is to be told; call until `None`.
    pub fn poll_command(&mut self) -> Option<(Side, LegCommand)> {
        self.commands.pop_front()
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn handle_progress(&mut self, now: Instant, status: u16, early_media: bool) {
        if !matches!(self.state, CouplingState::Calling | CouplingState::Alerting) {
            return;
        }
        self.state = CouplingState::Alerting;
        // Some callees repeat their 180 every second. The caller hears of what is new, and of the same again only as
        // often as proxies on its way need it to keep waiting (RFC 3261 §13.3.1.1).
        let repeated = self.progress.is_some_and(|(last_status, last_early, at)| {
            (last_status, last_early) == (status, early_media) && now < at + PROGRESS_REPETITION
        });
        if !repeated {
            self.progress = Some((status, early_media, now));
            self.commands.push_back((Side::Caller, LegCommand::Progress { status, early_media }));
        }
    }

    fn handle_answer(&mut self, now: Instant) {
        match self.state {
            CouplingState::Calling | CouplingState::Alerting => {
                self.state = CouplingState::Answering;
                self.timers.stop(Timer::Ring);
                if let Some(duration) = self.config.max_duration {
                    self.timers.set(Timer::Duration, now + duration);
                }
                self.commands.push_back((Side::Caller, LegCommand::Answer));
            }
            // The answer crossed our CANCEL (RFC 3261 §9.1): what was a call to be cancelled is one to be ended.
            CouplingState::Ending => {
                let end =
                    self.outcome.as_ref().map_or(LegEnd::new(HangupCause::Cancelled), |outcome| outcome.end.clone());
                self.tell_end(Side::Callee, end);
            }
            CouplingState::Answering | CouplingState::Established | CouplingState::Ended => {}
        }
    }

    fn handle_end(&mut self, side: Side, end: LegEnd) {
        self.ended[side.index()] = true;
        self.begin_ending(end.clone(), EndingParty::Leg(side));
        // Only the first end is news to the other leg; when the gateway ended the call, both know.
        if self.outcome.as_ref().is_some_and(|outcome| outcome.by == EndingParty::Leg(side)) {
            self.tell_end(side.other(), passed_on(end));
        }
        if self.ended == [true; 2] {
            self.state = CouplingState::Ended;
            // What was not yet taken concerns legs that are over.
            self.commands.clear();
        }
    }

    /// Decides the outcome; `false` when it was decided before.
    fn begin_ending(&mut self, end: LegEnd, by: EndingParty) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        let answered = matches!(self.state, CouplingState::Answering | CouplingState::Established);
        self.outcome = Some(Outcome { end, by, answered });
        self.state = CouplingState::Ending;
        self.timers.stop_all();
        true
    }

    fn tell_end(&mut self, side: Side, end: LegEnd) {
        if self.ended[side.index()] {
            return;
        }
        // A leg that is to end needs no earlier word; an answer overtaken by the callee's end would only open a call
        // to close it.
        self.commands.retain(|(told, _)| *told != side);
        self.commands.push_back((side, LegCommand::HangUp(end)));
    }
}

/// The end of one leg in words that are true on the other.
///
/// A status is passed on where it speaks of the dialled party. One that speaks of our own request (its credentials, its
/// syntax, its route) would mislead the caller: a 401 would make it send its password; the cause's own status stands
/// in for it.
fn passed_on(end: LegEnd) -> LegEnd {
    let speaks_of_the_party =
        |status: &u16| matches!(status, 404 | 410 | 480 | 484 | 486 | 488 | 503 | 600 | 603 | 604 | 606..=608);
    let cause = match (end.cause, end.status) {
        // A callee that says 487 unasked was cancelled by somebody, and not by this caller.
        (HangupCause::Cancelled, Some(487)) => HangupCause::Unavailable,
        (cause, _) => cause,
    };
    let status = match (end.cause, end.status) {
        (HangupCause::Cancelled, Some(487)) => Some(480),
        (_, status) => status.filter(speaks_of_the_party),
    };
    LegEnd { cause, status }
}

/// The timers of a coupling.
#[derive(Clone, Copy, Debug)]
enum Timer {
    /// Fires when the callee has not answered in time.
    Ring,
    /// Fires when the answered call has lasted as long as it may.
    Duration,
}

impl TimerIndex for Timer {
    const ALL: &'static [Self] = &[Self::Ring, Self::Duration];
    fn index(self) -> usize {
        self as usize
    }
}

/// A UAS repeats its provisional response every minute, so that no proxy's timer C runs out (RFC 3261 §13.3.1.1).
const PROGRESS_REPETITION: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
