//! voip

pub mod cli;
pub mod config;
pub mod number;
pub mod observe;
