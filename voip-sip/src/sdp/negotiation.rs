//! The offer/answer machine of one leg (RFC 3264).
//!
//! It keeps what must not change by accident over re-offers: the `o=` identity with its version (§8), the number and
//! order of `m=` lines (§8), and the meaning of every payload type ever announced (§8.3.2). What each side last said
//! stands until a new exchange succeeds, so a refused re-offer leaves the session as it was. Two offers crossing
//! (glare) is for the caller to answer with 491: an offer handled here withdraws an open one of ours.

use super::attribute::Attributes;
use super::capabilities::{LocalMedia, MediaCapabilities};
use super::description::{Connection, MediaDescription, Origin, SessionDescription};
use super::error::SdpError;
use super::format::{FIRST_DYNAMIC, Format};
use crate::message::ByteStr;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use voip_core::codec::AudioCodec;
use voip_core::media::{Direction, MediaPlan, PayloadMap, TelephoneEventMap};

/// The negotiation of one leg's audio stream.
#[derive(Clone, Debug)]
pub struct Negotiation {
    session_id: u64,
    local: LocalMedia,
    capabilities: MediaCapabilities,
    /// What each payload type means in our descriptions, from the first on.
    numbers: Vec<(u8, Format)>,
    /// Our description that is in force, and the plan that it and theirs make.
    agreed: Option<Agreed>,
    exchange: Exchange,
}

#[derive(Clone, Debug)]
struct Agreed {
    ours: Ours,
    plan: MediaPlan,
}

/// The exchange under way, or the last one.
#[derive(Clone, Debug)]
enum Exchange {
    /// No exchange beyond what is agreed.
    None,
    /// Our offer; kept after its answer, since a 200 may repeat or replace the answer of a 183.
    Offered(Ours),
    /// Their offer; kept after our answer, which may be asked for again.
    Received(Theirs),
}

/// A description of ours, with what it says about the audio stream.
#[derive(Clone, Debug)]
struct Ours {
    version: u64,
    is_answer: bool,
    direction: Direction,
    rtcp_mux: bool,
    /// Telephone event 16 is announced.
    flash: bool,
    formats: Vec<(u8, Format)>,
    /// All `m=` lines, ours too.
    lines: Vec<StreamLine>,
    /// Which of them is the audio stream.
    audio: usize,
    text: Bytes,
}

/// What an `m=` line must keep over an exchange.
#[derive(Clone, Debug)]
struct StreamLine {
    media: ByteStr,
    protocol: ByteStr,
    format: ByteStr,
}

/// The audio stream of their description, as it bears on us.
#[derive(Clone, Debug)]
struct Theirs {
    lines: Vec<StreamLine>,
    audio: usize,
    stream: Stream,
}

#[derive(Clone, Debug)]
struct Stream {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    rtcp_mux: bool,
    /// What it lets us do, from our view; a hold by address included.
    direction: Direction,
    formats: Vec<(u8, Format)>,
    takes_flash: bool,
    ptime_ms: Option<u32>,
    max_ptime_ms: Option<u32>,
}

/// What an offer would let us do, before anything is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteOffer {
    /// The codecs that both sides have, in the order in which they are offered. Never empty.
    pub codecs: Vec<AudioCodec>,
    /// Telephone events are offered, and we have them.
    pub telephone_event: bool,
    /// Comfort noise is offered, and we have it.
    pub comfort_noise: bool,
    /// The most that we may do: `RecvOnly` or `Inactive` where they put us on hold.
    pub direction: Direction,
    /// Where they want RTP; an unspecified address means nowhere.
    pub rtp: SocketAddr,
    /// The packet duration they ask for, ms.
    pub ptime_ms: Option<u32>,
}

impl Negotiation {
    /// A negotiation in which nothing has been said. `session_id` is the `o=` identifier, unique for its address and
    /// user (RFC 8866 §5.2): 63 random bits do.
    pub fn new(session_id: u64, local: LocalMedia, capabilities: MediaCapabilities) -> Self {
        // RFC 3264 §5: it must fit into a signed 64-bit integer.
        let session_id = session_id & (u64::MAX >> 1);
        Self { session_id, local, capabilities, numbers: Vec::new(), agreed: None, exchange: Exchange::None }
    }

