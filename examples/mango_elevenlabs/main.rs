//! A gateway between a Mango Office trunk and an ElevenLabs agent.
//!
//! ```text
//! cargo run --release --example mango_elevenlabs                             a demonstration call, no network needed
//! cargo run --release --example mango_elevenlabs -- --config gateway.toml    the gateway
//! ```
//!
//! The demonstration runs the same gateway between two stand-ins on loopback: see `demo/`.

#![expect(clippy::disallowed_methods, reason = "a program reads the clock")]

mod demo;
mod gateway;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use voip::cli::{self, Command, RunOptions};
use voip::config::ProcessEnvironment;

const PROGRAM: &str = "mango_elevenlabs";
const ABOUT: &str = "Answers calls of a Mango Office trunk with an ElevenLabs agent.";
const WITHOUT: &str = "show a call between two stand-ins, all on this machine";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{PROGRAM}: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<bool, Box<dyn std::error::Error>> {
    let mut out = io::stdout();
    match cli::parse(std::env::args_os().skip(1))? {
        Command::Run(RunOptions { config: None, log, .. }) => {
            let log = gateway::log(log.as_ref())?;
            let held = demo::run(&mut out).await?;
            if let Some(log) = log {
                log.flush(Duration::from_millis(500));
            }
            Ok(held)
        }
        Command::Run(RunOptions { config: Some(file), log, .. }) => gateway::run(&file, log.as_ref()).await,
        Command::Status(options) => Ok(cli::status(&options, &ProcessEnvironment, &mut out).map(|()| true)?),
        Command::Check { config } => Ok(cli::check(&config, &ProcessEnvironment, &mut out).map(|()| true)?),
        Command::Help => Ok(writeln!(out, "{}", cli::help(PROGRAM, ABOUT, WITHOUT)).map(|()| true)?),
        Command::Version => Ok(writeln!(out, "{PROGRAM} {}", env!("CARGO_PKG_VERSION")).map(|()| true)?),
    }
}
