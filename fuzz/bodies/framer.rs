//! A byte stream cut in pieces (RFC 3261 §18.3). The first byte says how: what comes out must not depend on it.

use voip_sip::message::MessageLimits;
use voip_sip::transport::{Frame, FramingError, StreamFramer};

pub(crate) fn run(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let whole = frames(stream, stream.len().max(1));
    let cut = frames(stream, usize::from(*cut).max(1));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut),
        // How far an oversized header section is read before it is refused depends on the cuts; that it is, does not.
        (Err(whole), Err(cut)) => assert!(whole == cut || matches!(cut, FramingError::HeadersTooLong)),
        (whole, cut) => assert!(
            [whole.err(), cut.err()].contains(&Some(FramingError::HeadersTooLong)),
            "only the length of an unfinished header section may be told from how it was cut"
        ),
    }
}

fn frames(stream: &[u8], size: usize) -> Result<Vec<Frame>, FramingError> {
    let mut framer = StreamFramer::new(MessageLimits { max_message: 2000, ..MessageLimits::default() });
    let mut found = Vec::new();
    for chunk in stream.chunks(size) {
        framer.push(chunk);
        while let Some(frame) = framer.next_frame()? {
            if let Frame::Message(bytes) = &frame {
                assert!(bytes.len() <= 2000);
            }
            found.push(frame);
        }
    }
    Ok(found)
}
