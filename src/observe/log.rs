//! The log: what is shown, where it goes, and what is kept out of it.
//!
//! [`LogFilter`] reads the words of the configuration, of `--log` and of `RUST_LOG`. The word `sip` shows every SIP
//! message (target [`SIP_TARGET`]), with credentials masked by [`mask_message`]. Lines go
//! through a bounded queue: a terminal that stands still loses lines, and no call waits for it.

use super::line_queue::{LineQueue, Sink};
use super::mask::mask_message;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use voip_core::net::Transport;

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

/// Shows a SIP message, if `sip` is asked for. `direction` is `received from` or `sent to`.
pub fn sip_message(direction: &str, transport: Transport, peer: SocketAddr, message: &[u8]) {
    // Masking costs more than everything else about a message, so it is done for a reader only.
    if tracing::enabled!(target: SIP_TARGET, tracing::Level::TRACE) {
        let shown = mask_message(message);
        tracing::trace!(target: SIP_TARGET, "{} bytes {direction} {transport} {peer}\n{}", message.len(), shown.trim_end());
    }
}

/// Keeps the log's queue. [`flush`](Self::flush) it before the process ends.
#[derive(Clone, Debug)]
pub struct Log {
    queue: LineQueue,
}

impl Log {
    /// A subscriber that writes what `filter` shows to `output`, with colours if it is a terminal.
    pub fn subscriber(
        filter: &LogFilter,
        output: Box<dyn Write + Send>,
        colours: bool,
    ) -> io::Result<(Self, impl Subscriber + Send + Sync + 'static)> {
        let queue = LineQueue::start("log", QUEUE, Sink::Stream(output))?;
        let lines = queue.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(colours)
            .with_writer(move || Line { queue: lines.clone(), text: Vec::new() });
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter.targets.clone()));
        Ok((Self { queue }, subscriber))
    }

    /// Makes this the log of the process, on standard error: standard output belongs to call records.
    pub fn install(filter: &LogFilter) -> io::Result<Self> {
        let stderr = io::stderr();
        let colours = stderr.is_terminal();
        let (log, subscriber) = Self::subscriber(filter, Box::new(stderr), colours)?;
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|_| io::Error::new(io::ErrorKind::AlreadyExists, "the process already has a log"))?;
        Ok(log)
    }

    /// Waits until everything is written, for as long as `limit`; says whether it is.
    pub fn flush(&self, limit: Duration) -> bool {
        self.queue.flush(limit)
    }

    /// Lines that were not written, because whoever reads them was too slow.
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }
}

/// Lines that may wait to be written: enough for a burst of traced messages.
const QUEUE: usize = 8192;

/// One event on its way into the queue, whole.
struct Line {
    queue: LineQueue,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.queue.push(std::mem::take(&mut self.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing::Level;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, events: impl FnOnce()) -> String {
        let page = Page::default();
        let (log, subscriber) =
            Log::subscriber(&LogFilter::parse(filter).unwrap(), Box::new(page.clone()), false).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        assert!(log.flush(Duration::from_secs(20)));
        assert_eq!(log.lost(), 0);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn levels_targets_and_sip_are_words_of_a_filter() {
        let shows = |filter: &str, target: &str, level| LogFilter::parse(filter).unwrap().shows(target, level);
        assert!(shows("info", "voip::gateway", Level::INFO) && !shows("info", "voip::gateway", Level::DEBUG));
        assert!(!shows("debug", SIP_TARGET, Level::TRACE) && shows("sip", SIP_TARGET, Level::TRACE));
        assert!(shows("sip", "voip::gateway", Level::INFO) && !shows("sip", "voip::gateway", Level::DEBUG));
        assert!(
            shows("debug,sip", "voip_sip::transaction", Level::DEBUG) && shows("debug,sip", SIP_TARGET, Level::TRACE)
        );
        assert!(
            !shows("debug", "hickory_proto::udp", Level::INFO) && shows("debug", "hickory_proto::udp", Level::WARN)
        );
        assert!(shows("info,rustls=debug", "rustls::client", Level::DEBUG));
        assert!(shows("warn, voip::bridge=trace", "voip::bridge", Level::TRACE));
        assert!(!shows("off", "voip", Level::ERROR));
    }

    #[test]
    fn a_wrong_filter_names_the_wrong_word() {
        for (filter, word) in [
            ("loud", "loud"),
            ("info,sipp", "sipp"),
            ("", ""),
            ("3", "3"),
            ("a b=info", "a b=info"),
            ("voip=9x", "voip=9x"),
        ] {
            let error = LogFilter::parse(filter).unwrap_err();
            assert_eq!(error.word, word);
            assert!(error.to_string().contains("off, error, warn, info, debug, trace, sip"));
        }
    }

    #[test]
    fn messages_are_traced_whole_and_without_credentials() {
        let message = b"REGISTER sip:a SIP/2.0\r\nAuthorization: Digest response=\"6629fae4\"\r\n\r\n";
        let peer = "192.0.2.1:5060".parse().unwrap();
        let show = || sip_message("sent to", Transport::Tcp, peer, message);
        let text = logged("sip", show);
        assert!(text.contains("69 bytes sent to tcp 192.0.2.1:5060\nREGISTER sip:a SIP/2.0\r\n"), "{text}");
        assert!(text.contains("response=***") && !text.contains("6629fae4"), "{text}");
        assert_eq!(logged("debug", show), "");
    }
}
