//! The timer values of RFC 3261 §17.1.1.1 and Table 4, and the bounds that keep any transaction from living forever.

use std::time::Duration;

/// How long transactions wait, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// T1: the estimate of a round trip. 500 ms, as RFC 3261 has it.
    pub t1: Duration,
    /// T2: the longest interval between retransmissions. 4 s, as RFC 3261 has it.
    pub t2: Duration,
    /// T4: the longest a message stays in the network. 5 s, as RFC 3261 has it.
    pub t4: Duration,
    /// Timer D: how long an INVITE client transaction over UDP answers retransmitted final responses. RFC 3261
    /// §17.1.1.2 asks for at least 32 s.
    pub timer_d: Duration,
    /// How long an INVITE that got a provisional response waits for a final one; then it is cancelled, as a proxy does
    /// at Timer C (RFC 3261 §16.8). Five minutes: longer than anybody rings.
    pub invite_limit: Duration,
    /// How long the local user may take to answer a received INVITE. A minute more than `invite_limit`, so that of two
    /// coupled calls the outgoing one ends first and says why.
    pub proceeding_limit: Duration,
    /// Client transactions at the most, and server transactions at the most. A call in the tables costs some kB for half
    /// a minute after each request, so the default carries several hundred calls a second.
    pub max_transactions: usize,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            timer_d: Duration::from_secs(32),
            invite_limit: Duration::from_secs(300),
            proceeding_limit: Duration::from_secs(360),
            max_transactions: 65_536,
        }
    }
}

impl TransactionConfig {
    /// 64*T1: Timers B, F, H, J, L and M (RFC 3261 Table 4, RFC 6026 §7 and §8).
    pub fn timeout(&self) -> Duration {
        self.t1 * 64
    }

    /// The retransmission interval after `interval`: doubled, T2 at the most.
    pub(super) fn next_interval(&self, interval: Duration) -> Duration {
        (interval * 2).min(self.t2)
    }
}
