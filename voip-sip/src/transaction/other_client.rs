//! The client transaction of every request but INVITE and ACK (RFC 3261 §17.1.2).
//!
//! Retransmits the request until the final response comes, and absorbs the retransmissions of that.

use super::{ClientEvent, TransactionConfig};
use crate::message::{Request, Response};
use bytes::Bytes;
use std::time::{Duration, Instant};
use voip_core::time::{TimerIndex, TimerTable};

/// One request sent.
#[derive(Debug)]
pub struct OtherClient {
    state: State,
    timers: TimerTable<Timer, 3>,
    config: TransactionConfig,
    reliable: bool,
    payload: Bytes,
    transmit: Option<Bytes>,
    event: Option<ClientEvent>,
}

#[derive(Debug)]
enum State {
    /// `interval`: what Timer E was last set to.
    Trying {
        interval: Duration,
    },
    Proceeding,
    Completed,
    Terminated,
}

/// Timers of a client transaction other than INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Trying and Proceeding, over UDP: retransmit the request.
    E,
    /// Trying and Proceeding: no final response.
    F,
    /// Completed: no more retransmissions of the final response are expected.
    K,
}

impl TimerIndex for Timer {
    const ALL: &'static [Self] = &[Self::F, Self::K, Self::E];
    fn index(self) -> usize {
        match self {
            Self::F => 0,
            Self::K => 1,
            Self::E => 2,
        }
    }
}

impl OtherClient {
    /// Starts with `request`, whose topmost Via has its branch; the first transmission waits to be polled.
    pub fn new(now: Instant, request: &Request, reliable: bool, config: TransactionConfig) -> Self {
        let payload = request.to_bytes();
        let mut timers = TimerTable::default();
        if !reliable {
            timers.set(Timer::E, now + config.t1);
        }
        timers.set(Timer::F, now + config.timeout());
        let transmit = Some(payload.clone());
        Self { state: State::Trying { interval: config.t1 }, timers, config, reliable, payload, transmit, event: None }
    }

    /// A response came that belongs to this transaction.
    pub fn handle_response(&mut self, now: Instant, response: Response) {
        match self.state {
            State::Trying { .. } | State::Proceeding => {
                if response.is_provisional() {
                    self.state = State::Proceeding;
                } else {
                    self.timers.stop_all();
                    // Timer K is zero over a reliable transport (RFC 3261 §17.1.2.2).
                    self.state = if self.reliable {
                        State::Terminated
                    } else {
                        self.timers.set(Timer::K, now + self.config.t4);
                        State::Completed
                    };
                }
                self.event = Some(ClientEvent::Response(response));
            }
            State::Completed | State::Terminated => {}
        }
    }

    /// The flow failed before the final response came (RFC 3261 §17.1.4).
    pub fn handle_transport_error(&mut self) {
        if matches!(self.state, State::Trying { .. } | State::Proceeding) {
            self.timers.stop_all();
            self.state = State::Terminated;
            self.event = Some(ClientEvent::TransportError);
        }
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::E => {
                    let interval = match &mut self.state {
                        State::Trying { interval } => {
                            *interval = self.config.next_interval(*interval);
                            *interval
                        }
                        // After a provisional response only every T2 (RFC 3261 §17.1.2.2).
                        State::Proceeding => self.config.t2,
                        State::Completed | State::Terminated => continue,
                    };
                    self.timers.set(Timer::E, now + interval);
                    self.transmit = Some(self.payload.clone());
                }
                Timer::F => {
                    self.timers.stop_all();
                    self.state = State::Terminated;
                    self.event = Some(ClientEvent::Timeout);
                }
                Timer::K => self.state = State::Terminated,
            }
        }
    }

    /// What is to be sent.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmit.take()
    }

    /// What is to be told to the user.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.event.take()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether it may be dropped.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
