//! The gateway against programs that we did not write: sipp, baresip, stunnel. `scripts/test` runs it.
//!
//! Every test has its own gateway process and its own loopback addresses; run them one at a time
//! (`--test-threads=1`), since each measures or counts something of the machine.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stderr, reason = "tests of one binary")]
#![expect(clippy::disallowed_methods, reason = "other programs run in real time")]

mod carrier;
mod harness;
mod hostile;
mod phone;
mod sipp;
mod tls;
