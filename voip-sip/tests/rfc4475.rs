//! The torture test messages of RFC 4475, at the level of messages and headers: what must be read is read, what must be
//! refused is refused with the status that answers it, and what only the layers above can judge comes through whole.
//!
//! Bodies, and header fields the case is not about, are shortened. Not here: §3.1.1.11 (`mpart01`, whose binary body is
//! to this reader like any other), and §3.3.6, §3.3.7, §3.3.11 to §3.3.15 and §3.4.1, which say what a user agent does
//! with well-formed messages.

use bytes::Bytes;
use voip_core::net::Transport;
use voip_sip::message::header::{CSeq, Contact, Expires, From, MaxForwards, Route, To, Via};
use voip_sip::message::{
    HeaderError, HeaderName, Message, MessageLimits, Method, ParseErrorKind, Request, Response, Scheme, TypedHeader,
};

/// Lines become CRLF lines; `body` follows the empty line as it is.
fn bytes(head: &str, body: &[u8]) -> Bytes {
    let mut bytes = head.replace('\n', "\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes.into()
}

fn parse(bytes: Bytes) -> Result<Message, ParseErrorKind> {
    Message::parse(bytes, &MessageLimits::default()).map_err(|error| error.kind)
}

fn request(head: &str) -> Request {
    request_with(head, b"")
}

fn request_with(head: &str, body: &[u8]) -> Request {
    match parse(bytes(head, body)) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

fn response(head: &str) -> Response {
    match parse(bytes(head, b"")) {
        Ok(Message::Response(response)) => response,
        other => panic!("not a response: {other:?}"),
    }
}

fn refused(head: &str, body: &[u8]) -> ParseErrorKind {
    parse(bytes(head, body)).expect_err("must be refused")
}

/// A value that is refused only when somebody reads it as its type.
fn malformed<H: TypedHeader + std::fmt::Debug>(request: &Request) {
    assert_eq!(request.headers.required::<H>().expect_err("must be refused"), HeaderError::Malformed(H::NAME));
}

fn sdp() -> Vec<u8> {
    "v=0\no=mhandley 29739 7272939 IN IP4 192.0.2.3\ns=-\nc=IN IP4 192.0.2.4\nt=0 0\nm=audio 49217 RTP/AVP 0 12\n\
     m=video 3227 RTP/AVP 31\na=rtpmap:31 LPC\n"
        .replace('\n', "\r\n")
        .into_bytes()
}

/// A request with the headers every one needs, for messages that are about one line of it.
fn with(start: &str, lines: &str) -> String {
    let method = start.split(' ').next().unwrap_or_default();
    format!(
        "{start}\nVia: SIP/2.0/UDP host1.example.com;branch=z9hG4bK-39234-23523\nMax-Forwards: 70\n\
         From: <sip:caller@example.com>;tag=34525\nTo: <sip:user@example.com>\nCall-ID: 1.0ha0isndaksdj@192.0.2.1\n\
         CSeq: 8 {method}\n{lines}Content-Length: 0\n"
    )
}

#[test]
fn s3_1_1_1_a_short_tortuous_invite() {
    let body = sdp();
    assert_eq!(body.len(), 150, "the length that the RFC gives");
    let invite = request_with(
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\n\
         TO :\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n\
         from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8\n\
         MaX-fOrWaRdS: 0068\n\
         Call-ID: wsinv.ndaksdj@192.0.2.1\n\
         Content-Length   : 150\n\
         cseq: 0009\n  INVITE\n\
         Via  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\n\
         s :\n\
         NewFangledHeader:   newfangled value\n continued newfangled value\n\
         UnknownHeaderWithUnusualValue: ;;,,;;,;\n\
         Content-Type: application/sdp\n\
         Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n\
         v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n SIP  /    2.0   / UDP  \
         192.168.255.111   ; branch=\n z9hG4bK30239\n\
         m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n      newvalue ;\n  secondparam ; q = 0.33\n",
        &body,
    );
    let headers = &invite.headers;
    assert!(invite.uri.params.has("unknownparam"));
    assert_eq!(headers.required::<To>().unwrap().tag().unwrap(), "1918181833n");
    let from = headers.required::<From>().unwrap();
    assert_eq!(from.display.as_ref().unwrap(), &"J Rosenberg \\\"");
    assert_eq!(from.tag().unwrap(), "98asjd8");
    assert_eq!(headers.required::<MaxForwards>().unwrap().0, 68);
    assert_eq!(headers.required::<CSeq>().unwrap(), CSeq { number: 9, method: Method::Invite });
    assert_eq!(headers.value(&HeaderName::Subject).unwrap(), &"");
    assert_eq!(
        headers.value(&HeaderName::other("newfangledheader")).unwrap(),
        &"newfangled value continued newfangled value"
    );
    assert_eq!(headers.value(&HeaderName::other("UnknownHeaderWithUnusualValue")).unwrap(), &";;,,;;,;");
    let vias: Vec<Via> = headers.list().map(|via| via.unwrap()).collect();
    let hops: Vec<String> = vias.iter().map(|via| via.sent_by.to_string()).collect();
    assert_eq!(hops, ["192.0.2.2", "spindle.example.com", "192.168.255.111"]);
    let branches: Vec<String> = vias.iter().map(|via| via.branch().unwrap().to_string()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    let route = headers.required::<Route>().unwrap();
    assert!(route.uri.is_loose_route() && route.uri.params.has("unknown-no-value"));
    let contact = headers.required::<Contact>().unwrap().address().unwrap();
    assert_eq!(contact.display.unwrap(), "Quoted string \"\"");
    assert_eq!(
        (contact.params.value("newparam").unwrap(), contact.params.value("q").unwrap()),
        ("newvalue".into(), "0.33".into())
    );
    assert_eq!(invite.body, body);
    let Ok(Message::Request(again)) = parse(invite.to_bytes()) else { panic!("what is written cannot be read") };
    assert_eq!(again.headers.list::<Via>().count(), 3);
}

#[test]
fn s3_1_1_2_a_wide_range_of_valid_characters() {
    let mut head = b"!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\r\n\
        Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\n\
        To: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\r\n\
        From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"".to_vec();
    head.extend_from_slice("работающий".as_bytes());
    head.extend_from_slice(
        b"\";tag=_token~1'+`*%!-.\r\nCall-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n\
          CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\nMax-Forwards: 255\r\n\
          extensionHeader-!.%*+_`'~:",
    );
    head.extend_from_slice("\u{fffb}大停電".as_bytes());
    head.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
    let Ok(Message::Request(request)) = parse(head.into()) else { panic!("refused") };
    let Method::Other(method) = &request.method else { panic!("a known method") };
    assert_eq!(method, "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(request.uri.user_name().unwrap(), "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
    assert_eq!(request.headers.required::<CSeq>().unwrap().method, request.method);
    let to = request.headers.required::<To>().unwrap();
    assert_eq!(to.display.as_ref().unwrap(), &"BEL:\x07 NUL:\0 DEL:\x7f");
    assert!(to.to_value().as_bytes().starts_with(b"\"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\" <sip:"));
    let from = request.headers.required::<From>().unwrap();
    assert_eq!(from.display.as_ref().unwrap(), &"token1~` token2'+_ token3*%!.-");
    assert_eq!(from.params.unquoted("fromParam''~+*_!.-%").unwrap(), "работающий");
    assert_eq!(from.tag().unwrap(), "_token~1'+`*%!-.");
    assert_eq!(request.headers.call_id().unwrap(), &"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
}

#[test]
fn s3_1_1_3_percent_as_escape() {
    let invite = request(
        "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\nTo: sip:%75se%72@example.com\n\
         From: <sip:I%20have%20spaces@example.net>;tag=938\nMax-Forwards: 87\ni: esc01.239409asdfakjkn23onasd0-3234\n\
         CSeq: 234234 INVITE\nVia: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw\n\
         C: application/sdp\nContact:\n  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>\n\
         Content-Length: 0\n",
    );
    assert_eq!(invite.uri.user_name().unwrap(), "sips:user@example.com");
    assert_eq!(invite.uri.host().unwrap().to_string(), "example.net");
    let to = invite.headers.required::<To>().unwrap();
    assert!(to.uri.equivalent(&"sip:user@example.com".parse().unwrap()));
    assert_eq!(invite.headers.required::<From>().unwrap().uri.user_name().unwrap(), "I have spaces");
    let contact = invite.headers.required::<Contact>().unwrap().address().unwrap();
    assert_eq!(contact.uri.user_name().unwrap(), "caller");
    assert!(!contact.uri.is_loose_route(), "%6C%72 is lr only once unescaped, which names are not");
}

#[test]
fn s3_1_1_4_escaped_nulls() {
    let register = request(
        "REGISTER sip:example.com SIP/2.0\nTo: sip:null-%00-null@example.com\nFrom: sip:null-%00-null@example.com;tag=839923423\n\
         Max-Forwards: 70\nCall-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd\nCSeq: 14398234 REGISTER\n\
         Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw\nContact: <sip:%00@host5.example.com>\n\
         Contact: <sip:%00%00@host5.example.com>\nL:0\n",
    );
    let users: Vec<String> =
        register.headers.list::<Contact>().map(|c| c.unwrap().address().unwrap().uri.user_name().unwrap()).collect();
    assert_eq!(users, ["\0", "\0\0"]);
    assert_eq!(register.headers.required::<To>().unwrap().uri.user_name().unwrap(), "null-\0-null");
}

#[test]
fn s3_1_1_5_percent_when_not_an_escape() {
    let request = request(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0\nTo: \"%Z%45\" <sip:resource@example.com>\n\
         From: \"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23\nCall-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf\n\
         Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234\nCSeq: 29344 RE%47IST%45R\nMax-Forwards: 70\n\
         Contact: <sip:alias1@host1.example.com>\nC%6Fntact: <sip:alias2@host2.example.com>\n\
         Contact: <sip:alias3@host3.example.com>\nl: 0\n",
    );
    assert_eq!(request.method, Method::Other("RE%47IST%45R".into()));
    assert_eq!(request.headers.required::<To>().unwrap().display.as_ref().unwrap(), &"%Z%45");
    assert_eq!(request.headers.list::<Contact>().count(), 2);
    assert!(request.headers.value(&HeaderName::other("C%6Fntact")).is_some());
}

#[test]
fn s3_1_1_6_no_space_between_display_name_and_bracket() {
    let options = request(
        &with("OPTIONS sip:user@example.com SIP/2.0", "")
            .replace("From: <sip:caller@example.com>;tag=34525", "From: caller<sip:caller@example.com>;tag=323"),
    );
    let from = options.headers.required::<From>().unwrap();
    assert_eq!(
        (from.display.as_ref().unwrap().to_string(), from.tag().unwrap().to_string()),
        ("caller".into(), "323".into())
    );
}

#[test]
fn s3_1_1_7_long_values() {
    let long = |word: &str, times: usize| word.repeat(times);
    let mut head = format!(
        "INVITE sip:user@example.com SIP/2.0\nTo: \"I have a user name of {} proportion\"<sip:user@example.com:6000;\
         unknownparam1=very{}value;longparam{}name=shortvalue;very{}ParameterNameWithNoValue>\n\
         F: sip:amazinglylongcallername{}@example.net;tag=12{}424;unknownheaderparam{}name=unknowheaderparam{}value\n\
         Call-ID: longreq.one{}longcallid\nCSeq: 3882340 INVITE\nUnknown-{}-Name:\n unknown-{}-value;\n \
         unknown-{}-parameter-name = unknown-{}-parameter-value\n",
        long("extreme", 10),
        long("long", 20),
        long("long", 25),
        long("long", 25),
        long("name", 50),
        long("982", 50),
        long("long", 20),
        long("long", 15),
        long("really", 20),
        long("Long", 20),
        long("long", 20),
        long("long", 20),
        long("long", 20),
    );
    for hop in (1..=34).rev() {
        head.push_str(&format!("Via: SIP/2.0/TCP sip{hop}.example.com;received=192.0.2.{hop}\n"));
    }
    head.push_str("Max-Forwards: 70\nContact: <sip:amazinglylongcallername@host5.example.net>\nl: 0\n");
    let invite = request(&head);
    assert_eq!(invite.headers.list::<Via>().filter(Result::is_ok).count(), 34);
    assert_eq!(invite.headers.required::<To>().unwrap().uri.port(), Some(6000));
    assert_eq!(invite.headers.required::<From>().unwrap().tag().unwrap().len(), 155);
}

#[test]
fn s3_1_1_8_extra_octets_after_the_body_are_ignored() {
    let head = "REGISTER sip:example.com SIP/2.0\nTo: sip:j.user@example.com\nFrom: sip:j.user@example.com;tag=43251j3j324\n\
                Max-Forwards: 8\nI: dblreq.0ha0isndaksdj99sdfafnl3lk233412\nContact: sip:j.user@host.example.com\n\
                CSeq: 8 REGISTER\nVia: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492\nContent-Length: 0\n";
    let register = request_with(head, b"INVITE sip:joe@example.com SIP/2.0\r\nt: sip:joe@example.com\r\n\r\n");
    assert_eq!((register.method, register.body.len()), (Method::Register, 0));
}

#[test]
fn s3_1_1_9_semicolons_in_the_user_part() {
    let options =
        request(&with("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", "Accept: application/sdp\n"));
    assert_eq!(options.uri.user_name().unwrap(), "user;par=u@example.net");
    assert_eq!(options.uri.host().unwrap().to_string(), "example.com");
    assert!(options.uri.params.is_empty());
}

#[test]
fn s3_1_1_10_varied_and_unknown_transports() {
    let options = request(&with(
        "OPTIONS sip:user@example.com SIP/2.0",
        "Via: SIP/2.0/SCTP h2;branch=z9hG4bKzzxdiwo34sw\nVia: SIP/2.0/TLS h3;branch=z9hG4bK2980unddj\n\
         Via: SIP/2.0/UNKNOWN h4;branch=z9hG4bKasd0f3en\nVia: SIP/2.0/TCP h5;branch=z9hG4bK0a9idfnee\n",
    ));
    let transports: Vec<Option<Transport>> =
        options.headers.list::<Via>().map(|via| via.unwrap().known_transport()).collect();
    assert_eq!(transports, [Some(Transport::Udp), None, Some(Transport::Tls), None, Some(Transport::Tcp)]);
}

#[test]
fn s3_1_1_12_and_13_unusual_reason_phrases() {
    let fields = "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\nCall-ID: unreason.1234ksdfak3j2erwedfsASdf\n\
                  CSeq: 35 INVITE\nFrom: sip:user@example.com;tag=11141343\nTo: sip:user@example.edu;tag=2229\n\
                  Content-Length: 0\nContact: <sip:user@host198.example.com>\n";
    let unusual = response(&format!("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое\n{fields}"));
    assert_eq!(unusual.reason, "= 2**3 * 5**2 но сто девяносто девять - простое");
    let empty = response(&format!("SIP/2.0 100 \n{fields}"));
    assert_eq!((empty.status, empty.reason.len()), (100, 0));
}

#[test]
fn s3_1_2_1_extraneous_separators() {
    // Separators without values are skipped; the Via that has none before its parameter is refused when it is read.
    let invite =
        request(&with("INVITE sip:user@example.com SIP/2.0", "Contact: \"Joe\" <sip:joe@example.org>;;;;\n").replace(
            "Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bK-39234-23523",
            "Via: SIP/2.0/UDP 192.0.2.15;;,;,,",
        ));
    let vias: Vec<bool> = invite.headers.list::<Via>().map(|via| via.is_ok()).collect();
    assert_eq!(vias, [true, false]);
    assert_eq!(invite.headers.required::<Contact>().unwrap().address().unwrap().params.iter().count(), 0);
}

#[test]
fn s3_1_2_2_and_3_content_length_larger_than_the_message_or_negative() {
    let head = |length: &str| with("INVITE sip:user@example.com SIP/2.0", "").replace("Content-Length: 0", length);
    assert_eq!(refused(&head("Content-Length: 9999"), &sdp()), ParseErrorKind::BodyTruncated);
    let negative = refused(&head("Content-Length: -999"), &sdp());
    assert_eq!((negative, negative.status()), (ParseErrorKind::ContentLength, 400));
}

#[test]
fn s3_1_2_4_and_5_overlarge_numbers() {
    let register = request(
        &with(
            "REGISTER sip:example.com SIP/2.0",
            "Expires: 1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\n\
         Contact: <sip:user@host129.example.com>;expires=280297596632815\n",
        )
        .replace("CSeq: 8 ", "CSeq: 36893488147419103232 ")
        .replace("Max-Forwards: 70", "Max-Forwards: 300"),
    );
    malformed::<CSeq>(&register);
    assert_eq!(register.headers.required::<Expires>().unwrap().0, u32::MAX);
    let contact = register.headers.required::<Contact>().unwrap().address().unwrap();
    assert_eq!(contact.params.value("expires").unwrap().to_number::<u32>(), None);

    let fields = "Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw\nCSeq: 9292394834772304023312 OPTIONS\n\
                  Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r\nRetry-After: 949302838503028349304023988\n";
    let response = response(&format!("SIP/2.0 503 Service Unavailable\n{fields}"));
    assert!(matches!(response.headers.required::<CSeq>(), Err(HeaderError::Malformed(HeaderName::CSeq))));
}

#[test]
fn s3_1_2_6_unterminated_quoted_string() {
    let invite = request(
        &with("INVITE sip:user@example.com SIP/2.0", "")
            .replace("To: <sip:user@example.com>", "To: \"Mr. J. User <sip:j.user@example.com>"),
    );
    malformed::<To>(&invite);
    assert_eq!(invite.response(400, Some("x")).headers.value(&HeaderName::To), invite.headers.value(&HeaderName::To));
}

#[test]
fn s3_1_2_7_to_12_malformed_request_lines() {
    let kind = |start: &str| refused(&with(start, ""), b"");
    assert_eq!(kind("INVITE <sip:user@example.com> SIP/2.0"), ParseErrorKind::RequestUri);
    assert_eq!(kind("INVITE sip:user@example.com; lr SIP/2.0"), ParseErrorKind::RequestUri);
    assert_eq!(kind("INVITE  sip:user@example.com  SIP/2.0"), ParseErrorKind::RequestUri);
    assert_eq!(kind("OPTIONS sip:remote-target@example.com SIP/2.0  "), ParseErrorKind::StartLine);
}

#[test]
fn s3_1_2_11_escaped_headers_in_the_request_uri() {
    let invite = request(&with("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", ""));
    assert_eq!(invite.uri.headers, "Route=%3Csip:example.com%3E");
}

#[test]
fn s3_1_2_12_an_invalid_time_zone_is_no_concern_of_the_reader() {
    let invite = request(&with("INVITE sip:user@example.com SIP/2.0", "Date: Fri, 01 Jan 2010 16:00:00 EST\n"));
    assert_eq!(invite.headers.value(&HeaderName::Date).unwrap(), &"Fri, 01 Jan 2010 16:00:00 EST");
}

#[test]
fn s3_1_2_13_a_uri_with_headers_outside_brackets() {
    let register = request(&with(
        "REGISTER sip:example.com SIP/2.0",
        "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E\n",
    ));
    malformed::<Contact>(&register);
}

#[test]
fn s3_1_2_14_spaces_within_an_addr_spec() {
    let options = request(
        &with("OPTIONS sip:user@example.org SIP/2.0", "")
            .replace("To: <sip:user@example.com>", "To: \"Watson, Thomas\" < sip:t.watson@example.org >"),
    );
    // The RFC lets an element be lenient here.
    assert_eq!(options.headers.required::<To>().unwrap().uri.to_string(), "sip:t.watson@example.org");
}

#[test]
fn s3_1_2_15_non_token_characters_in_a_display_name() {
    let options = request(
        &with("OPTIONS sip:user@example.com SIP/2.0", "")
            .replace("From: <sip:caller@example.com>", "From: Bell, Alexander <sip:a.g.bell@example.com>"),
    );
    let from = options.headers.required::<From>().unwrap();
    assert!(from.to_value().as_bytes().starts_with(b"\"Bell, Alexander\" <"), "written with its quotes");
}

#[test]
fn s3_1_2_16_unknown_protocol_version() {
    let kind = refused(&with("OPTIONS sip:t.watson@example.org SIP/7.0", ""), b"");
    assert_eq!((kind, kind.status()), (ParseErrorKind::Version, 505));
}

#[test]
fn s3_1_2_17_and_18_start_line_and_cseq_disagree() {
    // Whoever handles transactions compares: the message carries both.
    let options =
        request(&with("OPTIONS sip:user@example.com SIP/2.0", "").replace("CSeq: 8 OPTIONS", "CSeq: 8 INVITE"));
    assert_eq!((options.method, options.headers.required::<CSeq>().unwrap().method), (Method::Options, Method::Invite));
    let unknown = request(&with("NEWMETHOD sip:user@example.com SIP/2.0", "").replace("8 NEWMETHOD", "8 INVITE"));
    assert_ne!(unknown.method, unknown.headers.required::<CSeq>().unwrap().method);
}

#[test]
fn s3_1_2_19_overlarge_response_code() {
    let kind = refused(
        "SIP/2.0 4294967301 better not break the receiver\nCall-ID: bcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i\n",
        b"",
    );
    assert_eq!(kind, ParseErrorKind::StatusCode);
}

#[test]
fn s3_2_1_missing_transaction_identifier() {
    let options = request(
        &with("OPTIONS sip:user@example.com SIP/2.0", "").replace(";branch=z9hG4bK-39234-23523", ";branch=z9hG4bK"),
    );
    assert_eq!(options.headers.required::<Via>().unwrap().branch().unwrap(), "z9hG4bK");
}

#[test]
fn s3_3_1_missing_required_header_fields() {
    let invite = request(
        "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\nl: 0\n",
    );
    assert_eq!(invite.headers.call_id(), Err(HeaderError::Missing(HeaderName::CallId)));
    assert_eq!(invite.headers.required::<From>(), Err(HeaderError::Missing(HeaderName::From)));
    assert_eq!(invite.headers.required::<To>(), Err(HeaderError::Missing(HeaderName::To)));
}

#[test]
fn s3_3_2_to_4_request_uris_of_other_schemes() {
    let scheme = |uri: &str| request(&with(&format!("OPTIONS {uri} SIP/2.0"), "")).uri.scheme;
    assert_eq!(scheme("nobodyKnowsThisScheme:totallyopaquecontent"), Scheme::Other("nobodyKnowsThisScheme".into()));
    assert_eq!(scheme("soap.beep://192.0.2.103:3002"), Scheme::Other("soap.beep".into()));
    let register = request(
        &with("REGISTER sip:example.com SIP/2.0", "Contact: <name:John_Smith>\n")
            .replace("To: <sip:user@example.com>", "To: <isbn:2983792873>")
            .replace("From: <sip:caller@example.com>", "From: <http://www.example.com>"),
    );
    assert_eq!(register.headers.required::<To>().unwrap().uri.to_string(), "isbn:2983792873");
    assert_eq!(register.headers.required::<From>().unwrap().uri.scheme, Scheme::Other("http".into()));
}

#[test]
fn s3_3_5_and_9_extensions_and_repeated_content_length() {
    let options = request(&with(
        "OPTIONS sip:user@example.com SIP/2.0",
        "Require: nothingSupportsThis, nothingSupportsThisEither\nProxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis\n",
    ));
    let required: Vec<&[u8]> = options.headers.tokens(&HeaderName::Require).collect();
    assert_eq!(required, [b"nothingSupportsThis".as_slice(), b"nothingSupportsThisEither"]);
    let twice = refused(
        &with("OPTIONS sip:user@example.com SIP/2.0", "Content-Length: 13\n"),
        b"There's no way to know how many octets",
    );
    assert_eq!(twice, ParseErrorKind::ContentLength);
}

#[test]
fn s3_3_8_several_values_in_single_value_fields() {
    let invite = request(
        "INVITE sip:user@company.com SIP/2.0\nContact: <sip:caller@host25.example.net>\n\
         Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw\nMax-Forwards: 70\nCSeq: 5 INVITE\nCall-ID: multi01.98asdh@192.0.2.1\n\
         CSeq: 59 INVITE\nCall-ID: multi01.98asdh@192.0.2.2\nFrom: sip:caller@example.com;tag=3413415\n\
         To: sip:user@example.com\nTo: sip:other@example.net\nFrom: sip:caller@example.net;tag=2923420123\nl: 0\n",
    );
    assert_eq!(invite.headers.required::<To>(), Err(HeaderError::Repeated(HeaderName::To)));
    assert_eq!(invite.headers.required::<From>(), Err(HeaderError::Repeated(HeaderName::From)));
    assert_eq!(invite.headers.required::<CSeq>(), Err(HeaderError::Repeated(HeaderName::CSeq)));
    assert_eq!(invite.headers.call_id(), Err(HeaderError::Repeated(HeaderName::CallId)));
}

#[test]
fn s3_3_10_a_response_with_a_broadcast_via() {
    let head = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n\
                Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\nCall-ID: bcast.0384840201234ksdfak3j2erwedfsASdf\n\
                CSeq: 35 INVITE\nl: 0\n";
    let vias: Vec<String> = response(head).headers.list::<Via>().map(|v| v.unwrap().sent_by.to_string()).collect();
    assert_eq!(vias, ["192.0.2.198", "255.255.255.255"]);
}
