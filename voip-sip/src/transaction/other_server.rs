//! The server transaction of every request but INVITE and ACK (RFC 3261 §17.2.2).
//!
//! Sends the user's responses and repeats the last of them for each retransmitted request. A user that does not answer
//! within 64*T1 is too late: the client has given up by then, and a late answer would only confuse (RFC 4320 §4.2).

use super::{ServerEvent, ServerTimeout, TransactionConfig};
use crate::message::Response;
use bytes::Bytes;
use std::time::Instant;
use voip_core::time::{TimerIndex, TimerTable};

/// One request received.
#[derive(Debug)]
pub struct OtherServer {
    state: State,
    timers: TimerTable<Timer, 2>,
    config: TransactionConfig,
    reliable: bool,
    transmit: Option<Bytes>,
    event: Option<ServerEvent>,
}

#[derive(Debug)]
enum State {
    Trying,
    Proceeding { last: Bytes },
    Completed { last: Bytes },
    Terminated,
}

/// Timers of a server transaction other than INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Completed: no more retransmissions of the request are expected.
    J,
    /// Trying and Proceeding: the user has not answered in time.
    Limit,
}

impl TimerIndex for Timer {
    const ALL: &'static [Self] = &[Self::J, Self::Limit];
    fn index(self) -> usize {
        match self {
            Self::J => 0,
            Self::Limit => 1,
        }
    }
}

impl OtherServer {
    /// A request came that belongs to no transaction yet.
    pub fn new(now: Instant, reliable: bool, config: TransactionConfig) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::Limit, now + config.timeout());
        Self { state: State::Trying, timers, config, reliable, transmit: None, event: None }
    }

    /// The user responds; whether the state allows it.
    pub fn respond(&mut self, now: Instant, response: &Response) -> bool {
        match self.state {
            State::Trying | State::Proceeding { .. } => {
                let last = response.to_bytes();
                self.transmit = Some(last.clone());
                if response.is_provisional() {
                    self.state = State::Proceeding { last };
                    return true;
                }
                self.timers.stop_all();
                // Timer J is zero over a reliable transport (RFC 3261 §17.2.2).
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    self.timers.set(Timer::J, now + self.config.timeout());
                    State::Completed { last }
                };
                true
            }
            State::Completed { .. } | State::Terminated => false,
        }
    }

    /// The request came again.
    pub fn handle_retransmission(&mut self) {
        match &self.state {
            State::Proceeding { last } | State::Completed { last } => self.transmit = Some(last.clone()),
            State::Trying | State::Terminated => {}
        }
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            self.state = State::Terminated;
            match timer {
                Timer::J => {}
                Timer::Limit => self.event = Some(ServerEvent::Timeout(ServerTimeout::NoFinalResponse)),
            }
        }
    }

    /// What is to be sent.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmit.take()
    }

    /// What is to be told to the user.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.event.take()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether no final response has been sent yet.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding { .. })
    }

    /// Whether it may be dropped.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
