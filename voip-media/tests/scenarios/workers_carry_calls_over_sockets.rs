//! The worker with real sockets on loopback. Waits are bounded and end when what is waited for happens.

use crate::support::{Peer, plan, quiet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use voip_core::codec::AudioCodec::{Pcma, Pcmu};
use voip_core::leg::Side;
use voip_media::codec::g711::Law;
use voip_media::io::{MediaError, MediaWorkers, MediaWorkersConfig, OpenedCall};
use voip_media::rtp::RtpHeader;
use voip_media::{LegReport, MediaEvent};

const LIMIT: Duration = Duration::from_secs(10);

fn local(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 77, last).into()
}

fn workers(ports: std::ops::RangeInclusive<u16>) -> (MediaWorkers, Receiver<MediaEvent>) {
    let (sender, events) = channel();
    let config = MediaWorkersConfig { rtp_ports: ports, seed: 5, ..MediaWorkersConfig::default() };
    // The receiver may be gone when the last events come.
    let workers = MediaWorkers::start(config, move |event| drop(sender.send(event))).unwrap();
    (workers, events)
}

struct Phone {
    socket: UdpSocket,
    peer: Peer,
}

impl Phone {
    fn new(side: Side) -> Self {
        let socket = UdpSocket::bind(SocketAddr::new(local(100), 0)).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let peer = Peer { address: socket.local_addr().unwrap().to_string(), ..Peer::new(side) };
        Self { socket, peer }
    }

    fn receive(&self) -> (RtpHeader, Vec<u8>) {
        let mut buffer = [0; 1500];
        let length = self.socket.recv(&mut buffer).unwrap();
        let (header, payload) = RtpHeader::read(&buffer[..length]).unwrap();
        (header, buffer[payload].to_vec())
    }

    /// The next packet that is not silence.
    fn hear(&self) -> (RtpHeader, Vec<u8>) {
        // Ten seconds of silence.
        let mut packets = (0..500).map(|_| self.receive());
        packets.find(|(_, payload)| payload.iter().any(|byte| *byte != 0xD5 && *byte != 0xFF)).unwrap()
    }
}

fn closed(events: &Receiver<MediaEvent>) -> [LegReport; 2] {
    loop {
        if let MediaEvent::Closed { reports, .. } = events.recv_timeout(LIMIT).unwrap() {
            return *reports;
        }
    }
}

fn connect(workers: &mut MediaWorkers, opened: &OpenedCall, phones: &[&Phone; 2]) {
    for (phone, codec) in phones.iter().zip([Pcma, Pcmu]) {
        workers.set_plan(opened.id, phone.peer.side, plan(&phone.peer.address, &[codec]), quiet());
    }
}

#[test]
fn audio_crosses_both_ways_and_the_record_says_so() {
    let (mut workers, events) = workers(21_000..=21_099);
    let opened = workers.open([local(1), local(2)]).unwrap();
    assert!(opened.rtp.iter().zip(&opened.rtcp).all(|(rtp, rtcp)| rtcp.port() == rtp.port() + 1));
    assert_eq!((opened.rtp[0].ip(), opened.rtp[1].ip()), (local(1), local(2)));
    let (mut caller, mut callee) = (Phone::new(Side::Caller), Phone::new(Side::Callee));
    connect(&mut workers, &opened, &[&caller, &callee]);
    // Silence comes before anybody speaks, in each leg's codec.
    assert_eq!(caller.receive().1, [0xD5; 160]);
    assert_eq!(callee.receive().1, [0xFF; 160]);
    callee.peer.payload_type = 0;
    for _ in 0..50 {
        for side in [0, 1] {
            let (from, to) = if side == 0 { (&mut caller, &callee) } else { (&mut callee, &caller) };
            let packet = from.peer.speak();
            from.socket.send_to(&packet, opened.rtp[side]).unwrap();
            let mut expected = packet[12..].to_vec();
            [Law::A, Law::Mu][side].convert_to_other(&mut expected);
            assert_eq!(to.hear().1, expected);
        }
    }
    workers.snapshot(opened.id);
    workers.close(opened.id);
    let reports = closed(&events);
    for report in reports {
        assert_eq!((report.packets_received, report.lost, report.dropped.total()), (50, 0, 0));
        assert!(report.converted && report.packets_sent == 50 + report.silence_sent);
        assert!(report.rtcp_sent == 1, "the goodbye");
    }
    assert_eq!(workers.ports().in_use, 0);
    assert_eq!(workers.ports().quarantined, 2);
}

