//! Benchmarks live in `benches/`; what several of them share goes here.

pub mod counting;
