//! The INVITE server transaction (RFC 3261 §17.2.1 with RFC 6026 §8.5, §8.6).
//!
//! Sends the user's responses, repeats the last of them for each retransmitted INVITE, and retransmits a final response
//! other than 2xx until its ACK comes. A 2xx is retransmitted by [`Retransmit2xx`](super::Retransmit2xx), which is the UA
//! core's; this machine only absorbs the INVITEs that still come. It never answers on its own: who is answered at all is
//! decided elsewhere.

use super::{ServerEvent, ServerTimeout, TransactionConfig};
use crate::message::Response;
use bytes::Bytes;
use std::time::{Duration, Instant};
use voip_core::time::{TimerIndex, TimerTable};

/// One INVITE received.
#[derive(Debug)]
pub struct InviteServer {
    state: State,
    timers: TimerTable<Timer, 5>,
    config: TransactionConfig,
    reliable: bool,
    transmit: Option<Bytes>,
    event: Option<ServerEvent>,
}

#[derive(Debug)]
enum State {
    /// `overdue`: the limit has passed and the user been told; it has 64*T1 more.
    Proceeding {
        last: Option<Bytes>,
        overdue: bool,
    },
    /// A 2xx was sent (RFC 6026 §8.5).
    Accepted,
    /// Another final response was sent and its ACK has not come. `interval`: what Timer G was last set to.
    Completed {
        last: Bytes,
        interval: Duration,
    },
    Confirmed,
    Terminated,
}

/// Timers of an INVITE server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Completed, over UDP: retransmit the final response.
    G,
    /// Completed: no ACK came.
    H,
    /// Confirmed: no more ACKs are expected.
    I,
    /// Accepted: no more INVITEs are expected.
    L,
    /// Proceeding: the user has not answered within the limit.
    Limit,
}

impl TimerIndex for Timer {
    const ALL: &'static [Self] = &[Self::H, Self::I, Self::L, Self::Limit, Self::G];
    fn index(self) -> usize {
        match self {
            Self::H => 0,
            Self::I => 1,
            Self::L => 2,
            Self::Limit => 3,
            Self::G => 4,
        }
    }
}

impl InviteServer {
    /// An INVITE came that belongs to no transaction yet.
    pub fn new(now: Instant, reliable: bool, config: TransactionConfig) -> Self {
        let mut timers = TimerTable::default();
        timers.set(Timer::Limit, now + config.proceeding_limit);
        let state = State::Proceeding { last: None, overdue: false };
        Self { state, timers, config, reliable, transmit: None, event: None }
    }

    /// The user responds; whether the state allows it.
    pub fn respond(&mut self, now: Instant, response: &Response) -> bool {
        match &mut self.state {
            State::Proceeding { last, .. } => {
                let payload = response.to_bytes();
                self.transmit = Some(payload.clone());
                if response.is_provisional() {
                    *last = Some(payload);
                    return true;
                }
                self.timers.stop_all();
                if response.is_success() {
                    self.timers.set(Timer::L, now + self.config.timeout());
                    self.state = State::Accepted;
                } else {
                    if !self.reliable {
                        self.timers.set(Timer::G, now + self.config.t1);
                    }
                    self.timers.set(Timer::H, now + self.config.timeout());
                    self.state = State::Completed { last: payload, interval: self.config.t1 };
                }
                true
            }
            // A 2xx retransmitted by the user, or one of another fork (RFC 6026 §8.5).
            State::Accepted if response.is_success() => {
                self.transmit = Some(response.to_bytes());
                true
            }
            State::Accepted | State::Completed { .. } | State::Confirmed | State::Terminated => false,
        }
    }

    /// The INVITE came again.
    pub fn handle_retransmission(&mut self) {
        match &self.state {
            State::Proceeding { last, .. } => self.transmit.clone_from(last),
            State::Completed { last, .. } => self.transmit = Some(last.clone()),
            State::Accepted | State::Confirmed | State::Terminated => {}
        }
    }

    /// An ACK came with the INVITE's branch. `true`: it is the user's, since what was sent was a 2xx (RFC 6026 §8.5).
    pub fn handle_ack(&mut self, now: Instant) -> bool {
        match self.state {
            State::Accepted => return true,
            State::Completed { .. } => {
                self.timers.stop_all();
                // Timer I is zero over a reliable transport (RFC 3261 §17.2.1).
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    self.timers.set(Timer::I, now + self.config.t4);
                    State::Confirmed
                };
            }
            State::Proceeding { .. } | State::Confirmed | State::Terminated => {}
        }
        false
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::G => {
                    if let State::Completed { last, interval } = &mut self.state {
                        *interval = self.config.next_interval(*interval);
                        self.timers.set(Timer::G, now + *interval);
                        self.transmit = Some(last.clone());
                    }
                }
                Timer::H => {
                    self.end();
                    self.event = Some(ServerEvent::Timeout(ServerTimeout::NoAck));
                }
                Timer::I | Timer::L => self.end(),
                Timer::Limit => match &mut self.state {
                    State::Proceeding { overdue, .. } if !*overdue => {
                        *overdue = true;
                        self.timers.set(Timer::Limit, now + self.config.timeout());
                        self.event = Some(ServerEvent::Timeout(ServerTimeout::NoFinalResponse));
                    }
                    State::Proceeding { .. }
                    | State::Accepted
                    | State::Completed { .. }
                    | State::Confirmed
                    | State::Terminated => self.end(),
                },
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
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether it may be dropped.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    fn end(&mut self) {
        self.timers.stop_all();
        self.state = State::Terminated;
    }
}
