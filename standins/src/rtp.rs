//! An RTP port that plays and records (RFC 3550 §5.1; RFC 4733 for keys).
//!
//! Threads of its own, so that neither pacing nor the times of arrival depend on how busy an async runtime is:
//! packets leave on an absolute clock of 20 ms, every packet that comes is kept with its time.

use crate::speech::{self, FRAME};
use crate::{compare, rtcp};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use voip_core::codec::AudioCodec;

/// The time between two packets.
pub const PACKET_TIME: Duration = Duration::from_millis(20);

/// A packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// From where.
    pub from: SocketAddr,
    /// Payload type.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// SSRC.
    pub ssrc: u32,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Arrival {
    fn parse(at: Instant, from: SocketAddr, packet: &[u8]) -> Option<Self> {
        let (head, rest) = packet.split_at_checked(12)?;
        // Version 2; stand-ins are not sent padding or extensions, but CSRCs and an extension are stepped over.
        if head[0] >> 6 != 2 {
            return None;
        }
        let mut rest = rest.get(usize::from(head[0] & 15) * 4..)?;
        if head[0] & 0x10 != 0 {
            let words = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
            rest = rest.get(4 + words * 4..)?;
        }
        if head[0] & 0x20 != 0 {
            rest = rest.get(..rest.len().checked_sub(usize::from(*rest.last()?))?)?;
        }
        Some(Self {
            at,
            from,
            payload_type: head[1] & 0x7f,
            marker: head[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload: rest.to_vec(),
        })
    }
}

/// A packet that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When.
    pub at: Instant,
    /// Sequence number.
    pub sequence: u16,
    /// What it carried.
    pub carried: Carried,
}

/// What a packet carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Silence.
    Silence,
    /// The packet of the speech with this index.
    Speech(usize),
    /// Part of a telephone event.
    Event,
}

/// How to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Where to.
    pub remote: SocketAddr,
    /// In which codec.
    pub codec: AudioCodec,
    /// Under which payload type.
    pub payload_type: u8,
    /// The payload type of telephone events, if they were agreed.
    pub telephone_event: Option<u8>,
    /// Whether anything may be sent now.
    pub allowed: bool,
}

/// What came and what went.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Packets sent, in order.
    pub sent: Vec<Departure>,
    /// Packets received, in the order of arrival.
    pub heard: Vec<Arrival>,
    /// Datagrams on the RTP port that are no RTP.
    pub malformed: usize,
    /// Packets on the RTCP port.
    pub rtcp: usize,
}

/// Ten minutes of packets: longer than any stand-in's call.
const RECORDED_PACKETS: usize = 30_000;

/// An RTP port with its RTCP port. Sends nothing before [`send`](Self::send).
#[derive(Debug)]
pub struct AudioPort {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    socket: Arc<UdpSocket>,
    sending: Option<Sending>,
    queue: VecDeque<Item>,
    speech_queued: bool,
    silence_between: bool,
    recording: Recording,
    ssrc: u32,
    /// The timestamp of the next packet.
    timestamp: u32,
    /// The peer's last sender report, and when it came.
    last_report: Option<(u32, Instant)>,
    report_due: Instant,
}

#[derive(Debug)]
enum Item {
    Frame(usize, Box<[u8; FRAME]>),
    Event { code: u8, elapsed: u16, length: u16, ends: u8 },
}

