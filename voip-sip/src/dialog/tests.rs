use super::*;
use crate::message::{Message, MessageLimits};

fn request(text: &str) -> Request {
    match Message::parse(text.replace('\n', "\r\n").into(), &MessageLimits::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

fn response(text: &str) -> Response {
    match Message::parse(text.replace('\n', "\r\n").into(), &MessageLimits::default()).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a request"),
    }
}

const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n\
    From: <sip:alice@a>;tag=alice\nTo: <sip:bob@example.com>\nCall-ID: c1\nCSeq: 7 INVITE\n\
    Contact: <sip:alice@192.0.2.1>\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\n\n";

const OK: &str = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nFrom: <sip:alice@a>;tag=alice\n\
    To: <sip:bob@example.com>;tag=bob\nCall-ID: c1\nCSeq: 7 INVITE\nContact: <sip:bob@192.0.2.9:5070>\n\
    Record-Route: <sip:p1;lr>\nRecord-Route: <sip:p2;lr>\n\n";

#[test]
fn the_callee_takes_the_route_set_in_order() {
    let mut dialog = Dialog::from_request(&request(INVITE), "bob").unwrap();
    dialog.confirm(None).unwrap();
    assert_eq!(dialog.next_hop().to_string(), "sip:p1;lr");
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:alice@192.0.2.1");
    let routes: Vec<String> = bye.headers.list::<Route>().map(|r| r.unwrap().uri.to_string()).collect();
    assert_eq!(routes, ["sip:p1;lr", "sip:p2;lr"]);
    assert_eq!(bye.headers.required::<From>().unwrap().tag().unwrap(), "bob");
    assert_eq!(bye.headers.required::<To>().unwrap().tag().unwrap(), "alice");
    assert_eq!(bye.headers.required::<CSeq>().unwrap().number, 1);
}

#[test]
fn the_caller_takes_the_route_set_reversed_and_counts_on() {
    let mut dialog = Dialog::from_response(&request(INVITE), &response(OK)).unwrap();
    assert_eq!(dialog.state(), DialogState::Confirmed);
    assert_eq!(dialog.next_hop().to_string(), "sip:p2;lr");
    assert_eq!(dialog.ack(7).headers.value(&HeaderName::CSeq).unwrap(), &"7 ACK");
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.9:5070");
    assert_eq!(bye.headers.value(&HeaderName::CSeq).unwrap(), &"8 BYE");
}

#[test]
fn a_strict_router_gets_its_uri_and_the_target_last() {
    let ok = OK.replace("Record-Route: <sip:p2;lr>\n", "Record-Route: <sip:p2>\n");
    let mut dialog = Dialog::from_response(&request(INVITE), &response(&ok)).unwrap();
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:p2");
    let routes: Vec<String> = bye.headers.list::<Route>().map(|r| r.unwrap().uri.to_string()).collect();
    assert_eq!(routes, ["sip:p1;lr", "sip:bob@192.0.2.9:5070"]);
}

#[test]
fn sequence_numbers_must_rise() {
    let mut dialog = Dialog::from_request(&request(INVITE), "bob").unwrap();
    let mut bye = request(INVITE);
    bye.headers.set(HeaderName::CSeq, "7 BYE");
    assert_eq!(dialog.receive(&bye), Err(DialogError::SequenceOutOfOrder));
    bye.headers.set(HeaderName::CSeq, "9 BYE");
    assert_eq!(dialog.receive(&bye), Ok(()));
    assert_eq!(dialog.receive(&bye), Err(DialogError::SequenceOutOfOrder));
}

#[test]
fn requests_find_their_dialog_by_call_id_and_both_tags() {
    let dialog = Dialog::from_response(&request(INVITE), &response(OK)).unwrap();
    let bye = request(
        "BYE sip:alice@192.0.2.1 SIP/2.0\nFrom: <sip:bob@example.com>;tag=bob\nTo: <sip:alice@a>;tag=alice\n\
         Call-ID: c1\nCSeq: 1 BYE\n\n",
    );
    assert_eq!(DialogId::of_request(&bye).as_ref(), Some(dialog.id()));
    assert_eq!(DialogId::of_request(&request(INVITE)), None);
}