    /// The plan in force.
    pub fn plan(&self) -> Option<&MediaPlan> {
        self.agreed.as_ref().map(|agreed| &agreed.plan)
    }

    /// The capabilities.
    pub fn capabilities(&self) -> &MediaCapabilities {
        &self.capabilities
    }

    /// Where we receive.
    pub fn local(&self) -> LocalMedia {
        self.local
    }

    /// Moves where we receive, from the next offer or answer on.
    pub fn set_local(&mut self, local: LocalMedia) {
        self.local = local;
    }

    /// Puts these codecs first, in this order, from the next offer or answer on. Codecs that this leg does not have
    /// are left aside, those not named keep their order behind.
    pub fn set_capabilities_order(&mut self, first: &[AudioCodec]) {
        let own = self.capabilities.codecs().to_vec();
        let mut ordered: Vec<AudioCodec> = first.iter().filter(|codec| own.contains(codec)).copied().collect();
        for codec in own {
            if !ordered.contains(&codec) {
                ordered.push(codec);
            }
        }
        self.capabilities.codecs = ordered;
    }

    /// Our offer, the first or a later one. Until it is answered, what was agreed stays in force; offering again
    /// replaces an open offer.
    pub fn offer(&mut self, direction: Direction) -> Bytes {
        let formats = self.formats_to_offer();
        let (lines, audio) = match &self.agreed {
            Some(agreed) => (agreed.ours.lines.clone(), agreed.ours.audio),
            None => (vec![StreamLine::audio()], 0),
        };
        let rtcp_mux = self.capabilities.rtcp_mux;
        let ours = self.describe(Ours {
            version: 0,
            is_answer: false,
            direction,
            rtcp_mux,
            flash: true,
            formats,
            lines,
            audio,
            text: Bytes::new(),
        });
        let text = ours.text.clone();
        self.exchange = Exchange::Offered(ours);
        text
    }

    /// Withdraws an open offer of ours: it was refused, and what was agreed before stays in force (RFC 3264 §8).
    pub fn offer_refused(&mut self) {
        if matches!(self.exchange, Exchange::Offered(_)) {
            self.exchange = Exchange::None;
        }
    }

    /// The description in force, unchanged, for re-INVITEs that refresh the session (RFC 4028 §7.4); an open offer
    /// where nothing is agreed yet. Its answer goes to [`handle_answer`](Self::handle_answer).
    pub fn repeat(&mut self) -> Option<Bytes> {
        if let Some(agreed) = &self.agreed {
            self.exchange = Exchange::Offered(agreed.ours.clone());
        }
        self.local_description()
    }

    /// Our description in force, or else our open offer.
    pub fn local_description(&self) -> Option<Bytes> {
        match (&self.agreed, &self.exchange) {
            (Some(agreed), _) => Some(agreed.ours.text.clone()),
            (None, Exchange::Offered(ours)) => Some(ours.text.clone()),
            (None, Exchange::None | Exchange::Received(_)) => None,
        }
    }

    /// The answer to our last offer. A second answer to the same offer replaces the first, as when a 200 says other
    /// than the 183 before it. An error changes nothing.
    pub fn handle_answer(&mut self, sdp: &[u8]) -> Result<MediaPlan, SdpError> {
        let Exchange::Offered(ours) = &self.exchange else { return Err(SdpError::NoOffer) };
        let description = SessionDescription::parse(Bytes::copy_from_slice(sdp))?;
        let media = description.media.get(ours.audio).filter(|m| m.is_audio()).ok_or(SdpError::MediaMismatch)?;
        if media.port == 0 {
            return Err(SdpError::Rejected);
        }
        let stream = Stream::read(&description, media, &self.local)?;
        // The answerer may use other numbers than we did: theirs are what we send (RFC 3264 §6.1).
        let pairs = stream.formats.iter().filter_map(|(send, format)| {
            let (receive, _) = ours.formats.iter().find(|(_, offered)| offered == format)?;
            Some((*send, *receive, *format))
        });
        let plan = self.plan_for(&stream, ours.direction, ours.rtcp_mux && stream.rtcp_mux, pairs)?;
        self.agreed = Some(Agreed { ours: ours.clone(), plan: plan.clone() });
        Ok(plan)
    }

