use super::*;

/// Sends one datagram every 20 ms and echoes nothing; counts what it gets.
struct Talker {
    address: SocketAddr,
    peer: SocketAddr,
    next: Option<Instant>,
    left: u32,
    queue: Vec<NodeOutput>,
    heard: Vec<Bytes>,
    events: Vec<StreamEvent>,
}

impl Talker {
    fn new(own: &str, peer: &str, first: Option<Instant>, left: u32) -> Self {
        let (address, peer) = (own.parse().unwrap(), peer.parse().unwrap());
        Self { address, peer, next: first, left, queue: vec![], heard: vec![], events: vec![] }
    }
}

impl Node for Talker {
    fn addresses(&self) -> Vec<IpAddr> {
        vec![self.address.ip()]
    }
    fn listens(&self, _: Transport, destination: SocketAddr) -> bool {
        destination == self.address
    }
    fn handle_datagram(&mut self, _: Instant, datagram: SimDatagram) {
        self.heard.push(datagram.payload);
    }
    fn handle_stream(&mut self, _: Instant, _: StreamId, event: StreamEvent) {
        self.events.push(event);
    }
    fn handle_timeout(&mut self, now: Instant) {
        let payload = Bytes::from(format!("word {}", self.left));
        self.queue.push(NodeOutput::Datagram(SimDatagram { source: self.address, destination: self.peer, payload }));
        self.left -= 1;
        self.next = (self.left > 0).then(|| now + Duration::from_millis(20));
    }
    fn poll_output(&mut self, _: Instant) -> Option<NodeOutput> {
        (!self.queue.is_empty()).then(|| self.queue.remove(0))
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
fn pair(seed: u64, link: LinkConfig, words: u32) -> (Network<Talker>, NodeId, NodeId) {
    let start = Instant::now();
    let mut network = Network::new(start, seed, link);
    let a = network.add("a", Talker::new("10.0.0.1:5060", "10.0.0.2:5060", Some(start), words));
    let b = network.add("b", Talker::new("10.0.0.2:5060", "10.0.0.1:5060", None, 0));
    (network, a, b)
}

#[test]
fn a_clean_link_delivers_everything_in_order_after_its_latency() {
    let (mut network, _, b) = pair(1, LinkConfig::default(), 10);
    while network.step() {}
    assert_eq!(network.node(b).heard.len(), 10);
    assert_eq!(network.node(b).heard[0], "word 10");
    assert_eq!(network.elapsed(), Duration::from_millis(9 * 20 + 1));
}

#[test]
fn the_same_seed_loses_the_same_datagrams() {
    let link = LinkConfig { loss: 0.3, burst_loss: 0.7, duplication: 0.1, ..LinkConfig::default() };
    let run = |seed| {
        let (mut network, _, b) = pair(seed, link.clone(), 500);
        while network.step() {}
        network.node(b).heard.clone()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
    // A chain that enters loss with 0.3 and stays with 0.7 loses half of what it carries.
    let distinct: std::collections::BTreeSet<_> = run(3).into_iter().collect();
    assert!((150..350).contains(&distinct.len()), "{} of 500 arrived", distinct.len());
}

#[test]
fn a_stream_connects_keeps_order_under_jitter_and_closes() {
    let link = LinkConfig { jitter: Duration::from_millis(50), ..LinkConfig::default() };
    let (mut network, a, b) = pair(5, link, 0);
    network.node_mut(a).next = None;
    let destination = "10.0.0.2:5060".parse().unwrap();
    let source = "10.0.0.1".parse().unwrap();
    network.node_mut(a).queue.push(NodeOutput::Connect { tag: 9, transport: Transport::Tcp, source, destination });
    while network.step() {}
    assert!(matches!(network.node(a).events[..], [StreamEvent::Connected { tag: 9, .. }]));
    for n in 0..20_u8 {
        network.node_mut(a).queue.push(NodeOutput::Data(StreamId(0), Bytes::from(vec![n])));
    }
    network.node_mut(a).queue.push(NodeOutput::Close(StreamId(0)));
    while network.step() {}
    let events = &network.node(b).events;
    let bytes: Vec<u8> =
        events.iter().filter_map(|e| if let StreamEvent::Data(d) = e { Some(d[0]) } else { None }).collect();
    assert_eq!(bytes, (0..20).collect::<Vec<u8>>());
    assert_eq!(events.last(), Some(&StreamEvent::Closed));
}

#[test]
fn a_connection_to_nobody_is_refused() {
    let (mut network, a, _) = pair(5, LinkConfig::default(), 0);
    network.node_mut(a).next = None;
    let destination = "10.0.0.2:9999".parse().unwrap();
    let source = "10.0.0.1".parse().unwrap();
    network.node_mut(a).queue.push(NodeOutput::Connect { tag: 1, transport: Transport::Tcp, source, destination });
    while network.step() {}
    assert_eq!(network.node(a).events, [StreamEvent::Refused { tag: 1 }]);
}
