//! One worker thread: many calls' sockets behind one poll.
//!
//! A round: take what became ready, at most [`READS_A_ROUND`] datagrams from each socket, and send each on; run the
//! calls whose 20 ms have passed; wait while packets gather. Calls are spread over the 20 slots of a wheel, so that a
//! thousand of them cost fifty clock ticks a millisecond and none is looked at for another's packet.

use super::sockets::{CallSockets, place};
use crate::event::{MediaEvent, MediaId};
use crate::relay::Relay;
use crate::session::{Channel, LegPolicy, MAXIMUM_DATAGRAM, SessionConfig, TICK};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use voip_core::leg::Side;
use voip_core::media::MediaPlan;
use voip_core::rng::Rng;

/// What the owner wants.
#[derive(Debug)]
pub(super) enum Order {
    Open { id: MediaId, sockets: Box<CallSockets>, rng: Box<Rng> },
    SetPlan { id: MediaId, side: Side, plan: Box<MediaPlan>, policy: LegPolicy },
    Snapshot { id: MediaId },
    Close { id: MediaId },
    Stop,
}

/// Datagrams taken from one socket before the next has its turn: with rounds of a millisecond more than any stream
/// brings, so that who floods a socket fills that socket's buffer and nothing else.
const READS_A_ROUND: usize = 16;
/// Sockets reported by one poll; the rest come with the next.
const EVENTS: usize = 1024;
const WAKE: Token = Token(usize::MAX);
/// Slots of the wheel, a millisecond each.
const SLOTS: usize = TICK.as_millis() as usize;
const SLOT: Duration = Duration::from_millis(1);

pub(super) struct Worker<F> {
    poll: Poll,
    orders: Receiver<Order>,
    gather: Duration,
    session: SessionConfig,
    on_event: F,
    calls: Vec<Option<Call>>,
    vacant: Vec<usize>,
    by_id: HashMap<MediaId, usize>,
    /// Sockets that had more to read when their turn ended.
    unfinished: Vec<Token>,
    wheel: Wheel,
    buffer: Box<[u8]>,
}

struct Call {
    id: MediaId,
    slot: usize,
    sockets: CallSockets,
    relay: Box<Relay>,
}

impl<F: Fn(MediaEvent)> Worker<F> {
    pub(super) fn new(
        orders: Receiver<Order>,
        gather: Duration,
        session: SessionConfig,
        on_event: F,
    ) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let worker = Self {
            poll,
            orders,
            gather,
            session,
            on_event,
            calls: Vec::new(),
            vacant: Vec::new(),
            by_id: HashMap::new(),
            unfinished: Vec::new(),
            wheel: Wheel::new(Instant::now()),
            // One byte more than the longest datagram taken, so that a longer one shows.
            buffer: vec![0; MAXIMUM_DATAGRAM + 1].into_boxed_slice(),
        };
        Ok((worker, waker))
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut unfinished = Vec::new();
        loop {
            let timeout = if self.unfinished.is_empty() {
                self.wheel.next().map(|at| at.saturating_duration_since(Instant::now()))
            } else {
                Some(Duration::ZERO)
            };
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "media worker cannot poll");
                return;
            }
            let now = Instant::now();
            // Orders first: audio that follows a plan finds it in effect.
            while let Ok(order) = self.orders.try_recv() {
                if !self.obey(now, order) {
                    return;
                }
            }
            std::mem::swap(&mut unfinished, &mut self.unfinished);
            let mut read = !unfinished.is_empty();
            for token in unfinished.drain(..) {
                self.read(now, token);
            }
            for event in &events {
                if event.token() != WAKE {
                    self.read(now, event.token());
                    read = true;
                }
            }
            self.tick(now);
            if read && !self.gather.is_zero() {
                std::thread::sleep(self.gather);
            }
        }
    }

    /// Reads from a socket and passes on what comes.
    fn read(&mut self, now: Instant, token: Token) {
        let (side, channel) = place(token.0 % CallSockets::COUNT);
        let Some(Some(call)) = self.calls.get_mut(token.0 / CallSockets::COUNT) else { return };
        for _ in 0..READS_A_ROUND {
            let (length, source) = match call.sockets.of(side, channel).recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return call.tell(&self.on_event),
                // An ICMP error of an earlier packet, or an interruption: the socket is as good as before.
                Err(_) => continue,
            };
            let datagram = &mut self.buffer[..length];
            match channel {
                Channel::Rtp => {
                    if let Some(forward) = call.relay.handle_rtp(now, side, source, datagram) {
                        let socket = call.sockets.of(forward.side, Channel::Rtp);
                        if socket.send_to(&datagram[forward.bytes], forward.destination).is_err() {
                            call.relay.send_failed(forward.side);
                        }
                    }
                }
                Channel::Rtcp => call.relay.handle_rtcp(now, side, source, datagram),
            }
        }
        call.tell(&self.on_event);
        self.unfinished.push(token);
    }

    /// Runs the calls whose slots have come.
    fn tick(&mut self, now: Instant) {
        while let Some(slot) = self.wheel.due(now) {
            for &index in slot {
                if let Some(Some(call)) = self.calls.get_mut(index) {
                    call.relay.handle_timeout(now);
                    call.flush(now, &mut self.buffer);
                    call.tell(&self.on_event);
                }
            }
        }
    }

    /// `false`: stop.
    fn obey(&mut self, now: Instant, order: Order) -> bool {
        match order {
            Order::Open { id, sockets, rng } => self.open(id, *sockets, *rng),
            Order::SetPlan { id, side, plan, policy } => {
                if let Some(call) = call_of(&mut self.calls, &self.by_id, id) {
                    call.relay.set_plan(now, side, *plan, policy);
                    call.flush(now, &mut self.buffer);
                    call.tell(&self.on_event);
                }
            }
            Order::Snapshot { id } => {
                if let Some(call) = call_of(&mut self.calls, &self.by_id, id) {
                    let reports = Box::new(call.relay.reports());
                    (self.on_event)(MediaEvent::Snapshot { id, reports });
                }
            }
            Order::Close { id } => self.close(now, id),
            Order::Stop => {
                let ids: Vec<_> = self.calls.iter().flatten().map(|call| call.id).collect();
                ids.into_iter().for_each(|id| self.close(now, id));
                return false;
            }
        }
        true
    }

    fn open(&mut self, id: MediaId, mut sockets: CallSockets, rng: Rng) {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.calls.push(None);
            self.calls.len() - 1
        });
        for (number, socket) in sockets.numbered() {
            let token = Token(index * CallSockets::COUNT + number);
            if let Err(error) = self.poll.registry().register(socket, token, Interest::READABLE) {
                tracing::error!(%id, %error, "a socket cannot be polled: its side of the call is deaf");
            }
        }
        let (slot, first_tick) = self.wheel.insert(index);
        let relay = Box::new(Relay::new(first_tick - TICK, id, &self.session, rng));
        self.calls[index] = Some(Call { id, slot, sockets, relay });
        self.by_id.insert(id, index);
    }

    fn close(&mut self, now: Instant, id: MediaId) {
        let Some(index) = self.by_id.remove(&id) else { return };
        let Some(mut call) = self.calls[index].take() else { return };
        call.relay.close();
        call.flush(now, &mut self.buffer);
        call.tell(&self.on_event);
        self.wheel.remove(call.slot, index);
        self.vacant.push(index);
        for (_, socket) in call.sockets.numbered() {
            // Closing the socket, which follows, takes it out of the poll in any case.
            let _ = self.poll.registry().deregister(socket);
        }
        let reports = Box::new(call.relay.reports());
        (self.on_event)(MediaEvent::Closed { id, reports });
    }
}

