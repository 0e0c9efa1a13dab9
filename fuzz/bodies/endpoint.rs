//! A running endpoint with one peer, fed by a script. Parts are separated by the byte 0xFF, which UTF-8 never has; the
//! first byte of a part says what it is, and the rest is its contents:
//!
//! | part | is |
//! |---|---|
//! | `d` | a datagram from the peer |
//! | `x` | a datagram from a stranger |
//! | `s` | bytes on a TCP connection of the peer, which is opened when there is none |
//! | `z` | that connection closes |
//! | `r` | a response to the last request sent: three digits of status, then further header lines, an empty line, a body |
//! | `t` | time passes: one digit, `0` to `9`, for 0 s to 81 s |
//! | `c` | a call is placed, its offer the contents |
//! | `a` `p` `h` | the last call is answered, progressed with 183, ended; the contents are the description |
//! | `o` `v` | its re-offer is accepted with the contents, or refused |
//! | `i` | we offer it a changed session |

use bytes::Bytes;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use voip_core::leg::{HangupCause, LegEnd};
use voip_core::net::{AddressPolicy, FlowId, Transport};
use voip_core::time::{ClockPair, WallTime};
use voip_sip::call::{CallEvent, CallKey};
use voip_sip::endpoint::{
    Endpoint, EndpointConfig, Event, OutgoingCall, Output, PeerConfig, PeerId, ServerAddress, SessionTimerConfig,
    TlsProfile, UnknownSources,
};
use voip_sip::message::{Headers, Message, MessageLimits, Request};
use voip_sip::transaction::TransactionConfig;
use voip_sip::transport::FlowsConfig;

pub(crate) fn run(data: &[u8]) {
    let mut bench = Bench::new();
    for part in data.split(|b| *b == 0xFF).take(MOST_PARTS) {
        if let Some((kind, contents)) = part.split_first() {
            bench.step(*kind, contents);
        }
    }
    bench.finish();
}

const MOST_PARTS: usize = 64;
/// What one input may set off at the most: a message is answered by a handful of others.
const MOST_OUTPUTS: usize = 200;

struct Bench {
    now: Instant,
    endpoint: Endpoint,
    peer: PeerId,
    udp: FlowId,
    stream: Option<FlowId>,
    call: Option<CallKey>,
    requested: Option<Request>,
}

