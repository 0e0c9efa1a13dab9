//! The session description of one audio stream (RFC 8866), as an offer or an answer (RFC 3264): only what the stand-ins
//! say and need to hear.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use voip_core::codec::AudioCodec;
use voip_core::media::Direction;

/// What a description says of its audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Where it wants RTP.
    pub address: SocketAddr,
    /// The codecs in order of preference, with their payload types.
    pub codecs: Vec<(AudioCodec, u8)>,
    /// The payload type of telephone events at 8000 Hz.
    pub telephone_event: Option<u8>,
    /// Its direction, as its author sees it.
    pub direction: Direction,
    /// `a=ptime`, ms.
    pub ptime: Option<u32>,
    /// The version in `o=`.
    pub version: u64,
}

impl Description {
    /// Reads a description; `None` when it has no audio stream, or one that is refused (port 0).
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut address: Option<IpAddr> = None;
        let mut audio: Option<(u16, Vec<u8>)> = None;
        let mut maps: Vec<(u8, String)> = Vec::new();
        let mut direction = Direction::SendRecv;
        let (mut ptime, mut version) = (None, 0);
        for line in text.lines() {
            let Some((kind, value)) = line.trim_end().split_once('=') else { continue };
            match kind {
                "o" => version = value.split(' ').nth(2)?.parse().ok()?,
                "c" => address = value.split(' ').nth(2).and_then(|a| a.split('/').next()?.parse().ok()).or(address),
                "m" if audio.is_some() => break,
                "m" => {
                    let mut fields = value.split(' ');
                    if fields.next() == Some("audio") {
                        let port = fields.next()?.split('/').next()?.parse().ok()?;
                        audio = Some((port, fields.skip(1).filter_map(|pt| pt.parse().ok()).collect()));
                    }
                }
                "a" => match value.split_once(':').unwrap_or((value, "")) {
                    ("rtpmap", map) => {
                        if let Some((pt, encoding)) = map.split_once(' ')
                            && let Ok(pt) = pt.parse()
                        {
                            maps.push((pt, encoding.trim().to_ascii_lowercase()));
                        }
                    }
                    ("ptime", ms) => ptime = ms.trim().parse().ok(),
                    ("sendrecv", _) => direction = Direction::SendRecv,
                    ("sendonly", _) => direction = Direction::SendOnly,
                    ("recvonly", _) => direction = Direction::RecvOnly,
                    ("inactive", _) => direction = Direction::Inactive,
                    _ => {}
                },
                _ => {}
            }
        }
        let (port, payload_types) = audio.filter(|(port, _)| *port != 0)?;
        let encoding = |pt: u8| maps.iter().find(|(p, _)| *p == pt).map(|(_, e)| e.as_str());
        let codec = |pt: u8| match encoding(pt) {
            Some("pcma/8000" | "pcma/8000/1") => Some(AudioCodec::Pcma),
            Some("pcmu/8000" | "pcmu/8000/1") => Some(AudioCodec::Pcmu),
            Some(_) => None,
            None => AudioCodec::from_static_payload_type(pt),
        };
        Some(Self {
            address: SocketAddr::new(address?, port),
            codecs: payload_types.iter().filter_map(|pt| Some((codec(*pt)?, *pt))).collect(),
            telephone_event: payload_types.iter().copied().find(|pt| encoding(*pt) == Some("telephone-event/8000")),
            direction,
            ptime,
            version,
        })
    }

    /// The first of its codecs that is among `mine`.
    pub fn common(&self, mine: &[AudioCodec]) -> Option<(AudioCodec, u8)> {
        self.codecs.iter().copied().find(|(codec, _)| mine.contains(codec))
    }

    /// Writes it; `session` is the number in `o=`, `name` its user name.
    pub fn write(&self, name: &str, session: u64) -> String {
        let ip = self.address.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let mut types: Vec<String> = self.codecs.iter().map(|(_, pt)| pt.to_string()).collect();
        types.extend(self.telephone_event.map(|pt| pt.to_string()));
        let mut text = format!(
            "v=0\r\no={name} {session} {} IN {family} {ip}\r\ns=call\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP {}\r\n",
            self.version,
            self.address.port(),
            types.join(" ")
        );
        for (codec, pt) in &self.codecs {
            let _ = write!(text, "a=rtpmap:{pt} {codec}/{}\r\n", codec.clock_rate());
        }
        if let Some(pt) = self.telephone_event {
            let _ = write!(text, "a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-15\r\n");
        }
        if let Some(ms) = self.ptime {
            let _ = write!(text, "a=ptime:{ms}\r\n");
        }
        let _ = write!(text, "a={}\r\n", self.direction.name());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let description = Description {
            address: "127.0.0.2:4000".parse().unwrap(),
            codecs: vec![(AudioCodec::Pcma, 8), (AudioCodec::Pcmu, 0)],
            telephone_event: Some(101),
            direction: Direction::SendOnly,
            ptime: Some(20),
            version: 7,
        };
        let read = Description::parse(description.write("carrier", 3).as_bytes()).unwrap();
        assert_eq!(read, description);
        assert_eq!(read.common(&[AudioCodec::Pcmu]), Some((AudioCodec::Pcmu, 0)));
    }

    #[test]
    fn a_refused_stream_and_noise_are_no_description() {
        assert_eq!(Description::parse(b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 0 RTP/AVP 8\r\n"), None);
        assert_eq!(Description::parse(b"\xff\xfe"), None);
        assert_eq!(Description::parse(b"v=0\r\nm=video 9 RTP/AVP 96\r\n"), None);
    }
}