    /// Reads their offer and says what it would let us do. What was agreed stays in force until
    /// [`answer`](Self::answer); an error changes nothing.
    pub fn handle_offer(&mut self, sdp: &[u8]) -> Result<RemoteOffer, SdpError> {
        let description = SessionDescription::parse(Bytes::copy_from_slice(sdp))?;
        let previous = self.agreed.as_ref().map(|agreed| agreed.ours.audio);
        let (audio, stream) = self.choose_stream(&description, previous)?;
        let common = self.common(&stream);
        let offer = RemoteOffer {
            codecs: common.iter().filter_map(|(_, format)| codec_of(*format)).collect(),
            telephone_event: common.iter().any(|(_, format)| matches!(format, Format::TelephoneEvent(_))),
            comfort_noise: common.iter().any(|(_, format)| *format == Format::ComfortNoise),
            direction: stream.direction,
            rtp: stream.rtp,
            ptime_ms: stream.ptime_ms,
        };
        let lines = description.media.iter().map(StreamLine::of).collect();
        self.exchange = Exchange::Received(Theirs { lines, audio, stream });
        Ok(offer)
    }

    /// Answers the last offer handled. `preferred` is the codec to choose if both sides have it, such as the one the
    /// other leg of a bridge uses; else our order of preference decides. `direction` is what we wish; the answer says
    /// as much of it as the offer allows. Answering again with the same wishes gives the same bytes.
    pub fn answer(
        &mut self,
        preferred: Option<AudioCodec>,
        direction: Direction,
    ) -> Result<(Bytes, MediaPlan), SdpError> {
        let Exchange::Received(theirs) = &self.exchange else { return Err(SdpError::NoOffer) };
        let theirs = theirs.clone();
        let stream = &theirs.stream;
        let common = self.common(stream);
        let rank = |codec: AudioCodec| {
            let place = self.capabilities.codecs().iter().position(|own| *own == codec);
            (Some(codec) != preferred, place)
        };
        let mut audio: Vec<(u8, Format)> = common.iter().filter(|(_, f)| codec_of(*f).is_some()).copied().collect();
        audio.sort_by_key(|(_, format)| codec_of(*format).map(rank));
        if !self.capabilities.answer_all_codecs {
            audio.truncate(1);
        }
        let clock_rate = audio.first().and_then(|(_, f)| codec_of(*f)).ok_or(SdpError::NoCommonCodec)?.clock_rate();
        let mut formats = audio;
        formats.extend(common.iter().filter(|(_, format)| accompanies(*format, clock_rate)));
        let direction = direction.intersect(stream.direction);
        let rtcp_mux = stream.rtcp_mux;
        // Our numbers in an answer are theirs (RFC 3264 §6.1), so both directions use the same.
        let plan = self.plan_for(stream, direction, rtcp_mux, formats.iter().map(|(n, f)| (*n, *n, *f)))?;
        let flash = stream.takes_flash;
        let ours = self.describe(Ours {
            version: 0,
            is_answer: true,
            direction,
            rtcp_mux,
            flash,
            formats,
            lines: theirs.lines,
            audio: theirs.audio,
            text: Bytes::new(),
        });
        let text = ours.text.clone();
        self.agreed = Some(Agreed { ours, plan: plan.clone() });
        Ok((text, plan))
    }

