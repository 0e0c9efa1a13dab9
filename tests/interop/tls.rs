//! TLS before a program that has none: stunnel, with a certificate made for the test.

use super::harness::{Program, program, wait_for};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A running stunnel and the authority that vouches for it.
pub struct Tunnel {
    _program: Program,
    /// PEM, for `extra_roots`.
    pub authority: PathBuf,
}

impl Tunnel {
    /// TLS at `accept`, plain TCP to `connect`.
    pub fn start(dir: &Path, accept: SocketAddr, connect: SocketAddr) -> Self {
        let at = |name: &str| dir.join(name).display().to_string();
        let (certificate, key, authority) = (at("agent.pem"), at("agent.key"), dir.join("authority.pem"));
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let (authority_pem, authority_key, request) = (at("authority.pem"), at("authority.key"), at("agent.csr"));
        openssl(
            &["req", "-x509", "-days", "2", "-subj", "/CN=test authority"],
            &curve,
            &["-keyout", &authority_key, "-out", &authority_pem],
        );
        openssl(&["req", "-new", "-subj", "/CN=agent"], &curve, &["-keyout", &key, "-out", &request]);
        let extensions = at("agent.ext");
        fs::write(&extensions, format!("subjectAltName=IP:{}\nbasicConstraints=CA:FALSE\n", accept.ip())).unwrap();
        openssl(
            &["x509", "-req", "-days", "2", "-in", &request, "-extfile", &extensions],
            &[],
            &["-CA", &authority_pem, "-CAkey", &authority_key, "-CAcreateserial", "-out", &certificate],
        );
        let config = format!(
            "foreground = yes\npid =\n[agent]\naccept = {accept}\nconnect = {connect}\ncert = {}\nkey = {}\n",
            certificate, key
        );
        fs::write(dir.join("stunnel.conf"), config).unwrap();
        let mut command = Command::new(program("stunnel4", "stunnel4"));
        command.arg(dir.join("stunnel.conf"));
        let started = Program::start(command, dir, "stunnel");
        wait_for("stunnel to listen", Duration::from_secs(10), || TcpStream::connect(accept).ok());
        Self { _program: started, authority }
    }
}

fn openssl(verb: &[&str], options: &[&str], files: &[&str]) {
    let mut command = Command::new(program("openssl", "openssl"));
    let done = command.args(verb).args(options).args(files).stderr(Stdio::null()).stdout(Stdio::null()).status();
    assert!(done.is_ok_and(|status| status.success()), "openssl {} fails", verb.join(" "));
}
