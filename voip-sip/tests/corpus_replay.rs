//! The corpora of the fuzz targets, played to their bodies: what was found once stays found, on stable and without a
//! fuzzer. The bodies hold the assertions; `fuzz/README.md` says how to fuzz.

#[path = "../../fuzz/bodies/digest.rs"]
mod digest;
#[path = "../../fuzz/bodies/endpoint.rs"]
mod endpoint;
#[path = "../../fuzz/bodies/framer.rs"]
mod framer;
#[path = "../../fuzz/bodies/message.rs"]
mod message;
#[path = "../../fuzz/bodies/name_addr.rs"]
mod name_addr;
#[path = "../../fuzz/bodies/replay.rs"]
mod replay;
#[path = "../../fuzz/bodies/sdp.rs"]
mod sdp;
#[path = "../../fuzz/bodies/uri.rs"]
mod uri;

#[test]
fn digest_corpus() {
    replay::replay("digest", digest::run, 1);
}

#[test]
fn endpoint_corpus() {
    replay::replay("endpoint", endpoint::run, 7);
}

#[test]
fn framer_corpus() {
    replay::replay("framer", framer::run, 1);
}

#[test]
fn message_corpus() {
    replay::replay("message", message::run, 1);
}

#[test]
fn name_addr_corpus() {
    replay::replay("name_addr", name_addr::run, 1);
}

#[test]
fn sdp_corpus() {
    replay::replay("sdp", sdp::run, 1);
}

#[test]
fn uri_corpus() {
    replay::replay("uri", uri::run, 1);
}
