//! What an operator sees: the log, one record for each call, and the state of the running gateway.

pub mod log;
