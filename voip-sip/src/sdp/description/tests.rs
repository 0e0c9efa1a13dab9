use super::*;
use crate::sdp::Format;
use proptest::prelude::*;
use voip_core::codec::AudioCodec;
use voip_core::media::Direction;

fn read(text: &str) -> SessionDescription {
    SessionDescription::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn error(text: impl Into<Vec<u8>>) -> SdpError {
    SessionDescription::parse(Bytes::from(text.into())).unwrap_err()
}

const CANONICAL: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 192.0.2.7\r\ns=call\r\ni=info\r\nc=IN IP4 192.0.2.7\r\n\
    b=AS:64\r\nt=0 0\r\na=sendonly\r\nm=audio 4000 RTP/AVP 8 101\r\ni=stream\r\nc=IN IP6 2001:db8::1\r\nb=TIAS:64000\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n\
    m=video 0 RTP/AVP 31\r\n";

#[test]
fn a_description_comes_apart_and_is_written_as_it_came() {
    let sdp = read(CANONICAL);
    let origin = sdp.origin.as_ref().unwrap();
    assert_eq!(
        (origin.session_id.to_number(), origin.version.to_number()),
        (Some(4_611_731_400_430_051_336_u64), Some(2))
    );
    assert_eq!(sdp.attributes.direction(), Some(Direction::SendOnly));
    assert_eq!(sdp.media.len(), 2);
    let audio = &sdp.media[0];
    assert_eq!(sdp.connection_of(audio).unwrap().ip(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!(sdp.connection_of(&sdp.media[1]).unwrap().ip(), Some("192.0.2.7".parse().unwrap()));
    assert_eq!(audio.understood_formats(), [(8, Format::Audio(AudioCodec::Pcma)), (101, Format::TelephoneEvent(8000))]);
    assert_eq!(sdp.to_bytes(), CANONICAL);
}

#[test]
fn what_devices_send_is_forgiven() {
    // No o=, s= or t=, LF only, unknown lines, junk, odd order and case, spaces all over, Latin-1 in a name.
    let mut bytes =
        b"v=0\ns=caf\xe9\nm=audio  4000/1  RTP/AVP  0  8 18\t101 \ny=1\nnonsense\na=RTPMAP:8  pcma/8000/1\n".to_vec();
    bytes.extend_from_slice(
        b"a=rtpmap: 101 Telephone-Event / 8000\na=fmtp:101  0-15 \nb=AS:x\n c= in ip4 192.0.2.1/127 \n\0\0\n\n",
    );
    let sdp = SessionDescription::parse(bytes.into()).unwrap();
    assert_eq!(sdp.name.as_bytes(), b"caf\xe9");
    assert_eq!(sdp.ignored_lines, 1);
    let audio = &sdp.media[0];
    assert_eq!((audio.port, audio.formats.len()), (4000, 4));
    assert_eq!(
        audio.understood_formats(),
        [
            (0, Format::Audio(AudioCodec::Pcmu)),
            (8, Format::Audio(AudioCodec::Pcma)),
            (101, Format::TelephoneEvent(8000))
        ]
    );
    assert_eq!(audio.attributes.fmtp(101).unwrap(), "0-15");
    assert_eq!(sdp.connection_of(audio).unwrap().ip(), Some("192.0.2.1".parse().unwrap()));
}

#[test]
fn attributes_are_typed_on_demand_and_stay_raw() {
    let sdp = read(
        "v=0\r\nm=audio 4000 RTP/SAVP 96\r\na=rtcp:53020 IN IP4 126.16.64.4\r\na=rtcp-mux\r\na=ptime:20.5\r\na=maxptime:\r\n\
         a=ssrc:314159 cname:x\r\na=ssrc:314159 msid:a\r\na=ssrc:7 cname:y\r\na=rtpmap:96 opus/48000\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20|1:4\r\na=fmtp:96 useinbandfec=1; stereo=0\r\n",
    );
    let attributes = &sdp.media[0].attributes;
    let rtcp = attributes.rtcp().unwrap();
    assert_eq!((rtcp.port, rtcp.connection.unwrap().ip()), (53020, Some("126.16.64.4".parse().unwrap())));
    assert!(attributes.rtcp_mux());
    assert_eq!((attributes.ptime(), attributes.maxptime()), (Some(20), None));
    assert_eq!(attributes.ssrcs(), [314_159, 7]);
    assert_eq!(attributes.values("crypto").next().unwrap(), &"1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20|1:4");
    assert_eq!(attributes.fmtp(96).unwrap(), "useinbandfec=1; stereo=0");
    assert_eq!(sdp.media[0].format(96), Some(Format::Audio(AudioCodec::Opus)));
}

#[test]
fn payload_types_mean_what_rtpmap_says_before_what_the_profile_says() {
    let sdp = read(
        "v=0\nm=audio 1 RTP/AVP 8 0 13 9 97 98 300 x 0\na=rtpmap:8 PCMU/8000\na=rtpmap:97 PCMA/16000\na=rtpmap:98 CN/8000\n",
    );
    assert_eq!(
        sdp.media[0].understood_formats(),
        [(8, Format::Audio(AudioCodec::Pcmu)), (13, Format::ComfortNoise), (9, Format::Audio(AudioCodec::G722))]
    );
}

#[test]
fn what_cannot_be_used_is_named() {
    assert_eq!(error(""), SdpError::NotSdp);
    assert_eq!(error(*b"\xff\0\x01 binary\nx"), SdpError::NotSdp);
    assert_eq!(error("v=1\r\n"), SdpError::Version("1".into()));
    for line in ["m=audio", "m=audio x RTP/AVP 0", "m=audio 65536 RTP/AVP 0", "m=audio 4000"] {
        assert_eq!(error(format!("v=0\r\n{line}\r\n")), SdpError::MediaLine(line[2..].into()), "{line}");
    }
    assert_eq!(error("v=0\n".repeat(MAX_LINES + 1)), SdpError::TooLarge);
    assert_eq!(error("m=audio 1 RTP/AVP 0\n".repeat(MAX_MEDIA + 1)), SdpError::TooLarge);
    assert_eq!(error(format!("v=0\r\ns={}", "x".repeat(MAX_BYTES))), SdpError::TooLarge);
    let formats = read(&format!("m=audio 1 RTP/AVP{}", " 0".repeat(5000)));
    assert_eq!(formats.media[0].formats.len(), MAX_FORMATS);
}

#[test]
fn nowhere_is_told_from_an_address() {
    let at = |text: &str| Connection::parse(&ByteStr::from(text)).unwrap();
    for nowhere in ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP4 x.invalid", "IN IP6 x.INVALID"] {
        assert!(at(nowhere).is_unspecified(), "{nowhere}");
    }
    assert!(!at("IN IP4 192.0.2.1").is_unspecified() && !at("IN IP4 host.example").is_unspecified());
    assert_eq!(Connection::parse(&ByteStr::from("IN IP4")), None);
}

#[test]
fn a_value_cannot_break_out_of_its_line() {
    let mut sdp = read(CANONICAL);
    sdp.name = "x\r\na=evil".into();
    sdp.origin.as_mut().unwrap().user = "a b\nc".into();
    sdp.media[0].attributes.push("label", "1\r\nm=audio 1 RTP/AVP 0");
    let again = SessionDescription::parse(sdp.to_bytes()).unwrap();
    assert_eq!((again.media.len(), again.attributes.has("evil")), (2, false));
    assert_eq!(again.origin.unwrap().user, "a_b_c");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_what_is_read_is_written_stably(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        stable(bytes)?;
    }

    #[test]
    fn arbitrary_lines_never_panic_and_what_is_read_is_written_stably(
        lines in proptest::collection::vec("[vosicbtmazk]=[ -~]{0,40}|a=(rtpmap|fmtp|rtcp|ptime|ssrc):[0-9 a-zA-Z/.,-]{0,30}|m=audio [0-9]{1,5} RTP/AVP( [0-9]{1,3}){0,5}", 0..30),
    ) {
        stable(format!("v=0\n{}", lines.join("\r\n")).into_bytes())?;
    }
}

/// Reading what was written gives the same again, and every typed view can be taken.
fn stable(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let Ok(sdp) = SessionDescription::parse(bytes.into()) else { return Ok(()) };
    for media in &sdp.media {
        let _ =
            (media.understood_formats(), media.attributes.rtcp(), media.attributes.ssrcs(), media.attributes.ptime());
    }
    let written = sdp.to_bytes();
    let again = SessionDescription::parse(written.clone()).unwrap();
    prop_assert_eq!(again.media.len(), sdp.media.len());
    prop_assert_eq!(&again.attributes, &sdp.attributes);
    prop_assert_eq!(again.to_bytes(), written);
    Ok(())
}
