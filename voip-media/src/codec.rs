//! Codecs: what payload bytes mean.

pub mod g711;
