use super::*;

fn local() -> LocalMedia {
    LocalMedia::new("198.51.100.1:10000".parse().unwrap())
}

fn negotiation() -> Negotiation {
    with(MediaCapabilities::default())
}

fn with(capabilities: MediaCapabilities) -> Negotiation {
    Negotiation::new(7, local(), capabilities)
}

/// Their description: one audio stream from 192.0.2.1:4000 with these formats and attribute lines.
fn theirs(formats: &str, attributes: &str) -> Vec<u8> {
    let mut text =
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 {formats}\r\n");
    for attribute in attributes.split_whitespace() {
        text.push_str(&format!("a={}\r\n", attribute.replace('_', " ")));
    }
    text.into_bytes()
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn payload(codec: AudioCodec, send: u8, receive: u8) -> PayloadMap {
    PayloadMap { codec, send, receive }
}

const EVENTS: &str = "rtpmap:101_telephone-event/8000 fmtp:101_0-15";

#[test]
fn an_offer_names_everything_in_order_of_preference() {
    let offer = negotiation().offer(Direction::SendRecv);
    assert_eq!(
        text(&offer),
        "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 8 0 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
         a=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn an_offer_of_wideband_codecs_has_events_at_each_clock_rate() {
    let mut leg = with(MediaCapabilities {
        comfort_noise: true,
        rtcp_mux: true,
        ..MediaCapabilities::new([AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcma, AudioCodec::L16])
    });
    leg.set_local(LocalMedia { rtcp: "198.51.100.1:20001".parse().unwrap(), ..local() });
    let offer = leg.offer(Direction::SendRecv);
    let offer = text(&offer);
    assert!(offer.contains("m=audio 10000 RTP/AVP 96 9 8 97 13 102 101\r\n"), "{offer}");
    for line in [
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:97 L16/8000",
        "a=rtpmap:13 CN/8000",
        "a=rtpmap:102 telephone-event/48000",
        "a=rtcp:20001",
        "a=rtcp-mux",
    ] {
        assert!(offer.contains(&format!("{line}\r\n")), "{line}");
    }
}

#[test]
fn an_answer_becomes_a_plan_with_payload_types_for_each_way() {
    let mut leg = negotiation();
    leg.offer(Direction::SendRecv);
    let answer =
        theirs("RTP/AVP 96 97", "rtpmap:96_pcma/8000 rtpmap:97_telephone-event/8000 ptime:30 rtcp:5000 rtcp-mux");
    let plan = leg.handle_answer(&answer).unwrap();
    assert_eq!(plan.codecs, [payload(AudioCodec::Pcma, 96, 8)]);
    assert_eq!(plan.telephone_event, Some(TelephoneEventMap { send: 97, receive: 101, clock_rate: 8000 }));
    assert_eq!(plan.remote_rtp, "192.0.2.1:4000".parse().unwrap());
    assert_eq!((plan.remote_rtcp, plan.rtcp_mux), ("192.0.2.1:5000".parse().unwrap(), false));
    assert_eq!((plan.direction, plan.ptime), (Direction::SendRecv, Duration::from_millis(30)));
    assert_eq!(leg.plan(), Some(&plan));
}

#[test]
fn an_answer_with_several_codecs_is_taken_with_its_first_to_send() {
    // As LiveKit answers.
    let mut leg = negotiation();
    leg.offer(Direction::SendRecv);
    let plan = leg.handle_answer(&theirs("RTP/AVP 0 8 9 101", EVENTS)).unwrap();
    assert_eq!(plan.codecs, [payload(AudioCodec::Pcmu, 0, 0), payload(AudioCodec::Pcma, 8, 8)]);
    assert_eq!(plan.sending().codec, AudioCodec::Pcmu);
    assert_eq!(plan.remote_rtcp, "192.0.2.1:4001".parse().unwrap());
}

#[test]
fn a_refresh_answered_with_the_original_description_changes_nothing() {
    let mut leg = negotiation();
    let offer = leg.offer(Direction::SendRecv);
    let original = theirs("RTP/AVP 8 101", EVENTS);
    let plan = leg.handle_answer(&original).unwrap();
    assert_eq!(leg.repeat().unwrap(), offer);
    assert_eq!(leg.handle_answer(&original).unwrap(), plan);
    // A hold that the far side ignores: the answer still says sendrecv, and we keep to what we said.
    leg.offer(Direction::Inactive);
    assert_eq!(leg.handle_answer(&original).unwrap().direction, Direction::Inactive);
}

#[test]
fn answers_that_cannot_be_met_are_named_and_change_nothing() {
    let mut leg = negotiation();
    assert_eq!(leg.handle_answer(&theirs("RTP/AVP 8", "")), Err(SdpError::NoOffer));
    leg.offer(Direction::SendRecv);
    let plan = leg.handle_answer(&theirs("RTP/AVP 8", "")).unwrap();
    let rejected = String::from_utf8(theirs("RTP/AVP 8", "")).unwrap().replace("audio 4000", "audio 0");
    let cases: [(Vec<u8>, SdpError); 6] = [
        (theirs("RTP/AVP 9 18", ""), SdpError::NoCommonCodec),
        (theirs("RTP/AVP 101", EVENTS), SdpError::NoCommonCodec),
        (theirs("RTP/SAVP 8", ""), SdpError::SrtpOnly("RTP/SAVP".into())),
        (rejected.into(), SdpError::Rejected),
        (b"v=0\r\nm=video 4000 RTP/AVP 8\r\n".to_vec(), SdpError::MediaMismatch),
        (b"not at all".to_vec(), SdpError::NotSdp),
    ];
    for (answer, error) in cases {
        assert_eq!(leg.handle_answer(&answer), Err(error));
        assert_eq!(leg.plan(), Some(&plan));
    }
}

#[test]
fn an_offer_is_answered_with_one_codec_in_the_offerers_numbers() {
    let mut leg = negotiation();
    let offer = theirs(
        "RTP/AVP 0 96 97 98",
        "rtpmap:96_PCMA/8000 rtpmap:97_telephone-event/8000 fmtp:97_0-15 rtpmap:98_telephone-event/48000 rtcp-mux",
    );
    let seen = leg.handle_offer(&offer).unwrap();
    assert_eq!(seen.codecs, [AudioCodec::Pcmu, AudioCodec::Pcma]);
    assert!(seen.telephone_event && !seen.comfort_noise);
    assert_eq!(leg.plan(), None);
    let (answer, plan) = leg.answer(None, Direction::SendRecv).unwrap();
    assert_eq!(
        text(&answer),
        "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 96 97\r\n\
         a=rtpmap:96 PCMA/8000\r\na=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\na=ptime:20\r\na=rtcp-mux\r\n\
         a=sendrecv\r\n"
    );
    assert_eq!(plan.codecs, [payload(AudioCodec::Pcma, 96, 96)]);
    assert_eq!(plan.telephone_event.unwrap().send, 97);
    assert!(plan.rtcp_mux && plan.remote_rtcp == plan.remote_rtp);
    assert_eq!(leg.answer(None, Direction::SendRecv).unwrap().0, answer, "answering again says the same");
}

#[test]
fn the_preferred_codec_comes_first_when_both_have_it() {
    let mut leg = negotiation();
    leg.handle_offer(&theirs("RTP/AVP 8 0", "")).unwrap();
    let (_, plan) = leg.answer(Some(AudioCodec::Pcmu), Direction::SendRecv).unwrap();
    assert_eq!(plan.codecs, [payload(AudioCodec::Pcmu, 0, 0)]);
    let (_, plan) = leg.answer(Some(AudioCodec::G722), Direction::SendRecv).unwrap();
    assert_eq!(plan.codecs, [payload(AudioCodec::Pcma, 8, 8)]);
    leg.set_capabilities_order(&[AudioCodec::Opus, AudioCodec::Pcmu]);
    assert_eq!(leg.answer(None, Direction::SendRecv).unwrap().1.sending().codec, AudioCodec::Pcmu);
    let mut all = with(MediaCapabilities { answer_all_codecs: true, ..MediaCapabilities::default() });
    all.handle_offer(&theirs("RTP/AVP 8 0 18", "")).unwrap();
    let (answer, plan) = all.answer(Some(AudioCodec::Pcmu), Direction::SendRecv).unwrap();
    assert_eq!(plan.codecs.len(), 2);
    assert!(text(&answer).contains("m=audio 10000 RTP/AVP 0 8\r\n"));
}

#[test]
fn other_streams_are_refused_in_their_place_and_stay_so() {
    let mut leg = negotiation();
    let offer = "v=0\nc=IN IP4 192.0.2.1\nm=video 3000 RTP/AVP 31 34\nm=audio 0 RTP/AVP 8\nm=audio 3500 RTP/SAVP 8\n\
                 m=audio 4000 RTP/AVPF 8\nm=audio 5000 RTP/AVP 8\nm=image 6000 udptl t38\n";
    leg.handle_offer(offer.as_bytes()).unwrap();
    let (answer, plan) = leg.answer(None, Direction::SendRecv).unwrap();
    assert_eq!(plan.remote_rtp.port(), 4000);
    let lines = |sdp: &Bytes| text(sdp).lines().filter(|l| l.starts_with("m=")).map(String::from).collect::<Vec<_>>();
    let expected = [
        "m=video 0 RTP/AVP 31",
        "m=audio 0 RTP/AVP 8",
        "m=audio 0 RTP/SAVP 8",
        "m=audio 10000 RTP/AVPF 8",
        "m=audio 0 RTP/AVP 8",
        "m=image 0 udptl t38",
    ];
    assert_eq!(lines(&answer), expected);
    let reoffer = leg.offer(Direction::SendOnly);
    assert_eq!(lines(&reoffer).len(), 6);
    assert!(lines(&reoffer)[3].starts_with("m=audio 10000 RTP/AVPF 8 0"), "{}", text(&reoffer));
    // Their next offer frees an earlier place: the stream in use stays where it is.
    let again = offer.replace("m=audio 0 RTP", "m=audio 3300 RTP");
    assert_eq!(leg.handle_offer(again.as_bytes()).unwrap().rtp.port(), 4000);
}

#[test]
fn holds_are_answered_as_rfc_3264_says() {
    let cases = [
        ("sendrecv", Direction::SendRecv),
        ("sendonly", Direction::RecvOnly),
        ("recvonly", Direction::SendOnly),
        ("inactive", Direction::Inactive),
    ];
    for (written, ours) in cases {
        let mut leg = negotiation();
        assert_eq!(leg.handle_offer(&theirs("RTP/AVP 8", written)).unwrap().direction, ours);
        let (answer, plan) = leg.answer(None, Direction::SendRecv).unwrap();
        assert_eq!(plan.direction, ours);
        assert!(text(&answer).ends_with(&format!("a={}\r\n", ours.name())));
    }
    let session_level = "v=0\nc=IN IP4 192.0.2.1\na=inactive\nm=audio 4000 RTP/AVP 8\n";
    assert_eq!(negotiation().handle_offer(session_level.as_bytes()).unwrap().direction, Direction::Inactive);
}

#[test]
fn a_hold_by_address_stops_our_sending_and_a_real_address_resumes_it() {
    let mut leg = negotiation();
    let active = String::from_utf8(theirs("RTP/AVP 8", "")).unwrap();
    let held = active.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0");
    for (offer, direction) in
        [(&active, Direction::SendRecv), (&held, Direction::RecvOnly), (&active, Direction::SendRecv)]
    {
        leg.handle_offer(offer.as_bytes()).unwrap();
        let (_, plan) = leg.answer(None, Direction::SendRecv).unwrap();
        assert_eq!(plan.direction, direction);
        assert_eq!(plan.remote_rtp.ip().is_unspecified(), !direction.sends());
    }
    leg.offer(Direction::SendRecv);
    assert_eq!(leg.handle_answer(held.as_bytes()).unwrap().direction, Direction::RecvOnly);
}

#[test]
fn the_version_grows_by_one_when_the_description_changes_and_only_then() {
    let version = |sdp: &Bytes| text(sdp).lines().nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    let mut leg = negotiation();
    assert_eq!(version(&leg.offer(Direction::SendRecv)), "1");
    let answer = theirs("RTP/AVP 8", "");
    leg.handle_answer(&answer).unwrap();
    assert_eq!(version(&leg.offer(Direction::SendRecv)), "1");
    assert_eq!(version(&leg.offer(Direction::SendOnly)), "2");
    leg.offer_refused();
    assert_eq!(leg.handle_answer(&answer), Err(SdpError::NoOffer));
    assert_eq!(version(&leg.repeat().unwrap()), "1");
    leg.handle_answer(&answer).unwrap();
    leg.offer(Direction::SendOnly);
    leg.handle_answer(&answer).unwrap();
    assert_eq!(version(&leg.repeat().unwrap()), "2");
    leg.handle_offer(&answer).unwrap();
    assert_eq!(version(&leg.answer(None, Direction::SendRecv).unwrap().0), "3");
    leg.set_local(LocalMedia::new("198.51.100.1:10002".parse().unwrap()));
    assert_eq!(version(&leg.answer(None, Direction::SendRecv).unwrap().0), "4");
    assert_eq!(version(&leg.answer(None, Direction::SendRecv).unwrap().0), "4");
}

#[test]
fn payload_types_keep_their_meaning_over_re_offers() {
    let mut leg = with(MediaCapabilities::new([AudioCodec::Opus, AudioCodec::L16, AudioCodec::Pcma]));
    // They use 96 and 101 for other things than we would have.
    let offer = theirs("RTP/AVP 101 96", "rtpmap:101_opus/48000/2 rtpmap:96_telephone-event/48000");
    leg.handle_offer(&offer).unwrap();
    let (_, plan) = leg.answer(None, Direction::SendRecv).unwrap();
    assert_eq!(plan.codecs, [payload(AudioCodec::Opus, 101, 101)]);
    assert_eq!(plan.telephone_event, Some(TelephoneEventMap { send: 96, receive: 96, clock_rate: 48_000 }));
    let reoffer = leg.offer(Direction::SendRecv);
    assert!(text(&reoffer).contains("m=audio 10000 RTP/AVP 101 97 8 96 98\r\n"), "{}", text(&reoffer));
    assert!(text(&reoffer).contains("a=rtpmap:98 telephone-event/8000\r\n"), "{}", text(&reoffer));
}

#[test]
fn offers_that_cannot_be_met_are_named_with_their_status() {
    let at = |address: &str| format!("v=0\nc=IN {address}\nm=audio 4000 RTP/AVP 8\n").into_bytes();
    let cases: [(Vec<u8>, SdpError, u16); 11] = [
        (theirs("RTP/AVP 18 101", EVENTS), SdpError::NoCommonCodec, 488),
        (theirs("RTP/SAVP 8", "crypto:1"), SdpError::SrtpOnly("RTP/SAVP".into()), 488),
        (theirs("UDP/TLS/RTP/SAVPF 8", ""), SdpError::SrtpOnly("UDP/TLS/RTP/SAVPF".into()), 488),
        (theirs("TCP/RTP/AVP 8", ""), SdpError::Protocol("TCP/RTP/AVP".into()), 488),
        (b"v=0\nm=video 4000 RTP/AVP 31\n".to_vec(), SdpError::NoAudio, 488),
        (b"v=0\nc=IN IP4 192.0.2.1\nm=audio 0 RTP/AVP 8\n".to_vec(), SdpError::NoAudio, 488),
        (b"v=0\nm=audio 4000 RTP/AVP 8\n".to_vec(), SdpError::NoConnection, 400),
        (at("IP4 media.example.com"), SdpError::HostName("media.example.com".into()), 488),
        (at("IP4 224.2.17.12/127"), SdpError::NotUnicast("224.2.17.12".parse().unwrap()), 488),
        (at("IP6 2001:db8::1"), SdpError::AddressFamily("2001:db8::1".parse().unwrap()), 488),
        (b"\0\0\0".to_vec(), SdpError::NotSdp, 400),
    ];
    for (offer, error, status) in cases {
        let mut leg = negotiation();
        assert_eq!(leg.handle_offer(&offer), Err(error.clone()));
        assert_eq!(error.status(), status);
        assert_eq!(leg.answer(None, Direction::SendRecv), Err(SdpError::NoOffer));
    }
}

#[test]
fn ipv6_is_negotiated_like_ipv4() {
    let mut leg =
        Negotiation::new(7, LocalMedia::new("[2001:db8::9]:10000".parse().unwrap()), MediaCapabilities::default());
    leg.handle_offer(b"v=0\nc=IN IP6 2001:db8::1\nm=audio 4000 RTP/AVP 8\na=rtcp:4007 IN IP6 2001:db8::2\n").unwrap();
    let (answer, plan) = leg.answer(None, Direction::SendRecv).unwrap();
    assert!(text(&answer).contains("c=IN IP6 2001:db8::9\r\n"));
    assert_eq!(plan.remote_rtp, "[2001:db8::1]:4000".parse().unwrap());
    assert_eq!(plan.remote_rtcp, "[2001:db8::2]:4007".parse().unwrap());
}

#[test]
fn packet_durations_stay_within_what_they_ask_and_can_take() {
    let ptime = |attributes: &str| {
        let mut leg = negotiation();
        leg.handle_offer(&theirs("RTP/AVP 8", attributes)).unwrap();
        leg.answer(None, Direction::SendRecv).unwrap().1.ptime.as_millis()
    };
    assert_eq!(ptime(""), 20);
    assert_eq!(ptime("ptime:30 maxptime:40"), 30);
    assert_eq!(ptime("ptime:60 maxptime:40"), 40);
    assert_eq!(ptime("ptime:0"), 20);
    assert_eq!(ptime("ptime:4000000000"), 120);
    assert_eq!(ptime("ptime:25"), 20);
}

#[test]
fn two_of_these_agree_with_each_other() {
    let mut caller = with(MediaCapabilities::new([AudioCodec::Opus, AudioCodec::Pcma]));
    let mut callee =
        Negotiation::new(8, LocalMedia::new("192.0.2.1:4000".parse().unwrap()), MediaCapabilities::default());
    callee.handle_offer(&caller.offer(Direction::SendRecv)).unwrap();
    let (answer, theirs) = callee.answer(None, Direction::SendRecv).unwrap();
    let ours = caller.handle_answer(&answer).unwrap();
    assert_eq!(ours.codecs, theirs.codecs);
    assert_eq!(ours.telephone_event, theirs.telephone_event);
    assert_eq!((ours.remote_rtp, theirs.remote_rtp), (callee.local().rtp, caller.local().rtp));
    // The callee holds, the caller answers, the caller resumes.
    let hold = callee.offer(Direction::SendOnly);
    assert_eq!(caller.handle_offer(&hold).unwrap().direction, Direction::RecvOnly);
    let (answer, _) = caller.answer(None, Direction::SendRecv).unwrap();
    assert_eq!(callee.handle_answer(&answer).unwrap().direction, Direction::SendOnly);
    callee.handle_offer(&caller.offer(Direction::SendRecv)).unwrap();
    let (answer, plan) = callee.answer(None, Direction::SendRecv).unwrap();
    assert_eq!(plan.direction, Direction::SendRecv);
    assert_eq!(caller.handle_answer(&answer).unwrap().direction, Direction::SendRecv);
}
