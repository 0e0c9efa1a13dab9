//! What a gateway tells an observer: enough for call records, a log, and the picture of a call.

use crate::observe::record::CallRecord;
use std::net::SocketAddr;
use voip_core::net::Transport;
use voip_sip::endpoint::TracedMessage;
use voip_sip::registration::RegistrationState;

/// Something happened.
#[derive(Clone, Debug)]
pub enum GatewayEvent {
    /// A registration changed its state.
    Registration {
        /// The trunk.
        trunk: String,
        /// The state it is in.
        state: RegistrationState,
        /// Why it is not registered, where that is so.
        failure: Option<String>,
    },
    /// A trunk answers OPTIONS, or has stopped answering.
    Reachable {
        /// The trunk.
        trunk: String,
        /// Whether it answers.
        reachable: bool,
    },
    /// A call came in and is on its way to its callee.
    CallStarted {
        /// The gateway's name for the call.
        id: String,
        /// The trunk that it comes from.
        from_trunk: String,
        /// The trunk that it goes to.
        to_trunk: String,
        /// The caller's number.
        caller: String,
        /// The number that was called.
        called: String,
    },
    /// The callee rings or makes progress.
    CallRinging {
        /// The gateway's name for the call.
        id: String,
    },
    /// The callee answered.
    CallAnswered {
        /// The gateway's name for the call.
        id: String,
    },
    /// A call is over, or was refused: its record.
    CallEnded(Box<CallRecord>),
    /// A request from a source that identifies nobody was dropped or refused.
    Stranger {
        /// Where it came from.
        remote: SocketAddr,
        /// By which transport.
        transport: Transport,
    },
    /// A SIP message went out or came in, as it was: it may hold credentials.
    Message(TracedMessage),
}
