//! One INVITE session: what it tells its user.

mod event;

pub use event::{CallEvent, CallKey, EndedBy, IncomingCall};
