//! What a 200 to REGISTER grants (RFC 3261 §10.2.4, §10.3 step 8): it lists all bindings of the address of record,
//! those of other devices too, so ours has to be found.

use crate::message::header::{Contact, Expires, Via};
use crate::message::{Host, NameAddr, Response, Uri};
use std::net::SocketAddr;

/// Bindings looked at in one response.
const MAX_BINDINGS: usize = 256;

/// Seconds granted to our binding; `None` where there is a list without it, or it was granted nothing. A registrar that
/// lists nothing is believed on its word.
pub(super) fn granted(response: &Response, contact: &Uri, seen_as: Option<SocketAddr>, asked: u32) -> Option<u32> {
    let general = response.headers.typed::<Expires>().ok().flatten().map_or(asked, |expires| expires.0);
    let listed = response.headers.list::<Contact>().flatten().filter_map(Contact::address);
    let listed: Vec<NameAddr> = listed.take(MAX_BINDINGS).collect();
    let seconds = if listed.is_empty() {
        general
    } else {
        let binding = find(&listed, contact, seen_as)?;
        binding.params.value("expires").and_then(|expires| expires.to_number()).unwrap_or(general)
    };
    Some(seconds).filter(|seconds| *seconds > 0)
}

/// Where the registrar saw the request come from (RFC 3261 §18.2.1, RFC 3581 §4), when it told.
pub(super) fn seen_as(response: &Response) -> Option<SocketAddr> {
    let via = response.headers.typed::<Via>().ok().flatten()?;
    let (received, rport) = (via.received(), via.rport());
    if received.is_none() && rport.is_none() {
        return None;
    }
    let ip = received.or_else(|| via.sent_by.host.ip())?;
    Some(SocketAddr::new(ip.to_canonical(), rport.or(via.sent_by.port)?))
}

/// Our binding: the Contact as sent, else the one of our user at the address that was seen, else at our host, else the
/// only one of our user, which a registrar behind a NAT helper may have rewritten.
fn find<'a>(listed: &'a [NameAddr], contact: &Uri, seen_as: Option<SocketAddr>) -> Option<&'a NameAddr> {
    let same_user: Vec<&NameAddr> =
        listed.iter().filter(|binding| binding.uri.user_name() == contact.user_name()).collect();
    let is_seen = |binding: &&&NameAddr| {
        let ip = binding.uri.host().and_then(Host::ip);
        seen_as.is_some_and(|seen| ip == Some(seen.ip()) && binding.uri.port().unwrap_or(5060) == seen.port())
    };
    let has_our_host = |binding: &&&NameAddr| matches!((contact.host(), binding.uri.host()), (Some(ours), Some(theirs)) if ours.equivalent(theirs));
    let exact = same_user.iter().find(|binding| contact.equivalent(&binding.uri));
    let found = exact.or_else(|| same_user.iter().find(is_seen)).or_else(|| same_user.iter().find(has_our_host));
    found.copied().or(match same_user.as_slice() {
        [only] => Some(only),
        _ => None,
    })
}
