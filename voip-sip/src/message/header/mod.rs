//! Header fields with a type of their own, one file for each family.

mod addresses;
mod cseq;
mod numbers;
mod reason;
mod session_expires;
mod via;

pub use addresses::{Contact, Diversion, From, PAssertedIdentity, RecordRoute, ReferTo, ReferredBy, Route, To};
pub use cseq::CSeq;
pub use numbers::{Expires, MaxForwards, MinExpires, MinSe, RetryAfter};
pub use reason::Reason;
pub use session_expires::{Refresher, SessionExpires};
pub use via::Via;
