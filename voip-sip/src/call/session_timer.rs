//! The session timer of one dialog (RFC 4028): who refreshes, when, and when silence means that the far side is gone.
//!
//! It reads and writes Session-Expires and Min-SE of the requests and responses that set it, and tells its call when to
//! refresh and when to give up. The call sends the refresh.

use super::config::SessionTimerConfig;
use crate::message::header::{MinSe, Refresher, SessionExpires};
use crate::message::{HeaderName, Headers};
use std::time::{Duration, Instant};

/// The option tag (RFC 4028 §11).
pub(crate) const OPTION_TAG: &str = "timer";

/// See the module.
#[derive(Debug)]
pub(crate) struct SessionTimer {
    config: SessionTimerConfig,
    /// The largest Min-SE that a 422 or a request of the far side named, seconds.
    learnt_min_se: u32,
    active: Option<Active>,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    interval: u32,
    we_refresh: bool,
    /// When to refresh; `None` while a refresh is under way, or when the far side refreshes.
    refresh_at: Option<Instant>,
    /// When the session counts as dead.
    expires_at: Instant,
}

/// What the timer asks of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionTimerEvent {
    /// Send a refresh now.
    Refresh,
    /// No refresh came or succeeded: end the call.
    Expired,
}

/// The interval asked for is too small: answered 422 with this Min-SE, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntervalTooSmall(pub(crate) u32);

impl SessionTimer {
    pub(crate) fn new(config: SessionTimerConfig) -> Self {
        Self { config, learnt_min_se: 0, active: None }
    }

    /// Writes what an INVITE, re-INVITE or UPDATE of ours asks for (§7.1, §7.4).
    pub(crate) fn write_request(&self, headers: &mut Headers) {
        let min_se = self.config.min_se.max(self.learnt_min_se);
        let (seconds, refresher) = match self.active {
            // Within a session the roles stay as they are, named from the view of this request.
            Some(active) => (active.interval, Some(if active.we_refresh { Refresher::Uac } else { Refresher::Uas })),
            None => (self.config.expires, None),
        };
        headers.set_typed(&SessionExpires { seconds: seconds.max(min_se), refresher });
        headers.set_typed(&MinSe(min_se));
    }

    /// Checks what a received INVITE, re-INVITE or UPDATE asks for (§9).
    pub(crate) fn check_request(&self, headers: &Headers) -> Result<(), IntervalTooSmall> {
        let supported = headers.has_token(&HeaderName::Supported, OPTION_TAG);
        match headers.typed::<SessionExpires>() {
            // A far side that does not know the timer cannot understand a 422: its proxy's wish is met instead (§8.2).
            Ok(Some(asked)) if supported && asked.seconds < self.config.min_se => {
                Err(IntervalTooSmall(self.config.min_se))
            }
            _ => Ok(()),
        }
    }

    /// Writes our part into the 2xx to a request of the far side, and starts or restarts the timer (§9, table 2).
    pub(crate) fn answer(&mut self, now: Instant, request: &Headers, response: &mut Headers) {
        let supported = request.has_token(&HeaderName::Supported, OPTION_TAG)
            || request.has_token(&HeaderName::Require, OPTION_TAG);
        let Some(asked) = request.typed::<SessionExpires>().ok().flatten() else {
            if !supported {
                self.active = None;
                return;
            }
            // The far side knows the timer and asks for nothing: ours applies, and it refreshes, because its path to us
            // is the one that NATs forget.
            let floor = request.typed::<MinSe>().ok().flatten().map_or(0, |m| m.0);
            let seconds = self.config.expires.max(floor);
            self.set(now, response, seconds, Refresher::Uac, supported);
            return;
        };
        let floor = request.typed::<MinSe>().ok().flatten().map_or(0, |m| m.0).max(self.config.min_se);
        let seconds = asked.seconds.min(self.config.expires).max(floor);
        let refresher = match asked.refresher {
            _ if !supported => Refresher::Uas,
            Some(refresher) => refresher,
            None => Refresher::Uac,
        };
        self.set(now, response, seconds, refresher, supported);
    }

    fn set(&mut self, now: Instant, response: &mut Headers, seconds: u32, refresher: Refresher, supported: bool) {
        response.set_typed(&SessionExpires { seconds, refresher: Some(refresher) });
        if refresher == Refresher::Uac && supported {
            response.set(HeaderName::Require, OPTION_TAG);
        }
        self.start(now, seconds, refresher == Refresher::Uas);
    }

    /// Takes over what the 2xx to a request of ours says (§7.2): without Session-Expires there is no timer.
    pub(crate) fn handle_success(&mut self, now: Instant, response: &Headers) {
        match response.typed::<SessionExpires>() {
            // A proxy may have put it in for a far side that does not know the timer: then we refresh.
            Ok(Some(agreed)) => self.start(now, agreed.seconds, agreed.refresher != Some(Refresher::Uas)),
            Ok(None) => self.active = None,
            // Unreadable: as if absent from a refresh that succeeded.
            Err(_) => {
                if let Some(active) = self.active {
                    self.start(now, active.interval, active.we_refresh);
                }
            }
        }
    }

