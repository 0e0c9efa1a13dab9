//! File descriptors: a call takes four for its media, and the usual limit of 1024 is soon reached.
//!
//! The soft limit is raised as far as the configuration needs and the system allows; what is missing then is said at
//! the start, and not by the call that finds none.

use crate::config::Config;

/// RTP and RTCP of two legs.
const PER_CALL: u64 = 4;
/// Listeners, status socket, records, log, epoll, standard streams, DNS, and connections that we open.
const OTHERS: u64 = 512;

/// Raises the limit of this process to what `config` needs.
pub(super) fn raise_limit(config: &Config) {
    let calls = u64::from(config.gateway.max_calls) * PER_CALL;
    let needed = calls + config.limits.max_connections as u64 + OTHERS;
    #[cfg(unix)]
    raise_to(needed, calls);
    #[cfg(not(unix))]
    let _ = needed;
}

#[cfg(unix)]
fn raise_to(needed: u64, calls: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let (Some(soft), hard) = (limit.current, limit.maximum) else { return };
    if soft >= needed {
        return;
    }
    let wanted = hard.map_or(needed, |hard| hard.min(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: hard });
    let granted = if raised.is_ok() { wanted } else { soft };
    if granted < calls + OTHERS {
        let enough_for = granted.saturating_sub(OTHERS) / PER_CALL;
        tracing::warn!(
            granted,
            needed,
            "only {granted} file descriptors are allowed, enough for about {enough_for} calls: raise the limit \
             (LimitNOFILE= of a systemd unit, ulimit -n) or lower max_calls"
        );
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn the_limit_is_raised_and_never_lowered() {
        let before = getrlimit(Resource::Nofile).current;
        let Some(soft) = before else { return };
        raise_to(soft, soft);
        assert_eq!(getrlimit(Resource::Nofile).current, before);
        let hard = getrlimit(Resource::Nofile).maximum;
        raise_to(soft + 1, soft + 1);
        let after = getrlimit(Resource::Nofile).current.unwrap();
        assert_eq!(after, hard.map_or(soft + 1, |hard| hard.min(soft + 1)));
    }
}
