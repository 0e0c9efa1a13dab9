//! The headers of a message that depend on the way it goes: Via, Contact, Max-Forwards; and those that say who we are.

use super::Endpoint;
use crate::call::PeerId;
use crate::call::{SESSION_TIMER_TAG, is_target_refresh};
use crate::message::header::{Contact, MaxForwards, Via};
use crate::message::{ByteStr, HeaderName, Host, HostPort, Method, NameAddr, Request, Response, TypedHeader, Uri};
use crate::transport::Path;
use bytes::Bytes;
use voip_core::net::Transmit;

/// The methods that are answered with anything but 405.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO";

/// Hops that a request may take (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: u32 = 70;

impl Endpoint {
    /// Completes a request that goes along `path`.
    pub(super) fn dress_request(&mut self, request: &mut Request, path: Path, peer: PeerId) {
        let sent_by = self.sent_by(path);
        let branch = format!("{}{}", Via::MAGIC_COOKIE, self.rng.token(20));
        request.headers.push_front(HeaderName::Via, Via::new(path.transport, sent_by, &branch).to_value());
        if request.headers.value(&HeaderName::MaxForwards).is_none() {
            request.headers.push_typed(&MaxForwards(MAX_FORWARDS));
        }
        let has_contact = is_target_refresh(&request.method) || request.method == Method::Register;
        if has_contact && request.headers.value(&HeaderName::Contact).is_none() {
            let user = self.peers[peer.0 as usize].config.contact_user.clone();
            request.headers.push(HeaderName::Contact, self.contact(path, user.as_deref()));
        }
        if matches!(request.method, Method::Invite | Method::Update) {
            request.headers.set(HeaderName::Allow, ByteStr::from_static(ALLOW));
            request.headers.set(HeaderName::Supported, ByteStr::from_static(SESSION_TIMER_TAG));
        }
        request.headers.set(HeaderName::UserAgent, self.config.user_agent.as_str());
    }

    /// Completes a response that goes along `path` to a request of `method`.
    pub(super) fn dress_response(&self, response: &mut Response, path: Path, method: &Method, user: Option<&str>) {
        if response.status == 100 {
            return;
        }
        let refreshes = is_target_refresh(method) && response.status < 300;
        if refreshes && response.headers.value(&HeaderName::Contact).is_none() {
            response.headers.push(HeaderName::Contact, self.contact(path, user));
        }
        let tells_methods = response.status == 405
            || (response.is_success() && matches!(method, Method::Invite | Method::Options | Method::Update));
        if tells_methods {
            response.headers.set(HeaderName::Allow, ByteStr::from_static(ALLOW));
        }
        if response.is_success() && matches!(method, Method::Invite | Method::Options | Method::Update) {
            response.headers.set(HeaderName::Supported, ByteStr::from_static(SESSION_TIMER_TAG));
        }
        response.headers.set(HeaderName::Server, self.config.user_agent.as_str());
    }

    /// The Contact by which the far end of `path` reaches us.
    pub(super) fn contact(&self, path: Path, user: Option<&str>) -> ByteStr {
        let sent_by = self.sent_by(path);
        let uri = Uri::sip(user, sent_by.host, sent_by.port).with_transport(path.transport);
        Contact::Address(Box::new(NameAddr::new(uri))).to_value()
    }

    /// What we call ourselves towards the far end of `path`: the address it can reach and the port we listen on, which
    /// for a connection that we opened is not the port it comes from.
    pub(super) fn sent_by(&self, path: Path) -> HostPort {
        let host = Host::Ip(self.advertised_for(path));
        let port = self.flows.listening_port(path.transport, path.remote).unwrap_or_else(|| path.local.port());
        HostPort { host, port: Some(port) }
    }

    /// Sends bytes, and tells them when asked to.
    pub(super) fn push_transmit(&mut self, transmit: Transmit) {
        if self.config.trace
            && let Some(path) = self.flows.datagram_path(transmit.flow, transmit.remote)
        {
            self.trace(false, path, &transmit.payload);
        }
        self.outputs.push_back(super::Output::Transmit(transmit));
    }

    pub(super) fn trace(&mut self, received: bool, path: Path, payload: &Bytes) {
        if self.config.trace {
            self.outputs.push_back(super::Output::Event(super::Event::Message(super::TracedMessage {
                received,
                transport: path.transport,
                local: path.local,
                remote: path.remote,
                payload: payload.clone(),
            })));
        }
    }
}
