//! The log: what is shown, where it goes, and what is kept out of it.
//!
//! [`LogFilter`] reads the words of the configuration, of `--log` and of `RUST_LOG`. The word `sip` shows every SIP
//! message (target [`SIP_TARGET`]), with credentials masked by [`mask_message`](super::mask::mask_message).

use std::fmt;
use std::str::FromStr;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// The target under which whole SIP messages are traced.
pub const SIP_TARGET: &str = "voip::sip";

/// Libraries whose debugging says nothing about calls: shown from WARN on unless they are named.
const QUIET: [&str; 8] = [
    "hickory_net",
    "hickory_proto",
    "hickory_resolver",
    "mio",
    "rustls",
    "rustls_platform_verifier",
    "tokio",
    "tokio_rustls",
];

/// Which events are logged.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFilter {
    written: String,
    targets: Targets,
}

/// Why a filter cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilterError {
    word: String,
}

impl fmt::Display for LogFilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "is no log filter: \"{}\" is none of off, error, warn, info, debug, trace, sip, nor TARGET=LEVEL",
            self.word
        )
    }
}

impl std::error::Error for LogFilterError {}

impl Default for LogFilter {
    fn default() -> Self {
        Self::parse("info").expect("a level")
    }
}

impl LogFilter {
    /// Reads words separated by commas: a level for everything, `sip` for every SIP message, `TARGET=LEVEL` for one
    /// module. `sip` alone means `info,sip`.
    pub fn parse(text: &str) -> Result<Self, LogFilterError> {
        let mut level = LevelFilter::INFO;
        let mut targets = Targets::new();
        let mut named = Vec::new();
        for word in text.split(',').map(str::trim) {
            let wrong = || LogFilterError { word: word.to_owned() };
            match word.split_once('=') {
                Some((target, level)) if is_target(target) => {
                    let level = LevelFilter::from_str(level).map_err(|_| wrong())?;
                    named.push(target.to_owned());
                    targets = targets.with_target(target, level);
                }
                Some(_) => return Err(wrong()),
                None if word == "sip" => targets = targets.with_target(SIP_TARGET, LevelFilter::TRACE),
                // A bare number is a level for the library and a slip of the pen for a person.
                None if word.is_empty() || word.bytes().all(|c| c.is_ascii_digit()) => return Err(wrong()),
                None => level = LevelFilter::from_str(word).map_err(|_| wrong())?,
            }
        }
        for quiet in QUIET.into_iter().filter(|quiet| !named.iter().any(|name| name == quiet)) {
            targets = targets.with_target(quiet, level.min(LevelFilter::WARN));
        }
        Ok(Self { written: text.to_owned(), targets: targets.with_default(level) })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether an event of `target` at `level` is logged.
    pub fn shows(&self, target: &str, level: tracing::Level) -> bool {
        self.targets.would_enable(target, &level)
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b':' || c == b'-')
}