    /// The audio stream to use: the one in use if it still can be, else the first that can.
    fn choose_stream(
        &self,
        description: &SessionDescription,
        previous: Option<usize>,
    ) -> Result<(usize, Stream), SdpError> {
        let mut order: Vec<usize> = (0..description.media.len()).collect();
        order.sort_by_key(|index| Some(*index) != previous);
        let mut first_error = None;
        for index in order {
            let media = &description.media[index];
            if !media.is_audio() || media.port == 0 {
                continue;
            }
            let stream = Stream::read(description, media, &self.local).and_then(|stream| {
                let playable = self.common(&stream).iter().any(|(_, format)| codec_of(*format).is_some());
                if playable { Ok(stream) } else { Err(SdpError::NoCommonCodec) }
            });
            match stream {
                Ok(stream) => return Ok((index, stream)),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or(SdpError::NoAudio))
    }

    /// What of their stream we have too, in their order.
    fn common(&self, stream: &Stream) -> Vec<(u8, Format)> {
        let has = |format: Format| match format {
            Format::Audio(codec) => self.capabilities.codecs().contains(&codec),
            Format::TelephoneEvent(_) => self.capabilities.telephone_event,
            Format::ComfortNoise => self.capabilities.comfort_noise,
        };
        stream.formats.iter().filter(|(_, format)| has(*format)).copied().collect()
    }

    /// All that we have, under payload types that keep their meaning over re-offers.
    fn formats_to_offer(&mut self) -> Vec<(u8, Format)> {
        let codecs = self.capabilities.codecs().to_vec();
        let mut formats: Vec<Format> = codecs.iter().map(|codec| Format::Audio(*codec)).collect();
        if self.capabilities.comfort_noise {
            formats.push(Format::ComfortNoise);
        }
        if self.capabilities.telephone_event {
            for clock_rate in codecs.iter().map(|codec| codec.clock_rate()) {
                if !formats.contains(&Format::TelephoneEvent(clock_rate)) {
                    formats.push(Format::TelephoneEvent(clock_rate));
                }
            }
        }
        formats.into_iter().map(|format| (self.number_of(format), format)).collect()
    }

    /// The payload type that last meant `format`, or a new one that never meant anything else.
    fn number_of(&mut self, format: Format) -> u8 {
        if let Some((number, _)) = self.numbers.iter().rev().find(|(_, known)| *known == format) {
            return *number;
        }
        let free = |number: &u8| !self.numbers.iter().any(|(taken, _)| taken == number);
        let number = std::iter::once(format.usual_payload_type())
            .chain(FIRST_DYNAMIC..128)
            .find(free)
            .unwrap_or_else(|| format.usual_payload_type());
        self.numbers.push((number, format));
        number
    }

    /// Remembers what the numbers of an answer mean; a number that meant something else means this now.
    fn remember(&mut self, formats: &[(u8, Format)]) {
        for &(number, format) in formats {
            self.numbers.retain(|(known, _)| *known != number);
            self.numbers.push((number, format));
        }
    }

    /// What both sides' descriptions make. `pairs` are the payload types to send and to receive, theirs first.
    fn plan_for(
        &self,
        stream: &Stream,
        wish: Direction,
        rtcp_mux: bool,
        pairs: impl Iterator<Item = (u8, u8, Format)>,
    ) -> Result<MediaPlan, SdpError> {
        let pairs: Vec<(u8, u8, Format)> = pairs.collect();
        let codecs: Vec<PayloadMap> = pairs
            .iter()
            .filter_map(|&(send, receive, format)| codec_of(format).map(|codec| PayloadMap { codec, send, receive }))
            .collect();
        let clock_rate = codecs.first().ok_or(SdpError::NoCommonCodec)?.codec.clock_rate();
        let telephone_event = pairs.iter().find(|p| p.2 == Format::TelephoneEvent(clock_rate));
        let comfort_noise = pairs.iter().find(|p| p.2 == Format::ComfortNoise && clock_rate == 8000);
        Ok(MediaPlan {
            remote_rtp: stream.rtp,
            remote_rtcp: if rtcp_mux { stream.rtp } else { stream.rtcp },
            rtcp_mux,
            direction: wish.intersect(stream.direction),
            codecs,
            telephone_event: telephone_event.map(|&(send, receive, _)| TelephoneEventMap { send, receive, clock_rate }),
            comfort_noise: comfort_noise.map(|&(send, _, _)| send),
            ptime: Duration::from_millis(stream.ptime(self.capabilities.ptime_ms).into()),
        })
    }

    /// Completes a draft of ours: its version is the one in force where it says the same, else the next.
    fn describe(&mut self, mut ours: Ours) -> Ours {
        self.remember(&ours.formats);
        if let Some(line) = ours.lines.get_mut(ours.audio)
            && let Some((number, _)) = ours.formats.first()
        {
            line.format = number.to_string().into();
        }
        let before = self.agreed.as_ref().map(|agreed| &agreed.ours);
        ours.version = before.map_or(1, |before| before.version);
        ours.text = self.write(&ours);
        if before.is_some_and(|before| before.text != ours.text) {
            ours.version += 1;
            ours.text = self.write(&ours);
        }
        ours
    }

    fn write(&self, ours: &Ours) -> Bytes {
        let address = ByteStr::from(self.local.rtp.ip().to_string());
        let mut description = SessionDescription {
            origin: Some(Origin {
                user: self.capabilities.user.as_str().into(),
                session_id: self.session_id.to_string().into(),
                version: ours.version.to_string().into(),
                address: address.clone(),
            }),
            name: self.capabilities.session_name.as_str().into(),
            connection: Some(Connection { address }),
            ..SessionDescription::default()
        };
        for (index, line) in ours.lines.iter().enumerate() {
            let mut media = line.rejected();
            if index == ours.audio {
                media.port = self.local.rtp.port();
                media.formats = ours.formats.iter().map(|(number, _)| number.to_string().into()).collect();
                self.write_attributes(&mut media.attributes, ours);
            }
            description.media.push(media);
        }
        description.to_bytes()
    }

    fn write_attributes(&self, attributes: &mut Attributes, ours: &Ours) {
        for (number, format) in &ours.formats {
            attributes.push("rtpmap", format!("{number} {}", format.rtpmap()));
            if matches!(format, Format::TelephoneEvent(_)) {
                attributes.push("fmtp", format!("{number} {}", if ours.flash { "0-16" } else { "0-15" }));
            }
        }
        attributes.push("ptime", self.capabilities.ptime_ms.to_string());
        // An answer that multiplexes has no use for another RTCP port; an offer may be answered without (RFC 5761
        // §5.1.1).
        let needless = self.local.rtcp_is_next() || (ours.is_answer && ours.rtcp_mux);
        if !needless {
            let ip = self.local.rtcp.ip();
            let port = self.local.rtcp.port();
            attributes.push(
                "rtcp",
                match ip {
                    _ if ip == self.local.rtp.ip() => port.to_string(),
                    IpAddr::V4(ip) => format!("{port} IN IP4 {ip}"),
                    IpAddr::V6(ip) => format!("{port} IN IP6 {ip}"),
                },
            );
        }
        if ours.rtcp_mux {
            attributes.push_flag("rtcp-mux");
        }
        attributes.push_flag(ours.direction.name());
    }
}

impl Stream {
    /// Reads one audio stream and checks that media can flow by it.
    fn read(description: &SessionDescription, media: &MediaDescription, local: &LocalMedia) -> Result<Self, SdpError> {
        // AVPF only permits earlier feedback (RFC 4585 §4): who offers it takes plain AVP streams.
        if !["RTP/AVP", "RTP/AVPF"].into_iter().any(|plain| media.protocol.eq_ignore_case(plain)) {
            let secure = media.protocol.as_bytes().windows(4).any(|w| w.eq_ignore_ascii_case(b"SAVP"));
            let protocol = media.protocol.clone();
            return Err(if secure { SdpError::SrtpOnly(protocol) } else { SdpError::Protocol(protocol) });
        }
        let connection = description.connection_of(media).ok_or(SdpError::NoConnection)?;
        let ip = address(connection, local)?;
        let rtcp = match media.attributes.rtcp() {
            // A broken or foreign RTCP address must not cost the call its audio.
            Some(rtcp) => {
                let ip = rtcp.connection.and_then(|c| address(&c, local).ok()).unwrap_or(ip);
                SocketAddr::new(ip, rtcp.port)
            }
            None => SocketAddr::new(ip, media.port.saturating_add(1)),
        };
        let written = media.attributes.direction().or_else(|| description.attributes.direction());
        let mut direction = written.unwrap_or_default().reversed();
        if ip.is_unspecified() {
            direction = direction.intersect(Direction::RecvOnly);
        }
        let formats = media.understood_formats();
        let takes_flash =
            formats.iter().any(|(number, f)| matches!(f, Format::TelephoneEvent(_)) && media.takes_flash(*number));
        let of_session = |read: fn(&Attributes) -> Option<u32>| {
            read(&media.attributes).or_else(|| read(&description.attributes)).filter(|ms| *ms > 0)
        };
        Ok(Self {
            rtp: SocketAddr::new(ip, media.port),
            rtcp,
            rtcp_mux: media.attributes.rtcp_mux(),
            direction,
            takes_flash,
            formats,
            ptime_ms: of_session(Attributes::ptime),
            max_ptime_ms: of_session(Attributes::maxptime),
        })
    }

