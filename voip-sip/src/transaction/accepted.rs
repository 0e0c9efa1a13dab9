//! Retransmission of a 2xx to an INVITE until its ACK comes (RFC 3261 §13.3.1.4).
//!
//! This belongs to the UA core and not to the transaction, since the ACK is a request of its own that ends up in the
//! dialog. It runs over reliable transports too: a proxy further on may have lost the response on UDP.

use super::TransactionConfig;
use crate::transport::Path;
use bytes::Bytes;
use std::time::{Duration, Instant};
use voip_core::net::Transmit;

/// A 2xx on its way to being acknowledged.
#[derive(Debug)]
pub struct Retransmit2xx {
    path: Path,
    payload: Bytes,
    config: TransactionConfig,
    state: State,
    transmit: bool,
}

#[derive(Debug)]
enum State {
    Waiting {
        next: Instant,
        interval: Duration,
        give_up: Instant,
    },
    Acknowledged,
    /// `told`: the event has been taken.
    NoAck {
        told: bool,
    },
}

/// No ACK came within 64*T1: the dialog stands and is to be ended by BYE (RFC 3261 §13.3.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAck;

impl Retransmit2xx {
    /// The 2xx `payload` has just been sent along `path`, by
    /// [`Transactions::respond`](super::Transactions::respond); the first repetition comes after T1.
    pub fn new(now: Instant, path: Path, payload: Bytes, config: TransactionConfig) -> Self {
        let state = State::Waiting { next: now + config.t1, interval: config.t1, give_up: now + config.timeout() };
        Self { path, payload, config, state, transmit: false }
    }

    /// The ACK came. Whether it was the first one.
    pub fn handle_ack(&mut self) -> bool {
        let waiting = matches!(self.state, State::Waiting { .. });
        if waiting {
            self.state = State::Acknowledged;
            self.transmit = false;
        }
        waiting
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Waiting { next, interval, give_up } = &mut self.state {
            if *give_up <= now {
                self.state = State::NoAck { told: false };
                self.transmit = false;
            } else if *next <= now {
                *interval = self.config.next_interval(*interval);
                *next = now + *interval;
                self.transmit = true;
            }
        }
    }

    /// What is to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        std::mem::take(&mut self.transmit).then(|| self.path.transmit(self.payload.clone()))
    }

    /// Says once that no ACK came.
    pub fn poll_event(&mut self) -> Option<NoAck> {
        match &mut self.state {
            State::NoAck { told } if !*told => {
                *told = true;
                Some(NoAck)
            }
            State::NoAck { .. } | State::Waiting { .. } | State::Acknowledged => None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { next, give_up, .. } => Some(next.min(give_up)),
            State::Acknowledged | State::NoAck { .. } => None,
        }
    }

    /// Whether it may be dropped.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Acknowledged | State::NoAck { told: true })
    }
}
