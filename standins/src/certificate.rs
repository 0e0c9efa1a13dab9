//! A certificate authority that lives as long as the process, and a server certificate by it.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio_rustls::rustls;

/// A server's certificate and key, and the authority that vouches for it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The authority's certificate, PEM: what a client must trust.
    pub authority_pem: String,
    /// The server's certificate, PEM.
    pub certificate_pem: String,
    /// The server's private key, PEM.
    pub key_pem: String,
    server: Arc<rustls::ServerConfig>,
}

impl Identity {
    /// Makes an authority and a certificate for `address` and `localhost`.
    pub fn for_address(address: IpAddr) -> io::Result<Self> {
        Self::make(address).map_err(io::Error::other)
    }

    fn make(address: IpAddr) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let authority_key = rcgen::KeyPair::generate()?;
        let mut authority = rcgen::CertificateParams::new(Vec::new())?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(rcgen::DnType::CommonName, "stand-in authority");
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = rcgen::Issuer::new(authority, authority_key);

        let key = rcgen::KeyPair::generate()?;
        let mut server = rcgen::CertificateParams::new(vec![address.to_string(), "localhost".to_owned()])?;
        server.distinguished_name.push(rcgen::DnType::CommonName, "stand-in agent");
        server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = server.signed_by(&key, &issuer)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
        Ok(Self {
            authority_pem: authority_certificate.pem(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            server: Arc::new(config),
        })
    }

    /// For accepting connections.
    pub(crate) fn server(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.server)
    }
}
