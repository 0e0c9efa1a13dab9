//! Transactions (RFC 3261 §17 with RFC 6026): a request, its retransmissions and its responses.
//!
//! Four machines, one file each, and [`Transactions`], the table that routes to them, which is all that an endpoint
//! uses. [`Retransmit2xx`] is the UA core's part of an accepted INVITE. Not here: the ACK for 2xx and dialogs, the choice
//! of where to send, and whether a request deserves an answer; the table is given only requests that do.

mod accepted;
mod config;
mod event;
mod failure;
mod invite_client;
mod invite_server;
mod key;
mod other_client;
mod other_server;
mod table;

pub use accepted::{NoAck, Retransmit2xx};
pub use config::TransactionConfig;
pub use event::{ClientEvent, ServerEvent, ServerTimeout, TransactionEvent};
pub use failure::RequestFailure;
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use key::{ClientKey, ServerKey};
pub use other_client::OtherClient;
pub use other_server::OtherServer;
pub use table::{CancelOutcome, RequestMatch, SendError, TransactionCounters, Transactions, trying};
