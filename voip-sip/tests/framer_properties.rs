//! However a stream is cut into reads, the same messages come out; and noise never panics nor grows the framer.

use bytes::Bytes;
use proptest::prelude::*;
use voip_sip::message::MessageLimits;
use voip_sip::transport::{Frame, StreamFramer};

const LIMIT: usize = 4096;

fn framer() -> StreamFramer {
    StreamFramer::new(MessageLimits { max_message: LIMIT, ..MessageLimits::default() })
}

/// A message with that body, its Content-Length written in one of several ways.
fn message(body: &[u8], form: usize) -> Vec<u8> {
    let name = ["Content-Length", "l", "CONTENT-LENGTH ", "content-length"][form % 4];
    let head = format!("OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\n{name}: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_cut_of_a_stream_gives_the_same_messages(
        bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), 0..4_usize, 0..3_usize), 1..6),
        cuts in prop::collection::vec(1..60_usize, 1..40),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (body, form, line_ends) in &bodies {
            stream.extend_from_slice(&b"\r\n".repeat(*line_ends));
            let message = message(body, *form);
            stream.extend_from_slice(&message);
            expected.push(Bytes::from(message));
        }
        let (mut framer, mut found, mut rest) = (framer(), Vec::new(), &stream[..]);
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            framer.push(now);
            while let Some(frame) = framer.next_frame().expect("every message is well framed") {
                match frame {
                    Frame::Message(bytes) => found.push(bytes),
                    Frame::Ping | Frame::Pong => {}
                }
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, expected);
        prop_assert!(!framer.is_partial());
    }

    #[test]
    fn noise_ends_in_an_error_or_waits_within_the_limit(
        reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..30),
    ) {
        let mut framer = framer();
        let (mut waiting, mut pongs) = (0, 0);
        for read in &reads {
            framer.push(read);
            waiting += read.len();
            loop {
                match framer.next_frame() {
                    Ok(Some(Frame::Message(bytes))) => waiting -= bytes.len(),
                    Ok(Some(Frame::Ping)) => waiting -= 4,
                    Ok(Some(Frame::Pong)) => {
                        waiting -= 1;
                        pongs += 1;
                    }
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
            // A pong is one or two bytes long, so the count may run one ahead for each.
            prop_assert!(waiting <= LIMIT + pongs);
        }
    }
}
