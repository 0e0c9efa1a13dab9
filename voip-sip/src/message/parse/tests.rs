use super::super::header::{CSeq, From, To, Via};
use super::*;
use crate::message::HeaderError;

fn parse(text: &str) -> Result<Message, ParseError> {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), &MessageLimits::default())
}

fn request(text: &str) -> Request {
    match parse(text).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

const INVITE: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n\
    Max-Forwards: 70\r\nTo: Bob <sip:bob@biloxi.com>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\nCSeq: 314159 INVITE\r\n\
    Contact: <sip:alice@pc33.atlanta.com>\r\nCALLED_DID: 74951234567\r\nContent-Length: 4\r\n\r\nbody";

#[test]
fn a_request_comes_apart_and_is_written_as_it_came() {
    let invite = request(INVITE);
    assert_eq!(invite.method, Method::Invite);
    assert_eq!(invite.headers.required::<Via>().unwrap().branch().unwrap(), "z9hG4bK776asdhds");
    assert_eq!(invite.headers.required::<From>().unwrap().tag().unwrap(), "1928301774");
    assert_eq!(invite.headers.required::<To>().unwrap().tag(), None);
    assert_eq!(invite.headers.required::<CSeq>().unwrap(), CSeq { number: 314_159, method: Method::Invite });
    assert_eq!(invite.headers.value(&HeaderName::other("called_did")).unwrap(), &"74951234567");
    assert_eq!(invite.body, "body");
    assert_eq!(invite.to_bytes(), INVITE);
}

#[test]
fn a_response_has_status_and_reason() {
    let text = "SIP/2.0 200 = 2**3 * 5**2 ОК\r\nCall-ID: x\r\nContent-Length: 0\r\n\r\n";
    let Message::Response(response) = parse(text).unwrap() else { panic!("a request") };
    assert_eq!((response.status, response.reason.as_str().unwrap()), (200, "= 2**3 * 5**2 ОК"));
    assert_eq!(response.to_bytes(), text);
}

#[test]
fn folds_compact_names_and_bare_newlines_are_forgiven() {
    let invite =
        request("OPTIONS sip:a@b SIP/2.0\nv : SIP/2.0/UDP x;branch=z9hG4bK1\ns: one \r\n\t two\r\n  three\ni:1\n\n");
    assert_eq!(invite.headers.value(&HeaderName::Subject).unwrap(), &"one two three");
    assert_eq!(invite.headers.call_id().unwrap(), &"1");
}

#[test]
fn bytes_that_are_not_utf8_cost_nothing() {
    let mut bytes = b"OPTIONS sip:a@b SIP/2.0\r\nSubject: \xff\xfe\r\nCall-ID: 1\r\n\r\n\x00\xff".to_vec();
    let Ok(Message::Request(options)) = Message::parse(bytes.clone().into(), &MessageLimits::default()) else {
        panic!("refused")
    };
    assert_eq!(options.headers.value(&HeaderName::Subject).unwrap().as_bytes(), b"\xff\xfe");
    assert_eq!(options.headers.call_id().unwrap(), &"1");
    assert_eq!(options.body.as_ref(), b"\x00\xff");
    bytes.truncate(30);
    assert!(Message::parse(bytes.into(), &MessageLimits::default()).is_err());
}

#[test]
fn a_body_is_what_content_length_says_or_all_that_follows() {
    assert_eq!(request("INFO sip:a@b SIP/2.0\r\nl: 2\r\n\r\nabc").body, "ab");
    assert_eq!(request("INFO sip:a@b SIP/2.0\r\nTo: x\r\n\r\nabc").body, "abc");
}

#[test]
fn defects_are_named_and_the_request_is_kept_to_answer_by() {
    let kind = |text: &str| parse(text).unwrap_err().kind;
    let with = |line: &str, header: &str| format!("{line}\r\nCall-ID: 1\r\n{header}\r\n\r\nbody");
    assert_eq!(kind(&with("INVITE sip:a@b SIP/7.0", "a: b")), ParseErrorKind::Version);
    assert_eq!(kind(&with("INVITE  sip:a@b SIP/2.0", "a: b")), ParseErrorKind::RequestUri);
    assert_eq!(kind(&with("INVITE sip:a@b SIP/2.0 ", "a: b")), ParseErrorKind::StartLine);
    assert_eq!(kind(&with("INVITE <sip:a@b> SIP/2.0", "a: b")), ParseErrorKind::RequestUri);
    assert_eq!(kind(&with("INVITE sip:a@b SIP/2.0", "no colon")), ParseErrorKind::HeaderLine);
    assert_eq!(kind(&with("INVITE sip:a@b SIP/2.0", "Content-Length: 5")), ParseErrorKind::BodyTruncated);
    assert_eq!(kind(&with("INVITE sip:a@b SIP/2.0", "Content-Length: -1")), ParseErrorKind::ContentLength);
    assert_eq!(kind("INVITE sip:a@b SIP/2.0\r\nTo: x\r\n"), ParseErrorKind::Truncated);
    assert_eq!(kind("SIP/2.0 99 x\r\n\r\n"), ParseErrorKind::StatusCode);
    assert_eq!(kind("hello\r\n\r\n"), ParseErrorKind::StartLine);
    assert_eq!(kind("\r\n\r\n"), ParseErrorKind::Empty);
    let error = parse(&with("INVITE sip:a@b SIP/7.0", "a: b")).unwrap_err();
    assert_eq!(error.request.unwrap().headers.call_id().unwrap(), &"1");
}

#[test]
fn limits_hold() {
    let limits = MessageLimits { max_message: 2000, max_headers: 5, max_header_line: 100 };
    let kind = |headers: String| {
        let text = format!("OPTIONS sip:a@b SIP/2.0\r\n{headers}\r\n");
        Message::parse(text.into(), &limits).unwrap_err().kind
    };
    assert_eq!(kind("a: b\r\n".repeat(6)), ParseErrorKind::TooManyHeaders);
    assert_eq!(kind(format!("a: {}\r\n", "b".repeat(100))), ParseErrorKind::HeaderTooLong);
    assert_eq!(kind(format!("a: b\r\n\r\n{}", "b".repeat(2000))), ParseErrorKind::TooLarge);
    let text = format!("OPTIONS sip:{}@b SIP/2.0\r\nCall-ID: 1\r\n\r\n", "a".repeat(100));
    let error = Message::parse(text.into(), &limits).unwrap_err();
    assert_eq!((error.kind, error.kind.status()), (ParseErrorKind::StartLineTooLong, 414));
    assert_eq!(error.request.unwrap().headers.call_id().unwrap(), &"1");
}

#[test]
fn a_value_cannot_break_out_of_its_line() {
    let mut options = request("OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\n");
    options.headers.push(HeaderName::Subject, "x\r\nEvil: yes");
    let again = request(std::str::from_utf8(&options.to_bytes()).unwrap());
    assert_eq!(again.headers.value(&HeaderName::other("Evil")), None);
}

#[test]
fn the_end_of_a_header_section_is_found_only_when_it_is_there() {
    assert_eq!(header_section_end(b"a\r\nb\r\n\r\nbody"), Some(8));
    assert_eq!(header_section_end(b"a\nb\n\nbody"), Some(5));
    assert_eq!(header_section_end(b"a\r\nb\r\n\r"), None);
}

#[test]
fn a_header_that_must_stand_once_may_not_stand_twice() {
    let twice = request("OPTIONS sip:a@b SIP/2.0\r\ni: 1\r\nCall-ID: 1\r\nFrom: <sip:a@b>\r\nf: <sip:a@b>\r\n\r\n");
    assert_eq!(twice.headers.call_id(), Err(HeaderError::Repeated(HeaderName::CallId)));
    assert_eq!(twice.headers.required::<From>(), Err(HeaderError::Repeated(HeaderName::From)));
}
