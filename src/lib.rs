//! voip

pub mod bridge;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod leg;
pub mod number;
pub mod observe;
pub mod route;
pub mod trunk;
