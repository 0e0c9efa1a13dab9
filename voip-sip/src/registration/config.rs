//! What a registration is told once: which binding to keep where, and how patiently (RFC 3261 §10.2).

use crate::auth::Credentials;
use crate::transport::ServerAddress;
use std::time::Duration;

/// A registration to be kept.
#[derive(Clone, Debug)]
pub struct RegistrationConfig {
    /// Registrars, tried in order. Never empty.
    pub servers: Vec<ServerAddress>,
    /// User part of the address of record.
    pub user: String,
    /// Host of the address of record and Request-URI; the server's when `None`.
    pub domain: Option<String>,
    /// What challenges are answered with.
    pub credentials: Option<Credentials>,
    /// The interval asked for, seconds.
    pub expires: u32,
    /// The longest wait after the first round of failures without a binding; doubled with each further one, up to five
    /// minutes.
    pub retry_interval: Duration,
    /// The wait after a 403 or refused credentials: carriers ban addresses that go on asking.
    pub forbidden_retry_interval: Duration,
}
