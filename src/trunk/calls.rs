//! How many calls a trunk has, and has had.

use thiserror::Error;

/// No more calls fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} calls are up, and no more are allowed")]
pub struct LimitReached(pub u32);

/// Counts calls against a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallLimit {
    /// How many there may be. `None`: any number.
    pub limit: Option<u32>,
    /// How many there are.
    pub current: u32,
    /// Calls from the trunk since the start, admitted or not.
    pub incoming: u64,
    /// Calls to the trunk since the start.
    pub outgoing: u64,
    /// Calls from or to the trunk that ended unanswered for another reason than that their caller gave up.
    pub failed: u64,
}

impl CallLimit {
    /// No calls yet.
    pub const fn new(limit: Option<u32>) -> Self {
        Self { limit, current: 0, incoming: 0, outgoing: 0, failed: 0 }
    }

    /// Whether `more` calls fit.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self, more: u32) -> Result<(), LimitReached> {
        match self.limit {
            Some(limit) if self.current.saturating_add(more) > limit => Err(LimitReached(self.current)),
            _ => Ok(()),
        }
    }

    /// One more call.
    pub const fn begin(&mut self) {
        self.current += 1;
    }

    /// One less.
    pub fn end(&mut self) {
        debug_assert!(self.current > 0, "a call ends once");
        self.current = self.current.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_fit_up_to_the_limit_and_again_when_one_has_ended() {
        let mut calls = CallLimit::new(Some(2));
        assert_eq!(calls.check(2), Ok(()));
        assert_eq!(calls.check(3), Err(LimitReached(0)));
        calls.begin();
        calls.begin();
        assert_eq!(calls.check(1), Err(LimitReached(2)));
        calls.end();
        assert_eq!(calls.check(1), Ok(()));
        assert_eq!(CallLimit::new(None).check(1_000_000), Ok(()));
    }
}
