//! What a message reader and writer owe to every input: what is written reads back the same, nothing panics, and work
//! grows no faster than the input does.

use bytes::Bytes;
use proptest::prelude::*;
use std::time::{Duration, Instant};
use voip_core::net::Transport;
use voip_sip::message::header::{CSeq, Contact, From, RecordRoute, Route, To, Via};
use voip_sip::message::{
    ByteStr, HeaderName, Host, HostPort, Message, MessageLimits, Method, NameAddr, Params, Request, Response, Scheme,
    TypedHeader, Uri,
};

const ROOMY: MessageLimits = MessageLimits { max_message: 1 << 24, max_headers: 1 << 20, max_header_line: 1 << 24 };

fn parse(bytes: Bytes) -> Message {
    Message::parse(bytes, &ROOMY).expect("a written message reads")
}

fn text(pattern: &'static str) -> impl Strategy<Value = ByteStr> {
    pattern.prop_map(ByteStr::from)
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        text("[a-z]([a-z0-9-]{0,8}\\.){0,2}[a-z]{1,5}").prop_map(Host::Name),
        any::<std::net::Ipv4Addr>().prop_map(|ip| Host::Ip(ip.into())),
        any::<std::net::Ipv6Addr>().prop_map(|ip| Host::Ip(ip.into())),
    ]
}

fn host_port() -> impl Strategy<Value = HostPort> {
    (host(), any::<Option<u16>>()).prop_map(|(host, port)| HostPort { host, port })
}

/// Parameters with quoted values are for headers only: a URI has no quotes.
fn params(pattern: &'static str) -> impl Strategy<Value = Params> {
    text(pattern).prop_map(Params::new)
}

fn uri() -> impl Strategy<Value = Uri> {
    let sip = (
        prop_oneof![Just(Scheme::Sip), Just(Scheme::Sips)],
        proptest::option::of(text("[A-Za-z0-9+*#%!~'()&=$,;?/._-]{1,12}(:[a-z0-9]{1,6})?")),
        host_port(),
        params("([a-z]{1,6}(=[A-Za-z0-9%.-]{1,8})?(;[a-z]{1,6}(=[A-Za-z0-9%]{1,8})?){0,3})?"),
        text("([a-z]{1,5}=[a-z0-9%?;]{0,6})?"),
    )
        .prop_map(|(scheme, user, host_port, params, headers)| Uri {
            scheme,
            user,
            host_port: Some(host_port),
            params,
            headers,
        });
    let tel = (text("\\+?[0-9.()-]{1,15}"), params("(phone-context=[a-z0-9.+]{1,8})?")).prop_map(|(number, params)| {
        Uri { scheme: Scheme::Tel, user: Some(number), host_port: None, params, headers: ByteStr::default() }
    });
    prop_oneof![4 => sip, 1 => tel]
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    // A display name may hold anything but line ends; an empty one is written as none.
    (
        proptest::option::of(text("[^\r\n]{1,20}")),
        uri(),
        params("([a-z]{1,5}(=([a-z0-9]{1,8}|\"[a-z;,<>= ]{0,8}\"))?(;[a-z]{1,5}(=[a-z0-9]{1,8})?){0,2})?"),
    )
        .prop_map(|(display, uri, params)| NameAddr { display, uri, params })
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        proptest::sample::select(Method::KNOWN.to_vec()),
        text("[A-Z0-9!%*_+`'~.-]{1,12}").prop_map(|name| Method::parse(&name)),
    ]
}

/// Header lines of every kind: typed, unknown, and with values that no grammar describes.
fn lines() -> impl Strategy<Value = Vec<(HeaderName, ByteStr)>> {
    let via = (proptest::sample::select(Transport::ALL.to_vec()), host_port(), "[A-Za-z0-9]{1,20}")
        .prop_map(|(transport, sent_by, branch)| (HeaderName::Via, Via::new(transport, sent_by, &branch).to_value()));
    let address = (
        proptest::sample::select(vec![From::NAME, To::NAME, Contact::NAME, Route::NAME, RecordRoute::NAME]),
        proptest::collection::vec(name_addr(), 1..3),
    )
        .prop_map(|(name, values)| {
            let values: Vec<String> = values.iter().map(NameAddr::to_string).collect();
            (name, ByteStr::from(values.join(", ")))
        });
    let cseq =
        (0..1_u32 << 31, method()).prop_map(|(number, method)| (HeaderName::CSeq, CSeq { number, method }.to_value()));
    let other = (text("X-[A-Za-z0-9!%*_+`'~.-]{1,12}"), text("([!-~\u{e4}\u{44f}]([ -~\u{44f}]{0,20}[!-~])?)?"))
        .prop_map(|(name, value)| (HeaderName::parse(&name), value));
    proptest::collection::vec(prop_oneof![via, address, cseq, other], 0..12)
}

fn body() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

