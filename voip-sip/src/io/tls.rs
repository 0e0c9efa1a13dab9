//! TLS set up from files: servers from a chain and a key, clients from trust anchors (RFC 3261 §26.3.1, RFC 5922).
//!
//! TLS 1.2 and 1.3 with ring, passed explicitly: nothing here depends on what else in the process chose a provider. A
//! server's name is checked as the DNS name or address that was configured; the `sip:` URI names of RFC 5922 §7.1 are not
//! read.

use super::config::{ClientTls, DriverError, PemFile, ServerTls};
use super::insecure::AnyCertificate;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// An acceptor from a certificate chain and its key.
pub(super) fn acceptor(tls: &ServerTls) -> Result<TlsAcceptor, DriverError> {
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