impl AudioPort {
    /// Binds an even port of `ip` for RTP and the next for RTCP (RFC 3550 §11), and begins to record.
    pub fn bind(ip: IpAddr) -> io::Result<Self> {
        let (rtp, control) = bind_pair(ip)?;
        let [a, b, c, d, e, f, g, h, ..] = random();
        let state = State {
            socket: Arc::clone(&rtp),
            sending: None,
            queue: VecDeque::new(),
            speech_queued: false,
            silence_between: true,
            recording: Recording::default(),
            ssrc: u32::from_be_bytes([a, b, c, d]),
            timestamp: u32::from_be_bytes([e, f, g, h]),
            last_report: None,
            report_due: Instant::now() + rtcp::INTERVAL / 2,
        };
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), state: Mutex::new(state) });
        let port = Self { shared };
        port.listen(rtp, control)?;
        let sender = Arc::clone(&port.shared);
        thread::Builder::new().name("rtp-out".into()).spawn(move || send_all(&sender))?;
        Ok(port)
    }

    /// The address of the RTP port.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.lock().socket.local_addr()
    }

    /// Moves to another port of the same address: what is sent leaves from there, the old one still records.
    pub fn move_away(&self) -> io::Result<SocketAddr> {
        let (rtp, control) = bind_pair(self.local()?.ip())?;
        let local = rtp.local_addr()?;
        self.lock().socket = Arc::clone(&rtp);
        self.listen(rtp, control)?;
        Ok(local)
    }

    /// Begins or changes what is sent: silence where there is nothing queued.
    pub fn send(&self, sending: Sending) {
        self.lock().sending = Some(sending);
    }

    /// Whether silence is sent while nothing is queued; `true` at first.
    pub fn send_silence(&self, on: bool) {
        self.lock().silence_between = on;
    }

    /// Queues speech, G.711 codes of the law that is sent.
    pub fn speak(&self, codes: &[u8]) {
        let mut state = self.lock();
        for (index, frame) in codes.as_chunks::<FRAME>().0.iter().enumerate() {
            state.queue.push_back(Item::Frame(index, Box::new(*frame)));
        }
        state.speech_queued = true;
    }

    /// Queues a key press of `duration`: `0`-`9`, `*`, `#`, `A`-`D`.
    pub fn press(&self, key: char, duration: Duration) {
        let Some(code) = "0123456789*#ABCD".find(key.to_ascii_uppercase()) else { return };
        let length = (duration.as_millis() * 8).min(u128::from(u16::MAX)) as u16;
        self.lock().queue.push_back(Item::Event { code: code as u8, elapsed: 0, length, ends: 3 });
    }

    /// Whether speech was queued and all of it is sent.
    pub fn has_spoken(&self) -> bool {
        let state = self.lock();
        state.speech_queued && state.queue.is_empty()
    }

    /// When the last packet came.
    pub fn last_heard(&self) -> Option<Instant> {
        self.lock().recording.heard.last().map(|a| a.at)
    }

    /// Whether any packet was sent.
    pub fn has_sent(&self) -> bool {
        !self.lock().recording.sent.is_empty()
    }

    /// The peak of what was heard since `since`, dB below full scale; `None` for silence.
    pub fn level(&self, since: Instant, codec: AudioCodec) -> Option<f32> {
        let state = self.lock();
        let recent = state.recording.heard.iter().rev().take_while(|a| a.at >= since);
        let peak = recent.flat_map(|a| &a.payload).map(|c| speech::to_linear(codec, *c).unsigned_abs()).max()?;
        (peak > 64).then(|| 20.0 * (f32::from(peak) / 32_768.0).log10())
    }

    /// All that came and went so far.
    pub fn recording(&self) -> Recording {
        self.lock().recording.clone()
    }

    fn listen(&self, rtp: Arc<UdpSocket>, control: UdpSocket) -> io::Result<()> {
        let (shared, socket) = (Arc::clone(&self.shared), Arc::clone(&rtp));
        thread::Builder::new().name("rtp-in".into()).spawn(move || receive_all(&shared, &socket))?;
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().name("rtcp".into()).spawn(move || control_all(&shared, &rtp, &control))?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Drop for AudioPort {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn bind_pair(ip: IpAddr) -> io::Result<(Arc<UdpSocket>, UdpSocket)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..200 {
        let rtp = UdpSocket::bind((ip, 0))?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 1 {
            continue;
        }
        match UdpSocket::bind((ip, port + 1)) {
            Ok(rtcp) => {
                // Long enough to cost nothing, short enough that a dropped port is soon free.
                rtp.set_read_timeout(Some(Duration::from_millis(50)))?;
                rtcp.set_read_timeout(Some(Duration::from_millis(50)))?;
                return Ok((Arc::new(rtp), rtcp));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn receive_all(shared: &Shared, rtp: &UdpSocket) {
    let mut buffer = [0; 2048];
    while !shared.stopped() {
        if let Ok((length, from)) = rtp.recv_from(&mut buffer) {
            let at = Instant::now();
            let mut state = shared.lock();
            match Arrival::parse(at, from, &buffer[..length]) {
                Some(arrival) if state.recording.heard.len() < RECORDED_PACKETS => state.recording.heard.push(arrival),
                Some(_) => {}
                None => state.recording.malformed += 1,
            }
        }
    }
}

/// RTCP has a thread of its own: a round trip is told from the moment a report came, not from when somebody looked.
fn control_all(shared: &Shared, rtp: &Arc<UdpSocket>, control: &UdpSocket) {
    let mut buffer = [0; 2048];
    while !shared.stopped() {
        let came = control.recv_from(&mut buffer);
        let now = Instant::now();
        let mut state = shared.lock();
        if let Ok((length, _)) = came {
            state.recording.rtcp += 1;
            if let Some(report) = rtcp::last_report(&buffer[..length]) {
                state.last_report = Some((report, now));
            }
        }
        // Once moved, only the new pair reports.
        if Arc::ptr_eq(&state.socket, rtp)
            && let Some((to, packet)) = state.report(now)
        {
            let _ = control.send_to(&packet, to);
        }
    }
}

fn send_all(shared: &Shared) {
    let [a, b, ..] = random();
    let mut sequence = u16::from_be_bytes([a, b]);
    let mut next = Instant::now();
    let (mut marker, mut event_start) = (true, None);
    while !shared.stopped() {
        let wait = next.saturating_duration_since(Instant::now());
        thread::sleep(wait);
        let mut state = shared.lock();
        let Some(sending) = state.sending.filter(|s| s.allowed) else {
            drop(state);
            // Nothing to send yet: the clock starts with the first packet, soon after it is allowed.
            next = Instant::now() + Duration::from_millis(1);
            (marker, event_start) = (true, None);
            continue;
        };
        let (ssrc, timestamp) = (state.ssrc, state.timestamp);
        let (payload, payload_type, carried) = state.next_payload(&sending);
        if let Some(payload) = payload {
            let event = carried == Carried::Event;
            // All packets of an event carry the timestamp of its beginning (RFC 4733 §2.5.1.2).
            let stamp = if event { *event_start.get_or_insert(timestamp) } else { timestamp };
            marker |= event && stamp == timestamp;
            let mut packet = Vec::with_capacity(12 + payload.len());
            packet.extend_from_slice(&[0x80, payload_type | if marker { 0x80 } else { 0 }]);
            packet.extend_from_slice(&sequence.to_be_bytes());
            packet.extend_from_slice(&stamp.to_be_bytes());
            packet.extend_from_slice(&ssrc.to_be_bytes());
            packet.extend_from_slice(&payload);
            let at = Instant::now();
            let _ = state.socket.send_to(&packet, sending.remote);
            if state.recording.sent.len() < RECORDED_PACKETS {
                state.recording.sent.push(Departure { at, sequence, carried });
            }
            sequence = sequence.wrapping_add(1);
            marker = false;
            if !event || state.event_is_over() {
                event_start = None;
            }
        } else {
            marker = true;
        }
        state.timestamp = timestamp.wrapping_add(FRAME as u32);
        next += PACKET_TIME;
    }
}

impl State {
    fn next_payload(&mut self, sending: &Sending) -> (Option<Vec<u8>>, u8, Carried) {
        match self.queue.front_mut() {
            Some(Item::Event { code, elapsed, length, ends }) => {
                let Some(payload_type) = sending.telephone_event else {
                    self.queue.pop_front();
                    return self.next_payload(sending);
                };
                *elapsed = elapsed.saturating_add(FRAME as u16).min(*length);
                let end = elapsed == length;
                let [high, low] = elapsed.to_be_bytes();
                // Volume -10 dBm0 (RFC 4733 §2.3).
                let payload = vec![*code, if end { 0x8a } else { 0x0a }, high, low];
                if end {
                    // The last packet goes three times (RFC 4733 §2.5.1.4).
                    *ends -= 1;
                    if *ends == 0 {
                        self.queue.pop_front();
                    }
                }
                (Some(payload), payload_type, Carried::Event)
            }
            Some(Item::Frame(..)) => match self.queue.pop_front() {
                Some(Item::Frame(index, frame)) => (Some(frame.to_vec()), sending.payload_type, Carried::Speech(index)),
                _ => (None, sending.payload_type, Carried::Silence),
            },
            None => {
                let payload = self.silence_between.then(|| vec![speech::silence(sending.codec); FRAME]);
                (payload, sending.payload_type, Carried::Silence)
            }
        }
    }

    /// The report that is due, and where to send it: one port above RTP (RFC 3550 §11).
    fn report(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let sending = self.sending.filter(|_| now >= self.report_due)?;
        self.report_due = now + rtcp::INTERVAL;
        let to = SocketAddr::new(sending.remote.ip(), sending.remote.port().checked_add(1)?);
        let packets = self.recording.sent.len() as u32;
        let sender = rtcp::Sender { ssrc: self.ssrc, timestamp: self.timestamp, packets };
        let block = compare::reception(&self.recording.heard).map(|(ssrc, highest, lost, jitter)| {
            let last = self.last_report.map(|(report, at)| (report, now.saturating_duration_since(at)));
            rtcp::Block { ssrc, lost, highest, jitter, last }
        });
        Some((to, rtcp::write(&sender, block.as_ref(), rtcp::ntp_now())))
    }

    /// Whether the event whose packet was just sent has no more to come.
    fn event_is_over(&self) -> bool {
        !matches!(self.queue.front(), Some(Item::Event { elapsed, .. }) if *elapsed > 0)
    }
}

/// 16 bytes that nobody can guess.
pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_port_plays_another_records_in_order_and_paced() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        let (a, b) = (AudioPort::bind(ip).unwrap(), AudioPort::bind(ip).unwrap());
        let codes: Vec<u8> = (0..FRAME * 10).map(|i| (i / 7) as u8).collect();
        a.speak(&codes);
        a.press('#', Duration::from_millis(60));
        let (codec, payload_type) = (AudioCodec::Pcma, 8);
        let remote = b.local().unwrap();
        a.send(Sending { remote, codec, payload_type, telephone_event: Some(101), allowed: true });
        thread::sleep(Duration::from_millis(500));
        let heard = b.recording().heard;
        let audio: Vec<u8> = heard.iter().take(10).flat_map(|a| a.payload.clone()).collect();
        assert_eq!(audio, codes);
        let events: Vec<&Arrival> = heard.iter().filter(|a| a.payload_type == 101).collect();
        assert_eq!(events.len(), 5, "two updates, then the last three times");
        assert!(events.iter().all(|e| e.timestamp == events[0].timestamp && e.payload[0] == 11));
        assert!(events[0].marker && !events[1].marker);
        assert!(heard.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1)));
        let after = heard.iter().find(|a| a.payload_type == 8 && a.at > events[4].at).unwrap();
        assert_eq!(after.timestamp.wrapping_sub(events[0].timestamp), 5 * 160);
        assert!(a.has_spoken());
    }

    #[test]
    fn noise_is_counted() {
        let port = AudioPort::bind(IpAddr::from([127, 0, 0, 1])).unwrap();
        let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
        noise.send_to(b"\x00noise", port.local().unwrap()).unwrap();
        thread::sleep(Duration::from_millis(100));
        assert_eq!((port.recording().malformed, port.recording().heard.len()), (1, 0));
    }
}
