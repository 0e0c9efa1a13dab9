//! The gateway itself, from its configuration: for the demonstration, and for good.

use std::io;
use std::path::Path;
use std::time::Duration;
use voip::cli;
use voip::config::{Config, ProcessEnvironment};
use voip::gateway::{self, ExitReason, Gateway, Options};
use voip::observe::log::{Log, LogFilter};

/// Starts a gateway on the runtime.
pub(crate) fn start(file: &Path) -> io::Result<Gateway> {
    let config = Config::from_file(file, &ProcessEnvironment).map_err(io::Error::other)?;
    Gateway::start(&config, Options::default()).map_err(io::Error::other)
}

/// Runs a gateway until a signal ends it; whether it was left the time to end its calls. A far side that does not
/// answer the farewell, as the log tells, is no failure of the gateway.
pub(crate) async fn run(file: &Path, log: Option<&LogFilter>) -> Result<bool, Box<dyn std::error::Error>> {
    let config = Config::from_file(file, &ProcessEnvironment)?;
    let log = Log::install(&cli::log_filter(log, &ProcessEnvironment, Some(&config))?)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let ended = gateway::run(&config, Options::default()).await;
    // The last lines tell how it ended; they get a moment, not for ever.
    log.flush(Duration::from_millis(500));
    Ok(ended? != ExitReason::Forced)
}

/// Shows what the gateway of a demonstration logs, when that is asked for.
pub(crate) fn log(filter: Option<&LogFilter>) -> Result<Option<Log>, Box<dyn std::error::Error>> {
    let asked = filter.is_some() || std::env::var_os("RUST_LOG").is_some_and(|filter| !filter.is_empty());
    if !asked {
        return Ok(None);
    }
    Ok(Some(Log::install(&cli::log_filter(filter, &ProcessEnvironment, None)?)?))
}
