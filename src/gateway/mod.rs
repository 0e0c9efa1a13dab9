//! The gateway: trunks, routes and bridged calls, from one configuration.
//!
//! [`Core`] is pure: a SIP endpoint with bridges on top, driven by whatever gives it datagrams, media events and the
//! time. [`Gateway`] is the core with sockets, threads, signals and files around it, for an application to run.
//!
//! | file | does |
//! |---|---|
//! | `core` | the tables, and what comes in by the endpoint and the media |
//! | `admit` | a call that came: limits, number, route, codecs, and the call it causes |
//! | `machine` | the core as something that the driver can drive |
//! | `status` | what the gateway is doing, for a person |
//! | `event` | what the core tells an observer |
//! | `setup` | from the configuration to the parts |
//! | `descriptors` | enough file descriptors for the calls |
//! | `run` | sockets, threads, signals, files |

mod admit;
mod core;
mod descriptors;
mod event;
mod machine;
mod run;
mod setup;
mod status;

pub use core::{Core, CoreConfig};
pub use event::GatewayEvent;
pub use run::{EVENTS, ExitReason, Gateway, Options, StartError, run};
pub use setup::{core_config, media_config};
