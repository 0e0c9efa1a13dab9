//! The dialog of one call (RFC 3261 §12), as plain values that requests are made from.

use crate::party::{Party, word};
use crate::wire::Link;
use voip_sip::message::header::{CSeq, Contact, From, RecordRoute, To, Via};
use voip_sip::message::{
    ByteStr, HeaderName, Headers, Host, HostPort, Method, NameAddr, Request, TypedHeader as _, Uri,
};

/// One side of a dialog.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// From of the requests sent, tag included.
    pub(crate) local: NameAddr,
    /// To of the requests sent, its tag as soon as it is known.
    pub(crate) remote: NameAddr,
    pub(crate) cseq: u32,
    /// The highest CSeq received.
    pub(crate) remote_cseq: u32,
    pub(crate) target: Uri,
    pub(crate) routes: Vec<ByteStr>,
}

impl Dialog {
    /// As callee.
    pub(crate) fn of_invite(invite: &Request, tag: &str) -> Option<Self> {
        let headers = &invite.headers;
        let to: To = headers.required().ok()?;
        let from: From = headers.required().ok()?;
        Some(Self {
            call_id: headers.call_id().ok()?.to_string(),
            local: to.0.with_param("tag", Some(tag)),
            remote: from.0,
            cseq: 0,
            remote_cseq: headers.required::<CSeq>().ok()?.number,
            target: contact(headers)?,
            routes: routes(headers).collect(),
        })
    }

    /// As caller: takes over what a response says of the other side.
    pub(crate) fn learn(&mut self, headers: &Headers) {
        if let Ok(Some(to)) = headers.typed::<To>() {
            self.remote = to.0;
        }
        if let Some(target) = contact(headers) {
            self.target = target;
        }
        self.routes = routes(headers).collect();
        self.routes.reverse();
    }

    /// A new request; CSeq counts on, but for ACK and CANCEL, which take the number of their INVITE.
    pub(crate) fn request(&mut self, method: Method, party: &Party, link: &Link) -> Request {
        if !matches!(method, Method::Ack | Method::Cancel) {
            self.cseq += 1;
        }
        self.request_numbered(method, self.cseq, party, link)
    }

    pub(crate) fn request_numbered(&self, method: Method, number: u32, party: &Party, link: &Link) -> Request {
        let mut request = Request::new(method.clone(), self.target.clone());
        let sent_by = HostPort { host: Host::Ip(link.local.ip()), port: Some(link.local.port()) };
        let headers = &mut request.headers;
        headers.push_typed(&Via::new(link.transport, sent_by, &format!("{}{}", Via::MAGIC_COOKIE, word())));
        for route in &self.routes {
            headers.push(HeaderName::Route, route.clone());
        }
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, self.local.to_string());
        headers.push(HeaderName::To, self.remote.to_string());
        headers.push(HeaderName::CallId, self.call_id.clone());
        headers.push_typed(&CSeq { number, method: method.clone() });
        if matches!(method, Method::Invite | Method::Update) {
            headers.push(HeaderName::Contact, party.profile.contact.clone());
        }
        request
    }
}

fn contact(headers: &Headers) -> Option<Uri> {
    Some(headers.typed::<Contact>().ok()??.address()?.uri)
}

fn routes(headers: &Headers) -> impl Iterator<Item = ByteStr> {
    headers.list::<RecordRoute>().filter_map(|route| Some(route.ok()?.to_value()))
}
