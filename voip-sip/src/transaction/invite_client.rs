//! The INVITE client transaction (RFC 3261 §17.1.1 with RFC 6026 §8.4).
//!
//! Retransmits the INVITE until a response comes, and acknowledges every final response but 2xx by itself. An ACK for
//! 2xx is the UA core's. After a provisional response the transaction waits up to
//! [`TransactionConfig::invite_limit`](super::TransactionConfig).

use super::{ClientEvent, TransactionConfig};
use crate::message::header::{CSeq, MaxForwards};
use crate::message::{HeaderName, Method, Request, Response};
use bytes::Bytes;
use std::time::{Duration, Instant};
use voip_core::time::{TimerIndex, TimerTable};

/// One INVITE sent.
#[derive(Debug)]
pub struct InviteClient {
    state: State,
    timers: TimerTable<Timer, 5>,
    config: TransactionConfig,
    reliable: bool,
    request: Request,
    payload: Bytes,
    transmit: Option<Bytes>,
    event: Option<ClientEvent>,
}

#[derive(Debug)]
enum State {
    /// `interval`: what Timer A was last set to.
    Calling {
        interval: Duration,
    },
    Proceeding,
    /// A 2xx came; further ones, from forks or retransmitted, still pass up (RFC 6026 §8.4).
    Accepted,
    /// A final response other than 2xx came; `ack` answers each retransmission of it.
    Completed {
        ack: Bytes,
    },
    Terminated,
}

/// Timers of an INVITE client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Calling, over UDP: retransmit the INVITE.
    A,
    /// Calling: nobody answered at all.
    B,
    /// Completed: no more retransmissions of the final response are expected.
    D,
    /// Accepted: no more 2xx are expected.
    M,
    /// Proceeding: no final response within the limit.
    Limit,
}

impl TimerIndex for Timer {
    const ALL: &'static [Self] = &[Self::B, Self::D, Self::M, Self::Limit, Self::A];
    fn index(self) -> usize {
        match self {
            Self::B => 0,
            Self::D => 1,
            Self::M => 2,
            Self::Limit => 3,
            Self::A => 4,
        }
    }
}

impl InviteClient {
    /// Starts with `request`, whose topmost Via has its branch; the first transmission waits to be polled.
    pub fn new(now: Instant, request: Request, reliable: bool, config: TransactionConfig) -> Self {
        let payload = request.to_bytes();
        let mut timers = TimerTable::default();
        if !reliable {
            timers.set(Timer::A, now + config.t1);
        }
        timers.set(Timer::B, now + config.timeout());
        let transmit = Some(payload.clone());
        let state = State::Calling { interval: config.t1 };
        Self { state, timers, config, reliable, request, payload, transmit, event: None }
    }

    /// A response came that belongs to this transaction.
    pub fn handle_response(&mut self, now: Instant, response: Response) {
        match &self.state {
            State::Calling { .. } | State::Proceeding if response.is_provisional() => {
                if matches!(self.state, State::Calling { .. }) {
                    self.timers.stop_all();
                    self.timers.set(Timer::Limit, now + self.config.invite_limit);
                    self.state = State::Proceeding;
                }
                self.event = Some(ClientEvent::Response(response));
            }
            State::Calling { .. } | State::Proceeding if response.is_success() => {
                self.timers.stop_all();
                self.timers.set(Timer::M, now + self.config.timeout());
                self.state = State::Accepted;
                self.event = Some(ClientEvent::Response(response));
            }
            State::Calling { .. } | State::Proceeding => {
                let ack = self.ack(&response).to_bytes();
                self.transmit = Some(ack.clone());
                self.timers.stop_all();
                // Timer D is zero over a reliable transport (RFC 3261 §17.1.1.2).
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    self.timers.set(Timer::D, now + self.config.timer_d);
                    State::Completed { ack }
                };
                self.event = Some(ClientEvent::Response(response));
            }
            State::Accepted if response.is_success() => self.event = Some(ClientEvent::Response(response)),
            State::Completed { ack } if !response.is_provisional() && !response.is_success() => {
                self.transmit = Some(ack.clone());
            }
            State::Accepted | State::Completed { .. } | State::Terminated => {}
        }
    }

    /// The flow failed. While the request may still be on its way, that is the end (RFC 3261 §17.1.4); once a final
    /// response has come it changes nothing.
    pub fn handle_transport_error(&mut self) {
        if matches!(self.state, State::Calling { .. } | State::Proceeding) {
            self.timers.stop_all();
            self.state = State::Terminated;
            self.event = Some(ClientEvent::TransportError);
        }
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::A => {
                    // Timer A has no cap of its own: Timer B ends it (RFC 3261 §17.1.1.2).
                    if let State::Calling { interval } = &mut self.state {
                        *interval *= 2;
                        self.timers.set(Timer::A, now + *interval);
                        self.transmit = Some(self.payload.clone());
                    }
                }
                Timer::B => self.end(Some(ClientEvent::Timeout)),
                Timer::Limit => self.end(Some(ClientEvent::Timeout)),
                Timer::D | Timer::M => self.end(None),
            }
        }
    }

    /// The CANCEL for this INVITE (RFC 3261 §9.1), without a Reason.
    pub fn cancel(&self) -> Request {
        let mut cancel = self.same_branch(Method::Cancel);
        if let Some(to) = self.request.headers.value(&HeaderName::To) {
            cancel.headers.push(HeaderName::To, to.clone());
        }
        cancel
    }

    /// The CANCEL has been sent: the final response must come within 64*T1 (RFC 3261 §9.1).
    pub fn cancelled(&mut self, now: Instant) {
        if matches!(self.state, State::Proceeding) {
            self.timers.set(Timer::Limit, now + self.config.timeout());
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

    /// Whether no response at all has come yet.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Whether a provisional response has come and no final one.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    /// Whether it may be dropped.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// The ACK for a final response other than 2xx (RFC 3261 §17.1.1.3): To is the response's, with its tag.
    fn ack(&self, response: &Response) -> Request {
        let mut ack = self.same_branch(Method::Ack);
        let to = response.headers.value(&HeaderName::To).or_else(|| self.request.headers.value(&HeaderName::To));
        if let Some(to) = to {
            ack.headers.push(HeaderName::To, to.clone());
        }
        ack
    }

    /// What ACK and CANCEL have in common: Request-URI, the topmost Via alone, Route, From, Call-ID and the CSeq number
    /// of the INVITE. To differs and is added by the caller.
    fn same_branch(&self, method: Method) -> Request {
        let mut request = Request::new(method.clone(), self.request.uri.clone());
        if let Ok(Some(via)) = self.request.headers.typed::<crate::message::header::Via>() {
            request.headers.push_typed(&via);
        }
        request.headers.push_typed(&MaxForwards(70));
        for header in &self.request.headers {
            if matches!(header.name, HeaderName::Route | HeaderName::From | HeaderName::CallId) {
                request.headers.push(header.name.clone(), header.value.clone());
            }
        }
        if let Ok(Some(CSeq { number, .. })) = self.request.headers.typed() {
            request.headers.push_typed(&CSeq { number, method });
        }
        request
    }

    fn end(&mut self, event: Option<ClientEvent>) {
        self.timers.stop_all();
        self.state = State::Terminated;
        if event.is_some() {
            self.event = event;
        }
    }
}
