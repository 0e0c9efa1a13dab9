//! Dialogs (RFC 3261 §12): identity, route set, sequence numbers and remote target of one peer-to-peer relation.
//!
//! A [`Dialog`] builds the requests sent within it and checks those received. It has no timers and sends nothing; the
//! call that owns it does. States: Early, Confirmed, Terminated (the last is the call's: it drops the dialog).

mod id;

pub use id::DialogId;

use crate::message::header::{CSeq, Contact, From, RecordRoute, Route, To};
use crate::message::{
    ByteStr, HeaderError, HeaderName, Headers, Method, NameAddr, Request, Response, TypedHeader, Uri,
};
use thiserror::Error;

/// Whether a final response confirmed the dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogState {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
}

/// One dialog as this side sees it.
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    state: DialogState,
    /// This side's From or To, its tag included.
    local: NameAddr,
    /// The far side's, its tag included where it has one.
    remote: NameAddr,
    local_sequence: u32,
    remote_sequence: Option<u32>,
    remote_target: Uri,
    route_set: Vec<NameAddr>,
}

/// A request that does not fit its dialog.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DialogError {
    /// Its CSeq number is not above the last one: answered 500 (RFC 3261 §12.2.2).
    #[error("CSeq out of order")]
    SequenceOutOfOrder,
    /// One of its headers cannot be read: answered 400.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

impl Dialog {
    /// The dialog that our response with `local_tag` to a dialog-forming request makes (RFC 3261 §12.1.1).
    pub fn from_request(request: &Request, local_tag: &str) -> Result<Self, HeaderError> {
        let remote: From = request.headers.required()?;
        let local: To = request.headers.required()?;
        let sequence: CSeq = request.headers.required()?;
        let contact = contact(&request.headers)?.ok_or(HeaderError::Missing(HeaderName::Contact))?;
        let local = local.0.with_param("tag", Some(local_tag));
        Ok(Self {
            id: DialogId::new(request.headers.call_id()?.clone(), local_tag.into(), remote.tag().unwrap_or_default()),
            state: DialogState::Early,
            local,
            remote: remote.0,
            local_sequence: 0,
            remote_sequence: Some(sequence.number),
            remote_target: contact.uri,
            route_set: record_route(&request.headers)?,
        })
    }

    /// The dialog that a response with a To tag to our dialog-forming request makes (RFC 3261 §12.1.2).
    pub fn from_response(request: &Request, response: &Response) -> Result<Self, HeaderError> {
        let local: From = request.headers.required()?;
        let remote: To = response.headers.required()?;
        let sequence: CSeq = request.headers.required()?;
        // A 2xx must have a Contact. Where a device forgets it, the Request-URI is the best target there is.
        let target = contact(&response.headers)?.map_or_else(|| request.uri.clone(), |contact| contact.uri);
        let mut route_set = record_route(&response.headers)?;
        route_set.reverse();
        Ok(Self {
            id: DialogId::new(
                request.headers.call_id()?.clone(),
                local.tag().unwrap_or_default(),
                remote.tag().unwrap_or_default(),
            ),
            state: if response.is_success() { DialogState::Confirmed } else { DialogState::Early },
            local: local.0,
            remote: remote.0,
            local_sequence: sequence.number,
            remote_sequence: None,
            remote_target: target,
            route_set,
        })
    }

    /// Its identity.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Early or confirmed.
    pub fn state(&self) -> DialogState {
        self.state
    }

    /// A 2xx was sent or received: the dialog is confirmed. A 2xx received brings its own route set and target
    /// (RFC 3261 §13.2.2.4).
    pub fn confirm(&mut self, response: Option<&Response>) -> Result<(), HeaderError> {
        self.state = DialogState::Confirmed;
        if let Some(response) = response {
            self.route_set = record_route(&response.headers)?;
            self.route_set.reverse();
            self.refresh_target(&response.headers)?;
        }
        Ok(())
    }

    /// A target refresh request or its 2xx gives the remote target anew (RFC 3261 §12.2).
    pub fn refresh_target(&mut self, headers: &Headers) -> Result<(), HeaderError> {
        if let Some(contact) = contact(headers)? {
            self.remote_target = contact.uri;
        }
        Ok(())
    }

    /// The far side's current target.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The far side's address of record and tag.
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// The URI that decides where a request within the dialog is sent first (RFC 3261 §12.2.1.1, §8.1.2).
    pub fn next_hop(&self) -> &Uri {
        self.route_set.first().map_or(&self.remote_target, |route| &route.uri)
    }

    /// Whether proxies asked to stay on the path.
    pub fn has_route(&self) -> bool {
        !self.route_set.is_empty()
    }

    /// A new request within the dialog, its CSeq one above the last (RFC 3261 §12.2.1.1). It still needs Via, Contact
    /// and Max-Forwards.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_sequence += 1;
        self.build(method, self.local_sequence)
    }

    /// The ACK for a 2xx to our INVITE with this CSeq number (RFC 3261 §13.2.2.4).
    pub fn ack(&self, sequence: u32) -> Request {
        self.build(Method::Ack, sequence)
    }

    fn build(&self, method: Method, sequence: u32) -> Request {
        // A first route without `lr` is a strict router: the Request-URI is its URI and the target goes last
        // (RFC 3261 §12.2.1.1).
        let strict = self.route_set.first().is_some_and(|route| !route.uri.is_loose_route());
        let uri = if strict { self.route_set[0].uri.clone() } else { self.remote_target.clone() };
        let mut request = Request::new(method.clone(), uri);
        let rest = if strict { &self.route_set[1..] } else { &self.route_set[..] };
        for route in rest {
            request.headers.push_typed(&Route(route.clone()));
        }
        if strict {
            request.headers.push_typed(&Route(NameAddr::new(self.remote_target.clone())));
        }
        request.headers.push_typed(&From(self.local.clone()));
        request.headers.push_typed(&To(self.remote.clone()));
        request.headers.push(HeaderName::CallId, self.id.call_id.clone());
        request.headers.push_typed(&CSeq { number: sequence, method });
        request
    }

    /// Checks a request received within the dialog and takes note of its sequence number. ACK and CANCEL carry the
    /// number of their INVITE and are not checked here.
    pub fn receive(&mut self, request: &Request) -> Result<(), DialogError> {
        let sequence: CSeq = request.headers.required()?;
        if self.remote_sequence.is_some_and(|last| sequence.number <= last) {
            return Err(DialogError::SequenceOutOfOrder);
        }
        self.remote_sequence = Some(sequence.number);
        Ok(())
    }

    /// The number of the last request sent within the dialog.
    pub fn local_sequence(&self) -> u32 {
        self.local_sequence
    }

    /// Raises the number of the last request sent to at least `sequence`: an INVITE that was sent again with
    /// credentials used up numbers before this dialog existed.
    pub fn raise_local_sequence(&mut self, sequence: u32) {
        self.local_sequence = self.local_sequence.max(sequence);
    }
}

fn contact(headers: &Headers) -> Result<Option<NameAddr>, HeaderError> {
    Ok(headers.typed::<Contact>()?.and_then(Contact::address))
}

fn record_route(headers: &Headers) -> Result<Vec<NameAddr>, HeaderError> {
    headers.list::<RecordRoute>().map(|route| route.map(|r| r.0)).collect()
}

/// The tag of a From or To value, where it has one.
pub(crate) fn tag_of<H: TypedHeader + std::ops::Deref<Target = NameAddr>>(headers: &Headers) -> Option<ByteStr> {
    headers.typed::<H>().ok().flatten().and_then(|address| address.tag())
}

#[cfg(test)]
mod tests;
