//! The relay in virtual time, and its worker on loopback: one file for each behaviour.
#![expect(clippy::unwrap_used, reason = "these are tests, helpers among them")]

mod support;

mod audio_crosses_bit_exact;
mod garbage_is_counted;
mod laws_are_converted;
mod numbers_stay_continuous;
mod peers_on_hold;
mod rtcp_tells_how_the_call_is;
mod silence_fills_and_audio_resumes;
mod strays_do_not_steal_a_call;
mod telephone_events_are_mapped;
mod timeouts_are_reported_once;
#[cfg(feature = "io")]
mod workers_carry_calls_over_sockets;
