//! What an operator sees: the log, one record for each call, and the state of the running gateway.
//!
//! Everything here takes plain data and hands it out; nothing of it can slow a call down: what is written goes through
//! bounded queues, and what overflows is counted.

mod line_queue;
pub mod log;
pub mod mask;
pub mod record;
pub mod status;
#[cfg(unix)]
pub mod status_socket;
