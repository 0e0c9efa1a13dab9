//! From the configuration to the parts of a gateway.

use super::core::CoreConfig;
use crate::config::{self, Config};
use std::time::Duration;
use voip_core::net::AddressPolicy;
use voip_core::time::ClockPair;
use voip_media::io::MediaWorkersConfig;
use voip_sip::endpoint::{EndpointConfig, UnknownSources};
use voip_sip::io::{ClientTls, DriverConfig, Listener, ServerTls};
use voip_sip::message::MessageLimits;
use voip_sip::transaction::TransactionConfig;
use voip_sip::transport::FlowsConfig;

/// What the core is built from. `addresses` holds this host's interfaces; `trace`: every message is told.
pub fn core_config(
    config: &Config,
    mut addresses: AddressPolicy,
    clock: ClockPair,
    seed: [u8; 32],
    trace: bool,
) -> CoreConfig {
    let gateway = &config.gateway;
    addresses.public = gateway.public_address;
    addresses.local_networks.clone_from(&gateway.local_networks);
    let message = MessageLimits { max_message: config.limits.max_message_size, ..MessageLimits::default() };
    // The longest ringing that a route allows, and time for the far side to say that it is over.
    let longest = config.routes.iter().map(|route| route.ring_timeout).max().unwrap_or_default();
    let transactions = TransactionConfig::default();
    let invite_limit = transactions.invite_limit.max(longest + Duration::from_secs(40));
    let endpoint = EndpointConfig {
        user_agent: gateway.user_agent.clone(),
        addresses,
        unknown_sources: match gateway.unknown_sources {
            config::UnknownSources::Ignore => UnknownSources::Ignore,
            config::UnknownSources::Reject => UnknownSources::Reject,
        },
        message_limits: message,
        // Two legs each, and room for calls that are to be refused by name: the core's own limit decides.
        max_calls: gateway.max_calls as usize * 2 + 64,
        clock,
        transactions: TransactionConfig {
            max_transactions: config.limits.max_transactions,
            invite_limit,
            proceeding_limit: invite_limit + Duration::from_secs(60),
            ..transactions
        },
        flows: FlowsConfig {
            max_connections: config.limits.max_connections,
            partial_timeout: config.limits.message_timeout,
            idle_timeout: config.limits.connection_idle_timeout,
            message,
            ..FlowsConfig::default()
        },
        trace,
    };
    CoreConfig {
        endpoint,
        trunks: config.trunks.clone(),
        routes: config.routes.clone(),
        max_calls: gateway.max_calls,
        seed,
    }
}

/// How the media workers are set up.
pub fn media_config(config: &Config, seed: u64) -> MediaWorkersConfig {
    let gateway = &config.gateway;
    MediaWorkersConfig {
        rtp_ports: gateway.rtp_ports.first..=gateway.rtp_ports.last,
        threads: gateway.media_threads,
        gather: gateway.rtp_gather,
        seed,
        ..MediaWorkersConfig::default()
    }
}

/// What is listened on.
pub(super) fn listeners(config: &Config) -> Vec<Listener> {
    config
        .listen
        .iter()
        .map(|listen| Listener {
            transport: listen.transport,
            bind: listen.bind,
            tls: listen.identity.as_ref().map(|identity| ServerTls {
                certificate: identity.certificate.clone(),
                private_key: identity.private_key.clone(),
            }),
        })
        .collect()
}

/// How each trunk's connections do TLS, in the order of the trunks.
pub(super) fn tls_profiles(config: &Config) -> Vec<ClientTls> {
    config
        .trunks
        .iter()
        .map(|trunk| ClientTls { verify: trunk.tls.verify, extra_roots: trunk.tls.extra_roots.clone() })
        .collect()
}

/// The bounds of the driver.
pub(super) fn driver_config(config: &Config) -> DriverConfig {
    DriverConfig {
        max_connections: config.limits.max_connections,
        max_connections_per_address: config.limits.max_connections_per_source,
        handshake_timeout: config.limits.message_timeout,
        first_bytes_timeout: config.limits.message_timeout,
        ..DriverConfig::default()
    }
}