    /// The packet duration to send, ms: what they ask for, or else ours, within their maximum; in steps of 10 ms from
    /// 10 to 120, so that every codec can be cut to it.
    fn ptime(&self, ours: u32) -> u32 {
        let wanted = self.ptime_ms.unwrap_or(ours).min(self.max_ptime_ms.unwrap_or(u32::MAX));
        (wanted / 10 * 10).clamp(10, 120)
    }
}

impl StreamLine {
    fn audio() -> Self {
        Self {
            media: ByteStr::from_static("audio"),
            protocol: ByteStr::from_static("RTP/AVP"),
            format: ByteStr::from_static("0"),
        }
    }

    fn of(media: &MediaDescription) -> Self {
        Self {
            media: media.media.clone(),
            protocol: media.protocol.clone(),
            format: media.formats.first().cloned().unwrap_or_else(|| ByteStr::from_static("0")),
        }
    }

    /// The line with port 0, which refuses the stream (RFC 3264 §6).
    fn rejected(&self) -> MediaDescription {
        MediaDescription {
            media: self.media.clone(),
            port: 0,
            protocol: self.protocol.clone(),
            formats: vec![self.format.clone()],
            connection: None,
            lines: Vec::new(),
            attributes: Attributes::default(),
        }
    }
}

/// The address that a connection names, if it is one that we can send to from `local`.
fn address(connection: &Connection, local: &LocalMedia) -> Result<IpAddr, SdpError> {
    let here = local.rtp.ip();
    if connection.is_unspecified() {
        let unspecified: (IpAddr, IpAddr) = ([0; 4].into(), [0_u16; 8].into());
        return Ok(if here.is_ipv4() { unspecified.0 } else { unspecified.1 });
    }
    let ip = connection.ip().ok_or_else(|| SdpError::HostName(connection.address.clone()))?;
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if ip.is_multicast() || broadcast {
        return Err(SdpError::NotUnicast(ip));
    }
    if ip.is_ipv4() != here.is_ipv4() {
        return Err(SdpError::AddressFamily(ip));
    }
    Ok(ip)
}

const fn codec_of(format: Format) -> Option<AudioCodec> {
    match format {
        Format::Audio(codec) => Some(codec),
        Format::TelephoneEvent(_) | Format::ComfortNoise => None,
    }
}

/// Whether the format goes along with audio of this clock rate (RFC 4733 §2.1, RFC 3389 §4).
const fn accompanies(format: Format, clock_rate: u32) -> bool {
    match format {
        Format::TelephoneEvent(rate) => rate == clock_rate,
        Format::ComfortNoise => clock_rate == 8000,
        Format::Audio(_) => false,
    }
}

#[cfg(test)]
mod tests;
