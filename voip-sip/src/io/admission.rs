//! Who may connect: how many connections in all, and how many from one place.
//!
//! An IPv6 host commands a whole /64, so that is what is counted as one place there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The count of accepted connections, shared by all listeners.
#[derive(Clone, Debug)]
pub(super) struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    max_per_place: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_place: HashMap<IpAddr, usize>,
}

/// Room for one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    shared: Arc<Shared>,
    place: IpAddr,
}

impl Admission {
    pub(super) fn new(max: usize, max_per_place: usize) -> Self {
        Self(Arc::new(Shared { max, max_per_place, counts: Mutex::default() }))
    }

    /// Room for a connection from `remote`, when there is any.
    pub(super) fn admit(&self, remote: IpAddr) -> Option<Admitted> {
        let place = place(remote);
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let here = counts.by_place.get(&place).copied().unwrap_or(0);
        if counts.all >= self.0.max || here >= self.0.max_per_place {
            return None;
        }
        counts.all += 1;
        counts.by_place.insert(place, here + 1);
        Some(Admitted { shared: Arc::clone(&self.0), place })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        let left = counts.by_place.get(&self.place).map_or(0, |n| n - 1);
        if left == 0 {
            counts.by_place.remove(&self.place);
        } else {
            counts.by_place.insert(self.place, left);
        }
    }
}

fn place(remote: IpAddr) -> IpAddr {
    match remote.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_in_all_and_by_place_and_is_given_back() {
        let admission = Admission::new(3, 2);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = admission.admit(ip("2001:db8::1")).unwrap();
        let _second = admission.admit(ip("2001:db8::2")).unwrap();
        assert!(admission.admit(ip("2001:db8::3")).is_none(), "the same /64");
        let _third = admission.admit(ip("192.0.2.1")).unwrap();
        assert!(admission.admit(ip("192.0.2.2")).is_none(), "full");
        drop(first);
        assert!(admission.admit(ip("::ffff:192.0.2.1")).is_some());
        assert!(admission.admit(ip("2001:db8::3")).is_some());
    }
}
