//! CPU per relayed packet: the media worker beside the least that the same system calls cost, in one run.
//!
//!     cargo run --release -p voip-media --example relay_load -- [CALLS] [SECONDS] [GATHER_US]
//!
//! CALLS (50) of two legs get 50 packets a second each, evenly spaced, for SECONDS (10): first a bare loop that sends
//! what it receives, then the worker. Both gather for GATHER_US (750). CPU is that of the relaying thread alone, from
//! Linux's schedstat. Needs a core for the sender and one for the relay; four sockets a call count against `ulimit -n`.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measuring program: it reads clocks and prints")]

use mio::net::UdpSocket as Bare;
use mio::{Events, Interest, Poll, Token};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use voip_core::codec::AudioCodec;
use voip_core::leg::Side;
use voip_core::media::{Direction, MediaPlan, PayloadMap};
use voip_media::io::{MediaWorkers, MediaWorkersConfig};
use voip_media::rtp::{RtpHeader, RtpTime, SeqNo, Ssrc};
use voip_media::{LegPolicy, MediaEvent};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 14));

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let calls = arguments.next().unwrap_or(Ok(50))? as usize;
    let duration = Duration::from_secs(arguments.next().unwrap_or(Ok(10))?);
    let gather = Duration::from_micros(arguments.next().unwrap_or(Ok(750))?);
    println!("{calls} calls, {} packets a second, gathering {gather:?}", calls * 100);
    let bare = bare(calls * 2, duration, gather)?;
    let worker = worker(calls, duration, gather)?;
    println!("worker / bare: {:.2}", worker / bare);
    Ok(())
}

/// Receive and send, nothing else.
fn bare(legs: usize, duration: Duration, gather: Duration) -> Result<f64, Box<dyn Error>> {
    let sender = sender()?;
    let sink = sender.local_addr()?;
    let mut poll = Poll::new()?;
    let mut sockets = (0..legs).map(|_| Bare::bind(SocketAddr::new(HOST, 0))).collect::<Result<Vec<_>, _>>()?;
    for (n, socket) in sockets.iter_mut().enumerate() {
        poll.registry().register(socket, Token(n), Interest::READABLE)?;
    }
    let legs = sockets.iter().map(Bare::local_addr).collect::<Result<Vec<_>, _>>()?;
    let (stop, relayed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (stopped, count) = (Arc::clone(&stop), Arc::clone(&relayed));
    let thread = std::thread::Builder::new().name("bare".to_owned()).spawn(move || {
        let (mut events, mut buffer) = (Events::with_capacity(1024), [0; 2048]);
        while !stopped.load(Relaxed) && poll.poll(&mut events, Some(Duration::from_millis(100))).is_ok() {
            for event in &events {
                let n = event.token().0;
                while let Ok((length, _)) = sockets[n].recv_from(&mut buffer) {
                    count.fetch_add(u64::from(sockets[n ^ 1].send_to(&buffer[..length], sink).is_ok()), Relaxed);
                }
            }
            std::thread::sleep(gather);
        }
    })?;
    let cpu = send(&sender, &legs, duration, "bare")?;
    stop.store(true, Relaxed);
    let _ = thread.join();
    Ok(tell("bare", cpu, relayed.load(Relaxed)))
}

fn worker(calls: usize, duration: Duration, gather: Duration) -> Result<f64, Box<dyn Error>> {
    let sender = sender()?;
    let remote = sender.local_addr()?;
    let (events, closed) = std::sync::mpsc::channel();
    let config = MediaWorkersConfig { rtp_ports: 30_000..=60_000, gather, ..MediaWorkersConfig::default() };
    let mut workers = MediaWorkers::start(config, move |event| {
        if let MediaEvent::Closed { reports, .. } = event {
            let _ = events.send(reports);
        }
    })?;
    let mut opened = Vec::new();
    for _ in 0..calls {
        let call = workers.open([HOST; 2])?;
        for side in Side::BOTH {
            let plan = MediaPlan {
                remote_rtp: remote,
                remote_rtcp: SocketAddr::new(remote.ip(), 9),
                rtcp_mux: false,
                direction: Direction::SendRecv,
                codecs: vec![PayloadMap { codec: AudioCodec::Pcma, send: 8, receive: 8 }],
                telephone_event: None,
                comfort_noise: None,
                ptime: Duration::from_millis(20),
            };
            workers.set_plan(call.id, side, plan, LegPolicy::default());
        }
        opened.push(call);
    }
    let legs: Vec<_> = opened.iter().flat_map(|call| call.rtp).collect();
    let cpu = send(&sender, &legs, duration, "media-0")?;
    opened.iter().for_each(|call| workers.close(call.id));
    let (mut received, mut lost, mut dropped) = (0, 0, 0);
    for _ in &opened {
        for report in *closed.recv_timeout(Duration::from_secs(10))? {
            received += report.packets_received;
            lost += report.lost;
            dropped += report.dropped.total();
        }
    }
    println!("worker: lost {lost}, dropped {dropped}");
    Ok(tell("worker", cpu, received))
}

fn tell(name: &str, cpu: Duration, packets: u64) -> f64 {
    let each = cpu.as_secs_f64() * 1e6 / packets.max(1) as f64;
    println!("{name}: {packets} packets, {each:.3} us of CPU each");
    each
}

fn sender() -> std::io::Result<UdpSocket> {
    // What comes back to it is never read: the kernel drops what overflows.
    UdpSocket::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 15)), 0))
}

/// Sends evenly spaced RTP to all legs; gives the CPU that the named thread took meanwhile.
fn send(sender: &UdpSocket, legs: &[SocketAddr], duration: Duration, thread: &str) -> Result<Duration, Box<dyn Error>> {
    std::thread::sleep(Duration::from_millis(300));
    let before = cpu_of(thread)?;
    let (start, rate) = (Instant::now(), legs.len() as f64 * 50.0);
    let mut packet = [0xD5; 172];
    let mut sent = 0_usize;
    while start.elapsed() < duration {
        if start.elapsed().as_secs_f64() * rate < sent as f64 {
            std::hint::spin_loop();
            continue;
        }
        let (leg, round) = (sent % legs.len(), sent / legs.len());
        let header = RtpHeader {
            marker: false,
            payload_type: 8,
            sequence: SeqNo(round as u16),
            timestamp: RtpTime(round as u32 * 160),
            ssrc: Ssrc(leg as u32),
        };
        header.write(&mut packet);
        sender.send_to(&packet, legs[leg])?;
        sent += 1;
    }
    Ok(cpu_of(thread)? - before)
}

/// Time on a CPU of the thread with this name.
fn cpu_of(name: &str) -> Result<Duration, Box<dyn Error>> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == name {
            let times = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos = times.split_whitespace().next().ok_or("schedstat is empty")?.parse()?;
            return Ok(Duration::from_nanos(nanos));
        }
    }
    Err("the relaying thread has ended".into())
}
