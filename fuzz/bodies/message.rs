//! A whole message (RFC 3261 §7): what is read is written so that it is read the same again.

use bytes::Bytes;
use voip_sip::message::header::{CSeq, Contact, From, Reason, RecordRoute, Route, SessionExpires, To, Via};
use voip_sip::message::{Headers, Message, MessageLimits, TypedHeader};

/// A compact name grows when it is written, so the second reading has room to spare.
const ROOMY: MessageLimits = MessageLimits { max_message: usize::MAX, max_headers: 512, max_header_line: usize::MAX };

pub(crate) fn run(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let message = match Message::parse(bytes, &MessageLimits::default()) {
        Ok(message) => message,
        Err(error) => {
            // A broken request is still answered: the answer must be a message.
            if let Some(request) = error.request {
                let answer = request.response(error.kind.status(), Some("tag")).to_bytes();
                Message::parse(answer, &ROOMY).expect("the answer to a broken request reads");
            }
            return;
        }
    };
    let written = message.to_bytes();
    let again = Message::parse(written.clone(), &ROOMY).expect("what was written reads");
    assert_eq!(again.to_bytes(), written, "written again, it is the same");
    let headers = message.headers();
    read::<Via>(headers);
    read::<From>(headers);
    read::<To>(headers);
    read::<CSeq>(headers);
    read::<Contact>(headers);
    read::<Route>(headers);
    read::<RecordRoute>(headers);
    read::<Reason>(headers);
    read::<SessionExpires>(headers);
}

/// A typed value is written so that it reads back, and is then written the same.
fn read<H: TypedHeader>(headers: &Headers) {
    for header in headers.list::<H>().flatten() {
        let value = header.to_value();
        let again = H::parse(&value).expect("a written header reads");
        assert_eq!(again.to_value(), value);
    }
}
