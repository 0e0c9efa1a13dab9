//! What the endpoint must know of a trunk.

use crate::config::{Identify, Trunk};
use voip_sip::auth::Credentials;
use voip_sip::endpoint::{PeerConfig, ServerAddress, SessionTimerConfig, TlsProfile};
use voip_sip::registration::RegistrationConfig;

/// The endpoint's view of a trunk. `tls` names the driver's settings for connections to it.
pub fn peer_config(trunk: &Trunk, tls: TlsProfile) -> PeerConfig {
    let (identify, challenge) = match &trunk.identify {
        Identify::Never => (Vec::new(), false),
        Identify::Address(networks) => (networks.clone(), false),
        Identify::Credentials(networks) => (networks.clone(), true),
    };
    let timer = &trunk.session_timer;
    PeerConfig {
        name: trunk.name.clone(),
        servers: servers(trunk),
        credentials: trunk.auth_username.clone().zip(trunk.password.clone()),
        identify,
        challenge,
        tls,
        session_timer: SessionTimerConfig {
            min_se: timer.min_se.as_secs() as u32,
            expires: timer.expires.as_secs() as u32,
        },
        contact_user: Some(trunk.contact_user.clone()),
        qualify_interval: trunk.qualify_interval,
    }
}

/// How the trunk is registered at, if it is.
pub fn registration_config(trunk: &Trunk) -> Option<RegistrationConfig> {
    let registration = trunk.registration.as_ref()?;
    let credentials = trunk.auth_username.clone().zip(trunk.password.clone());
    Some(RegistrationConfig {
        servers: servers(trunk),
        user: trunk.username.clone().unwrap_or_default(),
        domain: trunk.from_domain.clone(),
        credentials: credentials.map(|(username, password)| Credentials { username, password, realm: None }),
        expires: registration.expires.as_secs() as u32,
        retry_interval: registration.retry_interval,
        forbidden_retry_interval: registration.forbidden_retry_interval,
    })
}

fn servers(trunk: &Trunk) -> Vec<ServerAddress> {
    trunk
        .servers
        .iter()
        .map(|server| ServerAddress { host: server.host.clone(), port: server.port, transport: server.transport })
        .collect()
}
