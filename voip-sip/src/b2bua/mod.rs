//! The signalling rules that couple two legs into one call (a back-to-back user agent, RFC 3261 §6, RFC 7092).
//!
//! [`Coupling`] decides who is told what and when: progress of the callee goes to the caller, an answer is answered,
//! the end of one leg ends the other, and a call that rings or lasts too long is ended. It sees legs only as
//! [`LegEvent`](voip_core::leg::LegEvent)s and [`LegCommand`](voip_core::leg::LegCommand)s, so a leg may be a SIP call
//! or anything else. Messages, dialogs and session descriptions are its user's business.

mod coupling;

pub use coupling::{Coupling, CouplingConfig, CouplingState, EndingParty, Outcome};
