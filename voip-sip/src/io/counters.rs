//! What the driver counts: the figures of `status`, and the proof that whatever was shed was seen.

use std::sync::atomic::{AtomicU64, Ordering};

/// Adds one to a counter.
pub(super) fn count(cell: &AtomicU64) {
    add(cell, 1);
}

/// Adds to a counter.
pub(super) fn add(cell: &AtomicU64, n: u64) {
    cell.fetch_add(n, Ordering::Relaxed);
}

/// Takes one off a gauge.
pub(super) fn drop_one(cell: &AtomicU64) {
    cell.fetch_sub(1, Ordering::Relaxed);
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a driver has counted since it was bound.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The live counters, shared by the tasks of a driver.
        #[derive(Debug, Default)]
        pub(super) struct Cells {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Cells {
            /// Their values now; not one instant for all, and none the worse for it.
            pub(super) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl Counters {
            /// Every counter with its name, for a table or a metrics page.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// Datagrams read.
    datagrams_in,
    /// Bytes in them.
    datagram_bytes_in,
    /// Datagrams read and dropped, the newest first, because the machine was behind.
    datagrams_dropped,
    /// Datagrams sent.
    datagrams_out,
    /// Bytes in them.
    datagram_bytes_out,
    /// Datagrams not sent because the socket's buffer was full; retransmission recovers.
    datagrams_unsent,
    /// Datagrams whose sending, or whose socket's reading, failed otherwise: no route, too long, an ICMP error.
    datagram_errors,
    /// Bytes read from connections, after TLS.
    stream_bytes_in,
    /// Bytes written to connections, before TLS.
    stream_bytes_out,
    /// Connections open now, both ways.
    connections_open,
    /// Connections accepted and given to the machine.
    connections_accepted,
    /// Connections opened by us.
    connections_opened,
    /// Connections that could not be opened: refused, unreachable, too slow, certificate not accepted.
    connections_failed,
    /// Connections closed on arrival because there were too many, in all or from that address.
    connections_refused,
    /// Connections that the machine refused.
    connections_unwanted,
    /// Accepted connections closed because nothing came on them in time.
    connections_silent,
    /// Connections closed because the far side did not read what was sent to it.
    connections_slow,
    /// Failures to accept: out of descriptors, mostly.
    accept_errors,
    /// TLS handshakes of clients that failed or took too long.
    handshakes_failed,
    /// Look-ups asked of DNS.
    lookups,
    /// Look-ups that gave no answer: no such name, no server, too slow.
    lookups_failed,
    /// Look-ups answered with nothing because too many were under way.
    lookups_refused,
    /// Messages for a flow that is no longer there.
    transmits_without_flow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_listed_by_their_names() {
        let cells = Cells::default();
        count(&cells.lookups);
        add(&cells.datagram_bytes_in, 500);
        let counters = cells.snapshot();
        assert_eq!(counters.lookups, 1);
        assert!(counters.named().contains(&("datagram_bytes_in", 500)));
        drop_one(&cells.lookups);
        assert_eq!(cells.snapshot().lookups, 0);
    }
}