impl Bench {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant does as the beginning of virtual time")]
        let now = Instant::now();
        let config = EndpointConfig {
            user_agent: "fuzz".into(),
            addresses: AddressPolicy::default(),
            unknown_sources: UnknownSources::Reject,
            message_limits: MessageLimits::default(),
            max_calls: 4,
            clock: ClockPair { instant: now, wall: WallTime::from_unix(Duration::from_secs(1_795_000_000)) },
            transactions: TransactionConfig::default(),
            flows: FlowsConfig::default(),
            trace: false,
        };
        let mut endpoint = Endpoint::new(config, [7; 32]);
        let udp = endpoint.bind_udp(local());
        endpoint.listen(Transport::Tcp, local());
        let peer = endpoint.add_peer(PeerConfig {
            name: "peer".into(),
            servers: vec![ServerAddress { host: peer().ip().to_string(), port: Some(5060), transport: Transport::Udp }],
            credentials: None,
            identify: vec![peer().ip().into()],
            challenge: false,
            tls: TlsProfile(0),
            session_timer: SessionTimerConfig::default(),
            contact_user: None,
            qualify_interval: None,
        });
        Self { now, endpoint, peer, udp, stream: None, call: None, requested: None }
    }

    fn step(&mut self, kind: u8, contents: &[u8]) {
        let (now, bytes) = (self.now, Bytes::copy_from_slice(contents));
        match kind {
            b'd' => self.endpoint.handle_datagram(now, self.udp, peer(), bytes),
            b'x' => self.endpoint.handle_datagram(now, self.udp, SocketAddr::from(([203, 0, 113, 9], 5060)), bytes),
            b's' => {
                let accept = || self.endpoint.handle_accepted(now, Transport::Tcp, local(), peer());
                if let Some(flow) = self.stream.or_else(accept) {
                    self.stream = Some(flow);
                    self.endpoint.handle_stream(now, flow, &bytes);
                }
            }
            b'z' => {
                if let Some(flow) = self.stream.take() {
                    self.endpoint.handle_closed(now, flow, "closed by the script");
                }
            }
            b'r' => self.respond(contents),
            b't' => {
                let digit = contents.first().map_or(0, |b| b.wrapping_sub(b'0') % 10);
                self.pass(Duration::from_secs(u64::from(digit) * u64::from(digit)));
            }
            b'c' => {
                let call = OutgoingCall { user: "100".into(), from_user: "200".into(), ..OutgoingCall::default() };
                let key = self.endpoint.call(now, self.peer, call);
                self.call = Some(key);
                self.endpoint.offer(now, key, bytes);
            }
            _ => self.use_call(kind, bytes),
        }
        self.drain();
    }

    fn use_call(&mut self, kind: u8, sdp: Bytes) {
        let (Some(call), now) = (self.call, self.now) else { return };
        match kind {
            b'a' => self.endpoint.answer(now, call, sdp),
            b'p' => self.endpoint.progress(now, call, 183, Some(sdp)),
            b'h' => {
                let end = LegEnd::new(HangupCause::Normal);
                self.endpoint.hang_up(now, call, &end, Headers::new());
            }
            b'o' => self.endpoint.accept_offer(now, call, sdp),
            b'v' => self.endpoint.refuse_offer(now, call, 488),
            b'i' => self.endpoint.reinvite(now, call, sdp),
            _ => {}
        }
    }

    /// A response made of the last request sent, and of what the script adds to it.
    fn respond(&mut self, contents: &[u8]) {
        let Some((status, rest)) = contents.split_at_checked(3) else { return };
        let status = std::str::from_utf8(status).ok().and_then(|text| text.parse::<u16>().ok());
        let (Some(status @ 100..700), Some(request)) = (status, &self.requested) else { return };
        let head = request.response(status, Some("far")).to_bytes();
        let mut message: Vec<u8> = head.to_vec();
        // Content-Length is the last header and would cut the body off: what the script adds stands in its place.
        let end = message.windows(18).position(|part| part == b"\r\nContent-Length: ").map_or(0, |at| at + 2);
        message.truncate(end);
        message.extend_from_slice(rest);
        if !rest.windows(4).any(|part| part == b"\r\n\r\n") {
            message.extend_from_slice(b"\r\n\r\n");
        }
        self.endpoint.handle_datagram(self.now, self.udp, peer(), message.into());
    }

    /// Time passes as the endpoint asks for it.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let mut wakes = 0;
        while let Some(next) = self.endpoint.next_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.endpoint.handle_timeout(self.now);
            self.drain();
            wakes += 1;
            assert!(wakes < 5000, "the clock does not stand still");
        }
        self.now = until;
    }

    fn drain(&mut self) {
        for _ in 0..MOST_OUTPUTS {
            match self.endpoint.poll_output() {
                Output::Transmit(transmit) => {
                    let message = Message::parse(transmit.payload.clone(), &MessageLimits::default());
                    match message {
                        Ok(Message::Request(request)) => self.requested = Some(request),
                        Ok(Message::Response(_)) => {}
                        Err(error) => assert!(
                            transmit.payload.iter().all(|b| matches!(b, b'\r' | b'\n')),
                            "sent what nobody can read: {error}"
                        ),
                    }
                }
                Output::Close(flow) => self.stream = self.stream.filter(|open| *open != flow),
                Output::Event(Event::Call(key, CallEvent::Incoming(_))) => self.call = Some(key),
                Output::Event(_) | Output::Connect(_) | Output::Resolve(..) => {}
                Output::Timeout(_) => return,
            }
        }
        panic!("one input sets off more than {MOST_OUTPUTS} outputs");
    }

    /// When every transaction timer has run out, no more is left than one call for each part.
    fn finish(&mut self) {
        self.pass(Duration::from_secs(200));
        let counters = self.endpoint.counters();
        assert!(counters.calls <= MOST_PARTS && counters.dialogs <= MOST_PARTS, "state is bounded");
    }
}

fn local() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 5060))
}