#[test]
fn hundreds_of_calls_come_and_go_and_leave_nothing() {
    let (mut workers, events) = workers(22_000..=22_399);
    for _ in 0..3 {
        let opened: Vec<_> = (0..30).map(|_| workers.open([local(3), local(3)]).unwrap()).collect();
        let mut phones: Vec<_> = opened.iter().map(|_| [Phone::new(Side::Caller), Phone::new(Side::Callee)]).collect();
        for (opened, [caller, callee]) in opened.iter().zip(&phones) {
            connect(&mut workers, opened, &[caller, callee]);
        }
        for (n, (opened, [caller, callee])) in opened.iter().zip(&mut phones).enumerate() {
            caller.peer.spoken = n as u8;
            let packet = caller.peer.speak();
            caller.socket.send_to(&packet, opened.rtp[0]).unwrap();
            let mut expected = packet[12..].to_vec();
            Law::A.convert_to_other(&mut expected);
            assert_eq!(callee.hear().1, expected, "call {n} hears its own audio");
        }
        for opened in &opened {
            workers.close(opened.id);
            closed(&events);
        }
        assert_eq!(workers.ports().in_use, 0);
    }
}

#[test]
fn a_flood_costs_the_flooded_call_only() {
    let (mut workers, events) = workers(23_000..=23_099);
    let calls = [(); 2].map(|()| workers.open([local(4), local(4)]).unwrap());
    let mut phones = [(); 2].map(|()| [Phone::new(Side::Caller), Phone::new(Side::Callee)]);
    for (opened, [caller, callee]) in calls.iter().zip(&phones) {
        connect(&mut workers, opened, &[caller, callee]);
    }
    let (flooded, quiet_call) = (calls[0], calls[1]);
    let [[flooder, _], [caller, callee]] = &mut phones;
    for _ in 0..100 {
        for _ in 0..200 {
            let packet = flooder.peer.speak();
            flooder.socket.send_to(&packet, flooded.rtp[0]).unwrap();
        }
        let packet = caller.peer.speak();
        caller.socket.send_to(&packet, quiet_call.rtp[0]).unwrap();
        let mut expected = packet[12..].to_vec();
        Law::A.convert_to_other(&mut expected);
        assert_eq!(callee.hear().1, expected);
    }
    workers.close(quiet_call.id);
    let report = &closed(&events)[0];
    assert_eq!((report.packets_received, report.lost), (100, 0));
    workers.close(flooded.id);
    assert!(closed(&events)[0].dropped.flood > 1000);
}

#[test]
fn ports_that_others_use_are_passed_over_and_running_out_is_named() {
    let blocker = UdpSocket::bind(SocketAddr::new(local(5), 24_001)).unwrap();
    let (mut workers, _events) = workers(24_000..=24_005);
    let opened = workers.open([local(5), local(5)]).unwrap();
    let mut ports = opened.rtp.map(|address| address.port());
    ports.sort_unstable();
    assert_eq!(ports, [24_002, 24_004]);
    let error = workers.open([local(5), local(5)]).unwrap_err();
    assert!(matches!(error, MediaError::PortsExhausted(_)), "{error}");
    assert_eq!(error.to_string(), "no RTP ports are free: 2 pairs of 24000-24005 are in use and 1 rest after use");
    drop(blocker);
}

#[test]
fn an_address_that_is_not_ours_is_named_and_takes_no_port() {
    let (mut workers, _events) = workers(24_100..=24_199);
    let error = workers.open([local(6), IpAddr::from([192, 0, 2, 1])]).unwrap_err();
    assert!(matches!(error, MediaError::Bind { .. }) && error.to_string().contains("192.0.2.1"), "{error}");
    assert_eq!(workers.ports().in_use, 0);
}

#[test]
fn dropping_the_workers_ends_their_calls() {
    let (mut workers, events) = workers(24_200..=24_299);
    workers.open([local(7), local(7)]).unwrap();
    drop(workers);
    closed(&events);
    assert!(events.recv().is_err(), "the threads are gone");
}
