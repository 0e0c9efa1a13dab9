//! TLS set up from files: servers from a chain and a key, clients from trust anchors (RFC 3261 §26.3.1, RFC 5922).
//!
//! TLS 1.2 and 1.3 with ring, passed explicitly: nothing here depends on what else in the process chose a provider. A
//! server's name is checked as the DNS name or address that was configured; the `sip:` URI names of RFC 5922 §7.1 are not
//! read. A renewed certificate is taken up with the next connection: a gateway outlives its certificates.

use super::config::{ClientTls, DriverError, PemFile, ServerTls};
use super::insecure::AnyCertificate;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// A TLS server's certificate, as its files are now.
pub(super) struct ServerCertificate {
    files: ServerTls,
    as_of: Stamp,
    acceptor: TlsAcceptor,
}

/// When the two files were changed, as far as can be told.
type Stamp = [Option<SystemTime>; 2];

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ServerCertificate {
    pub(super) fn load(files: &ServerTls) -> Result<Self, DriverError> {
        Ok(Self { files: files.clone(), as_of: stamp(files), acceptor: acceptor(files)? })
    }

    /// The acceptor to use now. Files that have changed are read again; when they are no good (half of a renewal,
    /// say), the former certificate stays in use until they change once more.
    pub(super) fn current(&mut self) -> TlsAcceptor {
        let stamp = stamp(&self.files);
        if stamp != self.as_of {
            self.as_of = stamp;
            match acceptor(&self.files) {
                Ok(acceptor) => {
                    tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is in use");
                    self.acceptor = acceptor;
                }
                Err(error) => tracing::warn!(%error, "the certificate has changed; the former one stays in use"),
            }
        }
        self.acceptor.clone()
    }
}

fn stamp(files: &ServerTls) -> Stamp {
    [&files.certificate, &files.private_key].map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
}

/// An acceptor from a certificate chain and its key.
fn acceptor(tls: &ServerTls) -> Result<TlsAcceptor, DriverError> {
    let chain = certificates(&tls.certificate, PemFile::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.private_key, PemFile::PrivateKey)?)
        .map_err(|error| pem_error(error, PemFile::PrivateKey, &tls.private_key))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(DriverError::Tls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| DriverError::BadCertificate {
            certificate: tls.certificate.clone(),
            private_key: tls.private_key.clone(),
            source,
        })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A connector for one profile.
pub(super) fn connector(tls: &ClientTls) -> Result<TlsConnector, DriverError> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS).map_err(DriverError::Tls)?;
    let config = if tls.verify {
        builder.with_root_certificates(roots(tls.extra_roots.as_deref())?).with_no_client_auth()
    } else {
        tracing::warn!(
            "TLS certificates are NOT verified (verify = false): anybody between can read and change calls and \
             credentials; set extra_roots to the authority's certificate instead"
        );
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider()))).with_no_client_auth()
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The system's trust anchors, or Mozilla's when it has none, and those of a file.
fn roots(extra: Option<&Path>) -> Result<RootCertStore, DriverError> {
    let mut store = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a system trust anchor could not be read");
    }
    store.add_parsable_certificates(native.certs);
    if store.is_empty() {
        tracing::info!("the system has no trust anchors; those of Mozilla that were built in are used");
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = extra {
        for certificate in certificates(path, PemFile::Roots)? {
            store.add(certificate).map_err(|source| DriverError::BadRoot { path: path.to_owned(), source })?;
        }
    }
    Ok(store)
}

fn certificates(path: &Path, what: PemFile) -> Result<Vec<CertificateDer<'static>>, DriverError> {
    let text = read(path, what)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| pem_error(error, what, path))?;
    if found.is_empty() {
        return Err(DriverError::NotInFile { what, path: path.to_owned() });
    }
    Ok(found)
}

fn read(path: &Path, what: PemFile) -> Result<Vec<u8>, DriverError> {
    std::fs::read(path).map_err(|source| DriverError::Unreadable { what, path: path.to_owned(), source })
}

fn pem_error(error: PemError, what: PemFile, path: &Path) -> DriverError {
    if matches!(error, PemError::NoItemsFound) {
        return DriverError::NotInFile { what, path: path.to_owned() };
    }
    DriverError::BadPem { what, path: path.to_owned(), source: error }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
