//! What transactions tell their user.

use super::key::{ClientKey, ServerKey};
use crate::message::Response;
use crate::transport::Path;

/// What a client transaction machine tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// A response came.
    Response(Response),
    /// None came in time: Timer B or F, or the limit of a ringing INVITE. To be taken as a 408 (RFC 3261 §8.1.3.1).
    Timeout,
    /// The request could not be sent. To be taken as a 503 (RFC 3261 §8.1.3.1).
    TransportError,
}

/// What a server transaction machine tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// Something did not happen in time.
    Timeout(ServerTimeout),
}

/// What did not happen in time at a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTimeout {
    /// No ACK came for a final response other than 2xx: Timer H. The transaction is over.
    NoAck,
    /// The user sent no final response within the limit. An INVITE can still be answered for 64*T1; any other
    /// transaction is over.
    NoFinalResponse,
}

/// What the table tells. The last event of each key is its `Terminated`; no key is used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionEvent {
    /// A response came; for an accepted INVITE every 2xx, retransmitted ones and those of other forks included.
    Response {
        /// Of the request it answers.
        key: ClientKey,
        /// The response.
        response: Response,
        /// Where it came from.
        path: Path,
    },
    /// No response came in time: see [`ClientEvent::Timeout`].
    ClientTimeout {
        /// Of the request.
        key: ClientKey,
    },
    /// The flow failed: see [`ClientEvent::TransportError`].
    ClientTransportError {
        /// Of the request.
        key: ClientKey,
    },
    /// The transaction is gone.
    ClientTerminated {
        /// Of the request.
        key: ClientKey,
    },
    /// Something did not happen in time.
    ServerTimeout {
        /// Of the request.
        key: ServerKey,
        /// What.
        timeout: ServerTimeout,
    },
    /// The flow by which responses would go has failed before the final one was sent.
    ServerTransportError {
        /// Of the request.
        key: ServerKey,
    },
    /// The transaction is gone.
    ServerTerminated {
        /// Of the request.
        key: ServerKey,
    },
    /// A response that belongs to no transaction. A 2xx to INVITE is retransmitted because its ACK was lost: the UA core
    /// sends that again.
    Stray {
        /// The response.
        response: Response,
        /// Where it came from.
        path: Path,
    },
}