impl Call {
    /// Sends what is due.
    fn flush(&mut self, now: Instant, buffer: &mut [u8]) {
        while let Some(out) = self.relay.poll_transmit(now, buffer) {
            let socket = self.sockets.of(out.side, out.channel);
            if socket.send_to(&buffer[..out.length], out.destination).is_err() {
                self.relay.send_failed(out.side);
            }
        }
    }

    fn tell(&mut self, on_event: &impl Fn(MediaEvent)) {
        while let Some(event) = self.relay.poll_event() {
            on_event(event);
        }
    }
}

fn call_of<'a>(calls: &'a mut [Option<Call>], by_id: &HashMap<MediaId, usize>, id: MediaId) -> Option<&'a mut Call> {
    calls[*by_id.get(&id)?].as_mut()
}

/// Calls by the millisecond, modulo 20, at which their clock ticks.
struct Wheel {
    slots: [Vec<usize>; SLOTS],
    /// The slot whose turn comes next, and when.
    next: usize,
    at: Instant,
}

impl Wheel {
    fn new(now: Instant) -> Self {
        Self { slots: Default::default(), next: 0, at: now + SLOT }
    }

    /// Puts a call into the emptiest slot; gives the slot and when its turn comes.
    fn insert(&mut self, call: usize) -> (usize, Instant) {
        let ahead = (0..SLOTS).min_by_key(|ahead| self.slots[(self.next + ahead) % SLOTS].len()).unwrap_or(0);
        let slot = (self.next + ahead) % SLOTS;
        self.slots[slot].push(call);
        (slot, self.at + SLOT * ahead as u32)
    }

    fn remove(&mut self, slot: usize, call: usize) {
        self.slots[slot].retain(|&other| other != call);
    }

    /// When the next slot that holds a call has its turn.
    fn next(&self) -> Option<Instant> {
        let ahead = (0..SLOTS).find(|ahead| !self.slots[(self.next + ahead) % SLOTS].is_empty())?;
        Some(self.at + SLOT * ahead as u32)
    }

    /// The calls of the next slot whose turn has come. Turns missed by whole rounds are left out.
    fn due(&mut self, now: Instant) -> Option<&[usize]> {
        let late = now.checked_duration_since(self.at)?;
        if late >= TICK * 2 {
            let rounds = late.as_nanos() / TICK.as_nanos() - 1;
            self.at += TICK * u32::try_from(rounds).unwrap_or(u32::MAX);
        }
        let slot = self.next;
        self.next = (slot + 1) % SLOTS;
        self.at += SLOT;
        Some(&self.slots[slot])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_spread_over_the_wheel_and_each_has_its_turn_once_a_round() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let mut turns: Vec<_> = (0..40).map(|call| wheel.insert(call)).collect();
        turns.sort();
        assert!(turns.windows(3).all(|w| w[0].0 != w[2].0), "no slot has three");
        let mut seen = vec![0; 40];
        for ms in 1..=40 {
            while let Some(slot) = wheel.due(start + SLOT * ms) {
                slot.iter().for_each(|&call| seen[call] += 1);
            }
        }
        assert_eq!(seen, [2; 40]);
        (0..40).for_each(|call| (0..SLOTS).for_each(|slot| wheel.remove(slot, call)));
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_worker_that_stood_still_does_not_make_up_for_lost_rounds() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let (_, first) = wheel.insert(7);
        assert_eq!(wheel.next(), Some(first));
        let mut turns = 0;
        let late = start + Duration::from_secs(3600);
        while let Some(slot) = wheel.due(late) {
            turns += slot.len();
        }
        assert!(turns <= 3, "{turns}");
        let next = wheel.next().unwrap();
        assert!(next > late && next <= late + TICK);
    }
}
