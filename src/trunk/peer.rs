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
        // No address stands for it, not even those that it must come from: whoever shares one would be let in unasked.
        Identify::Credentials(_) => (Vec::new(), true),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, FixedEnvironment};

    #[test]
    fn a_trunk_known_by_credentials_is_never_known_by_its_address() {
        let text = "[trunk.a]\nserver = \"sip:192.0.2.1\"\nusername = \"u\"\npassword = \"p\"\n\
                    identify_by = \"credentials\"\nidentify = [\"192.0.2.0/24\"]\n\
                    [trunk.b]\nserver = \"sip:192.0.9.2\"\n[[route]]\nfrom = \"a\"\nto = \"b\"\n";
        let config = Config::parse(text, "t.toml", &FixedEnvironment::default()).unwrap();
        let peer = peer_config(&config.trunks[0], TlsProfile(0));
        assert!(peer.challenge && peer.identify.is_empty());
    }
}
