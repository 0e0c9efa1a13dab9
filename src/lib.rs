//! voip

pub mod config;
pub mod number;
pub mod observe;
