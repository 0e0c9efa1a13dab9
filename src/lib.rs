//! Telephony for applications: SIP calls, their audio, and gateways that join carriers to voice agents.
//!
//! This crate joins the layers below it. `voip-sip` speaks SIP and SDP, `voip-media` moves the audio, and neither
//! knows the other; here they meet in calls. A gateway is one configuration and one call:
//!
//! ```no_run
//! use voip::config::{Config, ProcessEnvironment};
//! use voip::gateway::{self, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::from_file("gateway.toml".as_ref(), &ProcessEnvironment)?;
//! let reason = gateway::run(&config, Options::default()).await?; // until SIGTERM or Ctrl-C
//! # Ok(())
//! # }
//! ```
//!
//! An application that does more takes [`gateway::Gateway`]: a handle with events, state and shutdown. One that has
//! its own sockets, or none (a test in virtual time), drives [`gateway::Core`].
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | the configuration, read from TOML with every mistake named |
//! | [`number`] | phone numbers, read and written in carriers' forms |
//! | [`trunk`] | a carrier or an agent's service: numbers, limits, how it is written to |
//! | [`route`] | from who called which number to what happens |
//! | [`leg`] | one side of a call with the negotiation of its media |
//! | [`bridge`] | two legs joined into one call |
//! | [`gateway`] | trunks, routes and bridges as one machine, and what runs it |
//! | [`observe`] | the log, call records, the state of the running gateway |
//! | [`cli`] | the command line that every gateway program has |
//!
//! What holds for all of it: machines are pure, and time, randomness and the network are arguments. No queue is without
//! a bound. Input never panics, and a malformed packet never ends a call. Nobody unidentified reaches a route.

pub mod bridge;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod leg;
pub mod number;
pub mod observe;
pub mod route;
pub mod trunk;
