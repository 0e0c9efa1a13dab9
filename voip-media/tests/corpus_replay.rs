//! The corpora of the fuzz targets, played to their bodies: what was found once stays found, on stable and without a
//! fuzzer. The bodies hold the assertions; `fuzz/README.md` says how to fuzz.

#[path = "../../fuzz/bodies/replay.rs"]
mod replay;
#[path = "../../fuzz/bodies/rtcp.rs"]
mod rtcp;
#[path = "../../fuzz/bodies/rtp.rs"]
mod rtp;

#[test]
fn rtcp_corpus() {
    replay::replay("rtcp", rtcp::run, 1);
}

#[test]
fn rtp_corpus() {
    replay::replay("rtp", rtp::run, 5);
}