/// The message as it is read back: with the Content-Length that writing it adds.
fn with_length(mut message: Message) -> Message {
    let length = match &message {
        Message::Request(request) => request.body.len(),
        Message::Response(response) => response.body.len(),
    };
    message.headers_mut().push(HeaderName::ContentLength, length.to_string());
    message
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_request_reads_as_it_was_written(method in method(), uri in uri(), lines in lines(), body in body()) {
        let mut request = Request::new(method, uri);
        for (name, value) in lines {
            request.headers.push(name, value);
        }
        request.body = body;
        prop_assert_eq!(parse(request.to_bytes()), with_length(request.into()));
    }

    #[test]
    fn a_response_reads_as_it_was_written(
        status in 100_u16..700,
        reason in text("([!-~\u{44f}][ -~]{0,20})?"),
        lines in lines(),
        body in body(),
    ) {
        let mut response = Response::new(status);
        response.reason = reason;
        for (name, value) in lines {
            response.headers.push(name, value);
        }
        response.body = body;
        prop_assert_eq!(parse(response.to_bytes()), with_length(response.into()));
    }

    #[test]
    fn a_uri_reads_as_it_was_written(uri in uri()) {
        let again = Uri::parse(&ByteStr::from(uri.to_string()));
        prop_assert_eq!(again.as_ref(), Some(&uri));
        prop_assert!(uri.equivalent(&uri));
    }

    #[test]
    fn a_name_addr_reads_as_it_was_written(value in name_addr()) {
        let again = NameAddr::parse(&ByteStr::from(value.to_string()));
        prop_assert_eq!(again.as_ref(), Some(&value));
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        read_everything(Bytes::from(data));
    }

    /// Bytes of which many mean something reach further than arbitrary ones.
    #[test]
    fn telling_bytes_are_read_or_refused(text in "(INVITE |SIP/2.0 200 )?[sip:@;=<>\", \r\n\\\\a0:]{0,200}") {
        read_everything(Bytes::from(text));
    }
}

/// Reads the bytes as everything they can be read as.
fn read_everything(bytes: Bytes) {
    let value = ByteStr::from(bytes.clone());
    let _ = (Uri::parse(&value), NameAddr::parse(&value), Via::parse(&value), CSeq::parse(&value));
    if let Ok(message) = Message::parse(bytes, &ROOMY) {
        let headers = message.headers();
        let _ = (headers.call_id(), headers.content_type(), headers.required::<From>(), headers.required::<To>());
        let _ = (headers.list::<Via>().count(), headers.list::<Contact>().count(), headers.list::<Route>().count());
        for via in headers.list::<Via>().flatten() {
            let _ = (via.branch(), via.received(), via.rport());
        }
        for address in headers.list::<Contact>().flatten().filter_map(Contact::address) {
            let _ = (address.tag(), address.uri.equivalent(&address.uri), address.params.unquoted("q"));
        }
        let written = message.to_bytes();
        assert_eq!(parse(written.clone()).to_bytes(), written);
    }
}

/// Thirty-two times the input takes thirty-two times as long, or a thousand times where work grows with the square. The
/// bound is far from both, for a shared machine may slow either measurement down.
const MOST_GROWTH: u32 = 180;

#[test]
fn hostile_input_costs_no_more_than_its_length() {
    let repeated: [(&str, &str, &str); 11] = [
        ("folds", "INVITE sip:a SIP/2.0\r\nSubject: x", "\r\n "),
        ("commas in Contact", "INVITE sip:a SIP/2.0\r\nContact: ", ","),
        ("values of Via", "INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a", ",SIP/2.0/UDP a"),
        ("colons", "INVITE sip:a SIP/2.0\r\nTo: sip:", ":"),
        ("semicolons", "INVITE sip:a SIP/2.0\r\nContact: <sip:a>", ";"),
        ("parameters", "INVITE sip:a SIP/2.0\r\nContact: <sip:a;x=1", ";a=b"),
        ("opening brackets", "INVITE sip:a SIP/2.0\r\nContact: ", "<"),
        ("quotes", "INVITE sip:a SIP/2.0\r\nContact: ", "\""),
        ("escaped quotes", "INVITE sip:a SIP/2.0\r\nContact: \"", "\\\""),
        ("empty header lines", "INVITE sip:a SIP/2.0\r\n", "v:\r\n"),
        ("open lists", "INVITE sip:a SIP/2.0\r\nContact: ", "<sip:a>,\""),
    ];
    for (name, head, unit) in repeated {
        let input = |size: usize| Bytes::from(format!("{head}{}\r\n\r\n", unit.repeat(size / unit.len())));
        let (small, large) = (input(2_000), input(64_000));
        // Another process may slow one measurement down, hardly all of them.
        let linear = (0..5).any(|_| best(&large) < best(&small).max(Duration::from_micros(2)) * MOST_GROWTH);
        assert!(linear, "{name}: {:?} for 2 kB, {:?} for 64 kB", best(&small), best(&large));
    }
}

#[expect(clippy::disallowed_methods, reason = "work is compared by the time it takes")]
fn best(input: &Bytes) -> Duration {
    let time = |_| {
        let start = Instant::now();
        read_everything(input.clone());
        start.elapsed()
    };
    (0..5).map(time).min().expect("five measurements")
}