    /// A 422 to a request of ours: the next one asks for at least its Min-SE (§7.3). `false` when it names none that is
    /// larger than what was asked for: asking again would not help.
    pub(crate) fn handle_too_small(&mut self, response: &Headers) -> bool {
        let Ok(Some(MinSe(min_se))) = response.typed::<MinSe>() else { return false };
        let raised = min_se > self.learnt_min_se && min_se <= Self::LONGEST;
        self.learnt_min_se = self.learnt_min_se.max(min_se.min(Self::LONGEST));
        if let Some(active) = &mut self.active {
            active.interval = active.interval.max(self.learnt_min_se);
        }
        raised
    }

    /// No far side is believed that asks for more than a day between refreshes.
    const LONGEST: u32 = 86_400;

    fn start(&mut self, now: Instant, seconds: u32, we_refresh: bool) {
        // A response with an absurdly small interval would make us refresh without pause.
        let seconds = seconds.clamp(32, Self::LONGEST);
        let interval = Duration::from_secs(seconds.into());
        // A margin before the end, so that the BYE comes before the far side forgets the session (§10).
        let margin = (interval / 3).min(Duration::from_secs(32));
        self.active = Some(Active {
            interval: seconds,
            we_refresh,
            refresh_at: we_refresh.then(|| now + interval / 2),
            expires_at: now + interval - margin,
        });
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.active.map(|active| active.refresh_at.map_or(active.expires_at, |at| at.min(active.expires_at)))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<SessionTimerEvent> {
        let active = self.active.as_mut()?;
        if active.expires_at <= now {
            self.active = None;
            return Some(SessionTimerEvent::Expired);
        }
        if active.refresh_at.is_some_and(|at| at <= now) {
            active.refresh_at = None;
            return Some(SessionTimerEvent::Refresh);
        }
        None
    }

    /// A refresh failed in a way that may pass: it is tried again after `delay`, unless the session is over by then.
    pub(crate) fn retry_refresh(&mut self, now: Instant, delay: Duration) {
        if let Some(active) = self.active.as_mut().filter(|active| active.we_refresh) {
            active.refresh_at = Some(now + delay);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin")]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(HeaderName::other(name), *value);
        }
        headers
    }

    fn timer() -> SessionTimer {
        SessionTimer::new(SessionTimerConfig::default())
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn as_uas_with_a_caller_that_knows_the_timer_the_caller_refreshes() {
        let (t0, mut timer, mut ok) = (Instant::now(), timer(), Headers::new());
        timer.answer(t0, &headers(&[("Supported", "timer"), ("Session-Expires", "600")]), &mut ok);
        assert_eq!(ok.value(&HeaderName::SessionExpires).unwrap(), &"600;refresher=uac");
        assert_eq!(ok.value(&HeaderName::Require).unwrap(), &"timer");
        assert_eq!(timer.poll_timeout(), Some(t0 + 568 * SECOND));
        assert_eq!(timer.handle_timeout(t0 + 567 * SECOND), None);
        assert_eq!(timer.handle_timeout(t0 + 568 * SECOND), Some(SessionTimerEvent::Expired));
    }

    #[test]
    fn as_uas_asked_to_refresh_we_refresh_at_half_time() {
        let (t0, mut timer, mut ok) = (Instant::now(), timer(), Headers::new());
        timer.answer(t0, &headers(&[("Supported", "timer"), ("Session-Expires", "1800;refresher=uas")]), &mut ok);
        assert_eq!(timer.handle_timeout(t0 + 900 * SECOND), Some(SessionTimerEvent::Refresh));
        assert_eq!(timer.handle_timeout(t0 + 901 * SECOND), None);
        timer.handle_success(t0 + 901 * SECOND, &headers(&[("Session-Expires", "1800;refresher=uac")]));
        assert_eq!(timer.poll_timeout(), Some(t0 + 1801 * SECOND));
    }

    #[test]
    fn an_interval_below_the_least_is_refused_with_the_least() {
        let small = headers(&[("Supported", "timer"), ("Session-Expires", "60")]);
        assert_eq!(timer().check_request(&small), Err(IntervalTooSmall(90)));
        assert_eq!(timer().check_request(&headers(&[("Session-Expires", "60")])), Ok(()));
    }

    #[test]
    fn a_422_raises_what_is_asked_for_once() {
        let mut timer = timer();
        let too_small = headers(&[("Min-SE", "3600")]);
        assert!(timer.handle_too_small(&too_small));
        let mut invite = Headers::new();
        timer.write_request(&mut invite);
        assert_eq!(invite.value(&HeaderName::SessionExpires).unwrap(), &"3600");
        assert_eq!(invite.value(&HeaderName::MinSe).unwrap(), &"3600");
        assert!(!timer.handle_too_small(&too_small));
    }

    #[test]
    fn without_session_expires_in_the_2xx_there_is_no_timer() {
        let mut timer = timer();
        timer.handle_success(Instant::now(), &Headers::new());
        assert_eq!(timer.poll_timeout(), None);
    }
}
