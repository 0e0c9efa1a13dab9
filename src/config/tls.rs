//! Certificates and keys of the configuration: read, parsed and matched before anything listens.

use super::section::Section;
use super::{Context, values};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;

/// What a TLS listener presents: files that were read and found to belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerIdentity {
    /// PEM: the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM: the key of the certificate.
    pub private_key: PathBuf,
}

/// How a trunk's TLS server is verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsClient {
    /// Verify the server's certificate and name. `false` accepts anything: for a laboratory only.
    pub verify: bool,
    /// PEM: authorities trusted besides the system's; read and found to hold certificates.
    pub extra_roots: Option<PathBuf>,
}

impl Default for TlsClient {
    fn default() -> Self {
        Self { verify: true, extra_roots: None }
    }
}

impl TlsClient {
    pub(super) fn read(trunk: &mut Section<'_>, context: &Context<'_>) -> Self {
        let mut tls = Self::default();
        let Some(mut section) = trunk.take_table("tls", "tls = { verify = true }") else { return tls };
        if let Some(verify) = section.flag("verify") {
            tls.verify = verify;
        }
        let example = "extra_roots = \"ca.pem\"";
        if let Some(path) = section.text("extra_roots", example) {
            tls.extra_roots = certificates(&section, "extra_roots", path, context).map(|_| context.path(path));
        }
        section.finish();
        if !tls.verify {
            section.warning(
                "verify",
                "the server's certificate is not checked: anyone on the way can listen and take the credentials",
                "for a private authority write tls = { extra_roots = \"ca.pem\" } instead",
            );
        }
        tls
    }
}

impl ServerIdentity {
    /// Reads `certificate` and `private_key` of a listener and checks that they belong together.
    pub(super) fn read(listen: &mut Section<'_>, context: &Context<'_>) -> Option<Self> {
        let certificate = listen.text("certificate", "certificate = \"fullchain.pem\"");
        let private_key = listen.text("private_key", "private_key = \"privkey.pem\"");
        let certificates = certificates(listen, "certificate", certificate?, context);
        let key = key(listen, private_key?, context);
        let (certificates, key) = (certificates?, key?);
        let provider = rustls::crypto::ring::default_provider();
        match rustls::sign::CertifiedKey::from_der(certificates, key, &provider) {
            Ok(_) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                listen.mistake(
                    "private_key",
                    "the key does not belong to the certificate",
                    "name the key the certificate was issued for; the host's own certificate comes first in its file",
                );
                return None;
            }
            Err(error) => {
                listen.mistake(
                    "private_key",
                    format!("the key cannot be used: {error}"),
                    "use an ECDSA P-256 or P-384, Ed25519 or RSA (2048 bits or more) key",
                );
                return None;
            }
        }
        Some(Self { certificate: context.path(certificate?), private_key: context.path(private_key?) })
    }
}

fn certificates(
    section: &Section<'_>,
    key: &'static str,
    path: &str,
    context: &Context<'_>,
) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = read(section, key, path, context)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let path = context.path(path);
    let problem = match read {
        Ok(certificates) if !certificates.is_empty() => {
            match certificates.iter().position(|certificate| !is_certificate(certificate)) {
                None => return Some(certificates),
                Some(at) => format!("{}: certificate {} in it cannot be read", path.display(), at + 1),
            }
        }
        Ok(_) => format!("{} holds no certificate", path.display()),
        Err(error) => format!("{} is not a PEM file: {error}", path.display()),
    };
    section.mistake(key, problem, "the file must hold -----BEGIN CERTIFICATE----- blocks");
    None
}

fn key(section: &Section<'_>, path: &str, context: &Context<'_>) -> Option<PrivateKeyDer<'static>> {
    let bytes = read(section, "private_key", path, context)?;
    let path = context.path(path);
    let problem = match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => return Some(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => {
            if bytes.windows(9).any(|window| window == b"ENCRYPTED") {
                format!("{} is encrypted with a passphrase", path.display())
            } else {
                format!("{} holds no private key", path.display())
            }
        }
        Err(error) => format!("{} is not a PEM file: {error}", path.display()),
    };
    section.mistake(
        "private_key",
        problem,
        "the file must hold a -----BEGIN PRIVATE KEY----- block, without a passphrase",
    );
    None
}

fn read(section: &Section<'_>, key: &'static str, path: &str, context: &Context<'_>) -> Option<Vec<u8>> {
    let path = context.path(path);
    match context.environment.read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            section.mistake(
                key,
                format!("{} cannot be read: {}", path.display(), values::io_error(&error)),
                "paths are relative to the directory of this file; the user who runs the gateway must be able to read it",
            );
            None
        }
    }
}

/// Whether the bytes are a certificate at all; whom it names and until when is the peer's to judge.
fn is_certificate(certificate: &CertificateDer<'_>) -> bool {
    rustls::server::ParsedCertificate::try_from(certificate).is_ok()
}
