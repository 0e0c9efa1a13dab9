//! How messages find their transaction (RFC 3261 §17.1.3, §17.2.3) and how a merged request is found (§8.2.2.2).
//!
//! A matching key is one buffer of its own, so that it does not hold the datagram it was read from.

use crate::message::header::{CSeq, From, To, Via};
use crate::message::{HeaderError, HeaderName, Host, HostPort, Method, Request, Response};
use std::sync::Arc;

/// Names a client transaction for as long as it lives; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(pub(super) u64);

/// Names a server transaction for as long as it lives; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(pub(super) u64);

/// What equal messages have in common. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MatchKey(Arc<[u8]>);

/// What is read of a request to find its transaction.
#[derive(Debug)]
pub(super) struct RequestIdentity {
    pub(super) via: Via,
    pub(super) cseq: CSeq,
}

impl RequestIdentity {
    pub(super) fn read(request: &Request) -> Result<Self, HeaderError> {
        let via: Via = request.headers.required()?;
        let cseq: CSeq = request.headers.required()?;
        // RFC 3261 §8.1.1.5: the method of CSeq is that of the request.
        if cseq.method != request.method {
            return Err(HeaderError::Malformed(HeaderName::CSeq));
        }
        Ok(Self { via, cseq })
    }

    /// The key of the server transaction of `method` that `request` belongs to: its own method for the request itself,
    /// INVITE for the ACK or CANCEL of one (RFC 3261 §17.2.3, §9.2).
    pub(super) fn server_key(&self, request: &Request, method: &Method) -> Result<MatchKey, HeaderError> {
        let mut key = KeyWriter::default();
        key.part(method.as_bytes());
        key.sent_by(&self.via.sent_by);
        match self.via.branch() {
            Some(branch) if has_magic_cookie(branch.as_bytes()) => key.part(branch.as_bytes()),
            branch => {
                // RFC 2543: the request is known by what identifies its call. To is left out, since the ACK has the tag
                // that the INVITE did not; a request within the dialog has another CSeq.
                key.part(branch.as_ref().map_or(b"", |b| b.as_bytes()));
                let mut uri = Vec::with_capacity(64);
                request.uri.write(&mut uri);
                key.part(&uri);
                key.part(request.headers.call_id()?.as_bytes());
                key.part(tag(request.headers.typed::<From>()?.and_then(|from| from.tag())).as_bytes());
                key.part(&self.cseq.number.to_be_bytes());
            }
        }
        Ok(key.finish())
    }

    /// The key by which the same request, come by another way, is known (RFC 3261 §8.2.2.2). `None` for one with a To tag.
    pub(super) fn merge_key(&self, request: &Request) -> Option<MatchKey> {
        let to: To = request.headers.typed().ok()??;
        if to.tag().is_some() {
            return None;
        }
        let from: From = request.headers.typed().ok()??;
        let mut key = KeyWriter::default();
        key.part(self.cseq.method.as_bytes());
        key.part(&self.cseq.number.to_be_bytes());
        key.part(request.headers.call_id().ok()?.as_bytes());
        key.part(tag(from.tag()).as_bytes());
        Some(key.finish())
    }
}

/// The key of a client transaction (RFC 3261 §17.1.3): the branch of the topmost Via and the method.
pub(super) fn client_key(branch: &[u8], method: &Method) -> MatchKey {
    let mut key = KeyWriter::default();
    key.part(method.as_bytes());
    key.part(branch);
    key.finish()
}

/// The key of the client transaction that a response belongs to; an error when a header that says so is missing.
pub(super) fn response_key(response: &Response) -> Result<MatchKey, HeaderError> {
    let via: Via = response.headers.required()?;
    let cseq: CSeq = response.headers.required()?;
    let branch = via.branch().ok_or(HeaderError::Malformed(HeaderName::Via))?;
    Ok(client_key(branch.as_bytes(), &cseq.method))
}

/// Whether the branch was made by the rules of RFC 3261 (§8.1.1.7) and is therefore unique.
fn has_magic_cookie(branch: &[u8]) -> bool {
    let cookie = Via::MAGIC_COOKIE.as_bytes();
    branch.len() > cookie.len() && branch[..cookie.len()].eq_ignore_ascii_case(cookie)
}

fn tag(tag: Option<crate::message::ByteStr>) -> crate::message::ByteStr {
    tag.unwrap_or_default()
}

/// Writes parts with their length before each, so that no two lists of parts give the same bytes.
#[derive(Default)]
struct KeyWriter(Vec<u8>);

impl KeyWriter {
    fn part(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
    }

    fn sent_by(&mut self, sent_by: &HostPort) {
        match &sent_by.host {
            Host::Name(name) => self.part(&name.as_bytes().to_ascii_lowercase()),
            Host::Ip(ip) => self.part(ip.to_string().as_bytes()),
        }
        self.0.extend_from_slice(&sent_by.port.unwrap_or(0).to_be_bytes());
    }

    fn finish(self) -> MatchKey {
        MatchKey(self.0.into())
    }
}
