//! What names a dialog (RFC 3261 §12).

use super::tag_of;
use crate::message::header::{From, To};
use crate::message::{ByteStr, Request};

/// Call-ID, local tag, remote tag. An absent tag is empty (RFC 3261 §12.1.1 allows for RFC 2543 peers without one).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: ByteStr,
    /// This side's tag.
    pub local_tag: ByteStr,
    /// The far side's tag.
    pub remote_tag: ByteStr,
}

impl DialogId {
    /// From its three parts.
    pub fn new(call_id: ByteStr, local_tag: ByteStr, remote_tag: ByteStr) -> Self {
        Self { call_id, local_tag, remote_tag }
    }

    /// The dialog that a received request belongs to; `None` when its To has no tag: it belongs to none.
    pub fn of_request(request: &Request) -> Option<Self> {
        let local_tag = tag_of::<To>(&request.headers)?;
        let remote_tag = tag_of::<From>(&request.headers).unwrap_or_default();
        Some(Self::new(request.headers.call_id().ok()?.clone(), local_tag, remote_tag))
    }
}
