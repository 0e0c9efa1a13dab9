//! What reading and writing a message costs, beside rsip: `cargo bench -p voip-benches --bench message`.
//!
//! Reading means: the message from its bytes, and the six headers that every transaction needs (Via, From, To, Call-ID,
//! CSeq, Contact) as types. Both sides own their result. Allocations are printed before the times.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use rsip::prelude::{HeadersExt as _, ToTypedHeader as _};
use std::hint::black_box;
use voip_benches::counting::{Counting, allocations};
use voip_sip::message::header::{CSeq, Contact, From, To, Via};
use voip_sip::message::{ByteStr, Message, MessageLimits};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Ours = (Message, Via, From, To, ByteStr, CSeq, Contact);

fn read_ours(bytes: &Bytes) -> Ours {
    let message = Message::parse(bytes.clone(), &MessageLimits::default()).expect("a message");
    let headers = message.headers();
    let via = headers.required().expect("Via");
    let from = headers.required().expect("From");
    let to = headers.required().expect("To");
    let call_id = headers.call_id().expect("Call-ID").clone();
    let cseq = headers.required().expect("CSeq");
    let contact = headers.required().expect("Contact");
    (message, via, from, to, call_id, cseq, contact)
}

type Theirs = (
    rsip::SipMessage,
    rsip::typed::Via,
    rsip::typed::From,
    rsip::typed::To,
    rsip::headers::CallId,
    rsip::typed::CSeq,
    rsip::typed::Contact,
);

fn read_rsip(bytes: &Bytes) -> Theirs {
    let message = rsip::SipMessage::try_from(&bytes[..]).expect("a message");
    let via = message.via_header().and_then(|h| h.typed()).expect("Via");
    let from = message.from_header().and_then(|h| h.typed()).expect("From");
    let to = message.to_header().and_then(|h| h.typed()).expect("To");
    let call_id = message.call_id_header().expect("Call-ID").clone();
    let cseq = message.cseq_header().and_then(|h| h.typed()).expect("CSeq");
    let contact = message.contact_header().and_then(|h| h.typed()).expect("Contact");
    (message, via, from, to, call_id, cseq, contact)
}

fn write_rsip(message: &rsip::SipMessage) -> Vec<u8> {
    message.clone().into()
}

fn messages(c: &mut Criterion) {
    for (name, bytes) in [("invite", invite()), ("ok", ok())] {
        let ours = read_ours(&bytes).0;
        let theirs = read_rsip(&bytes).0;
        // A counter that is wrong would make every figure below worthless.
        assert!(allocations(|| vec![black_box(1_u8); 10]) == 1, "one vector is one allocation");
        eprintln!(
            "{name}, {} bytes; allocations: read {} (rsip {}), write {} (rsip {}, its copy of the message included)",
            bytes.len(),
            allocations(|| read_ours(&bytes)),
            allocations(|| read_rsip(&bytes)),
            allocations(|| ours.to_bytes()),
            allocations(|| write_rsip(&theirs)),
        );
        let mut group = c.benchmark_group(name);
        group.bench_function("read/voip", |b| b.iter(|| read_ours(black_box(&bytes))));
        group.bench_function("read/rsip", |b| b.iter(|| read_rsip(black_box(&bytes))));
        group.bench_function("write/voip", |b| b.iter(|| black_box(&ours).to_bytes()));
        group.bench_function("write/rsip", |b| b.iter(|| write_rsip(black_box(&theirs))));
        group.finish();
    }
}

/// An INVITE as a carrier's session border controller sends it.
fn invite() -> Bytes {
    let sdp = "v=0\no=SBC 1795000000 1795000001 IN IP4 203.0.113.20\ns=session\nc=IN IP4 203.0.113.20\nt=0 0\n\
        m=audio 18632 RTP/AVP 8 0 18 101\na=rtpmap:8 PCMA/8000\na=rtpmap:0 PCMU/8000\na=rtpmap:18 G729/8000\n\
        a=fmtp:18 annexb=no\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\na=sendrecv\n";
    with_body(
        "INVITE sip:74951234567@198.51.100.7:5060;transport=udp SIP/2.0\n\
        Record-Route: <sip:203.0.113.10;lr;ftag=gK0c5a2f31>\n\
        Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK4c7f.9ad1b7e6a3d1c2f4.0\n\
        Via: SIP/2.0/UDP 203.0.113.20:5080;received=203.0.113.20;branch=z9hG4bK0cB3f5e1a0d4b1;rport=5080\n\
        Max-Forwards: 68\n\
        From: \"+7 916 765-43-21\" <sip:+79167654321@203.0.113.20;user=phone>;tag=gK0c5a2f31\n\
        To: <sip:74951234567@198.51.100.7:5060>\n\
        Call-ID: 1179403648_112233445@203.0.113.20\n\
        CSeq: 815331 INVITE\n\
        Contact: <sip:+79167654321@203.0.113.20:5080;transport=udp>\n\
        Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, REFER, NOTIFY, OPTIONS, INFO\n\
        Supported: timer, 100rel, replaces\nSession-Expires: 1800;refresher=uac\nMin-SE: 90\n\
        P-Asserted-Identity: <sip:+79167654321@203.0.113.20>\nUser-Agent: SBC/8.4.1\n\
        Accept: application/sdp\nContent-Disposition: session;handling=required\nContent-Type: application/sdp\n",
        sdp,
    )
}

/// The 200 to it, without its description.
fn ok() -> Bytes {
    with_body(
        "SIP/2.0 200 OK\n\
        Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK4c7f.9ad1b7e6a3d1c2f4.0;received=203.0.113.10\n\
        Via: SIP/2.0/UDP 203.0.113.20:5080;received=203.0.113.20;branch=z9hG4bK0cB3f5e1a0d4b1;rport=5080\n\
        Record-Route: <sip:203.0.113.10;lr;ftag=gK0c5a2f31>\n\
        From: \"+7 916 765-43-21\" <sip:+79167654321@203.0.113.20;user=phone>;tag=gK0c5a2f31\n\
        To: <sip:74951234567@198.51.100.7:5060>;tag=7Qm2Xc9LpZ\n\
        Call-ID: 1179403648_112233445@203.0.113.20\nCSeq: 815331 INVITE\n\
        Contact: <sip:74951234567@198.51.100.7:5060>\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\n\
        Server: voip\n",
        "",
    )
}

fn with_body(head: &str, body: &str) -> Bytes {
    let body = body.replace('\n', "\r\n");
    format!("{}Content-Length: {}\r\n\r\n{body}", head.replace('\n', "\r\n"), body.len()).into()
}

criterion_group!(benches, messages);
criterion_main!(benches);
