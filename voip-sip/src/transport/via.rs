//! What the receiver of a request writes into its topmost Via, and where Via sends a response.
//!
//! RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4, and the check of §18.1.2 that a response is meant for this host. `maddr` is
//! left out on purpose: a response goes to the address that the request came from, so that nobody can aim it at a third
//! party.

use super::Path;
use crate::message::header::Via;
use crate::message::{HeaderError, HostPort, Request, Response};
use std::net::SocketAddr;
use voip_core::net::Transport;

/// Stamps the topmost Via of a received request with the source it was seen to come from: `received` when sent-by is a
/// name or another address (RFC 3261 §18.2.1), or when `rport` asks for it; the port into `rport` (RFC 3581 §4).
pub fn stamp(request: &mut Request, source: SocketAddr) -> Result<(), HeaderError> {
    let mut via: Via = request.headers.required()?;
    let asked_for_port = via.params.has("rport");
    let source_ip = source.ip().to_canonical();
    let received = asked_for_port || via.sent_by.host.ip().is_none_or(|ip| ip.to_canonical() != source_ip);
    // What a sender wrote there itself is worth nothing: it is always replaced or removed.
    via.params = via.params.without("received");
    if received {
        via.params = via.params.with("received", Some(&source_ip.to_string()));
    }
    if asked_for_port {
        via.params = via.params.with("rport", Some(&source.port().to_string()));
    }
    request.headers.replace_first(&via);
    Ok(())
}

/// Where the response to a request goes that came in by `request_path` with `via` on top (RFC 3261 §18.2.2, RFC 3581
/// §4): back on the same connection; or, over UDP, from the same socket to the source address, at the source port when
/// `rport` asked for it and at the port of sent-by when not.
pub fn response_path(via: &Via, request_path: Path) -> Path {
    if request_path.transport != Transport::Udp || via.params.has("rport") {
        return request_path;
    }
    let port = via.sent_by.port.filter(|port| *port != 0).unwrap_or_else(|| request_path.transport.default_port());
    Path { remote: SocketAddr::new(request_path.remote.ip(), port), ..request_path }
}

/// Whether a response was meant for this host: its topmost sent-by is one that `is_ours` knows (RFC 3261 §18.1.2).
pub fn is_for_us(response: &Response, is_ours: impl FnOnce(&HostPort) -> bool) -> bool {
    matches!(response.headers.typed::<Via>(), Ok(Some(via)) if is_ours(&via.sent_by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{HeaderName, Method, Uri};
    use voip_core::net::FlowId;

    fn request(via: &str) -> Request {
        let mut request = Request::new(Method::Options, "sip:a@b".parse::<Uri>().unwrap());
        request.headers.push(HeaderName::Via, via);
        request
    }

    fn stamped(via: &str, source: &str) -> String {
        let mut request = request(via);
        stamp(&mut request, source.parse().unwrap()).unwrap();
        request.headers.value(&HeaderName::Via).unwrap().to_string()
    }

    fn path(transport: Transport) -> Path {
        let (remote, local) = ("192.0.2.1:9988".parse().unwrap(), "192.0.2.9:5060".parse().unwrap());
        Path { flow: FlowId(7), transport, remote, local }
    }

    #[test]
    fn received_is_added_only_where_sent_by_does_not_say_it() {
        let same = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1";
        assert_eq!(stamped(same, "192.0.2.1:5060"), same);
        assert_eq!(stamped(same, "[::ffff:192.0.2.1]:5060"), same);
        assert_eq!(stamped(same, "192.0.2.7:5060"), format!("{same};received=192.0.2.7"));
        let name = "SIP/2.0/TCP a.example.com;branch=z9hG4bK1";
        assert_eq!(stamped(name, "[2001:db8::1]:5060"), format!("{name};received=2001:db8::1"));
    }

    #[test]
    fn rport_is_filled_when_asked_for_and_a_forged_received_is_replaced() {
        // The example of RFC 3581 §6.1.
        assert_eq!(
            stamped("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "192.0.2.1:9988"),
            "SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKkjshdyff;received=192.0.2.1;rport=9988"
        );
        assert_eq!(
            stamped("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=198.51.100.1", "192.0.2.1:5060"),
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"
        );
    }

    #[test]
    fn a_response_goes_back_to_the_source() {
        let via = |text: &str| request(text).headers.required::<Via>().unwrap();
        let to = |text: &str, transport| response_path(&via(text), path(transport)).remote.to_string();
        assert_eq!(to("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bK1", Transport::Udp), "192.0.2.1:9988");
        assert_eq!(to("SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bK1", Transport::Udp), "192.0.2.1:4540");
        assert_eq!(to("SIP/2.0/UDP host;maddr=198.51.100.1;branch=z9hG4bK1", Transport::Udp), "192.0.2.1:5060");
        assert_eq!(to("SIP/2.0/TCP 10.1.1.1:4540;branch=z9hG4bK1", Transport::Tcp), "192.0.2.1:9988");
    }

    #[test]
    fn a_response_to_another_host_is_told_apart() {
        let response = request("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1").response(200, Some("t"));
        let ours = HostPort::from("192.0.2.9:5060".parse::<SocketAddr>().unwrap());
        assert!(is_for_us(&response, |sent_by| *sent_by == ours));
        assert!(!is_for_us(&response, |sent_by| sent_by.port == Some(5070)));
    }
}
