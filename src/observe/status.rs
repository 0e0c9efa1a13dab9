//! The state of a running gateway, as `status` tells it: plain data, as JSON and as a table for a terminal.
//!
//! Numbers are whole: who may open the status socket may also read the gateway's memory. The gateway fills it in;
//! `status_socket` carries it.

mod table;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the gateway is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The version of the gateway.
    pub version: String,
    /// The id of its process.
    pub pid: u32,
    /// When it started, RFC 3339 in UTC.
    pub started: String,
    /// How long it has been up, seconds.
    pub uptime_s: u64,
    /// It takes no new calls: it is shutting down.
    pub stopping: bool,
    /// How much of each limit is in use.
    pub usage: Usage,
    /// Where it listens.
    pub listeners: Vec<ListenerStatus>,
    /// What it keeps registered.
    pub registrations: Vec<RegistrationStatus>,
    /// Its trunks.
    pub trunks: Vec<TrunkStatus>,
    /// The calls that are up, the oldest first.
    pub calls: Vec<CallStatus>,
    /// Everything that is counted since the start, by name: `ignored_strangers`, `malformed_messages`, ..
    pub counters: BTreeMap<String, u64>,
}

/// How much of each limit is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Calls up, ringing ones too.
    pub calls: u64,
    /// How many there may be.
    pub max_calls: u64,
    /// UDP ports that media uses.
    pub media_ports: u64,
    /// How many it may use.
    pub max_media_ports: u64,
    /// TCP and TLS connections.
    pub connections: u64,
    /// How many there may be.
    pub max_connections: u64,
    /// SIP transactions under way.
    pub transactions: u64,
    /// SIP dialogs kept.
    pub dialogs: u64,
}

/// A listening socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerStatus {
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// The address and port it is bound to.
    pub address: String,
}

/// A binding at a registrar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegistrationStatus {
    /// The trunk.
    pub trunk: String,
    /// `registered`, `registering`, `backoff`, ..
    pub state: String,
    /// The server in use.
    pub server: String,
    /// How long it has been in this state, seconds.
    pub since_s: u64,
    /// When the binding ends unless it is refreshed, in seconds.
    pub expires_in_s: Option<u64>,
    /// When the next REGISTER is due, in seconds.
    pub next_attempt_in_s: Option<u64>,
    /// What went wrong last, if anything.
    pub last_error: Option<String>,
}

/// A trunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrunkStatus {
    /// Its name.
    pub name: String,
    /// The server in use.
    pub server: String,
    /// Calls up through it, both directions.
    pub calls: u64,
    /// How many there may be.
    pub max_calls: Option<u64>,
    /// Whether it answers OPTIONS; `None`: it is not asked.
    pub reachable: Option<bool>,
    /// Round trip of the last OPTIONS, ms.
    pub round_trip_ms: Option<f64>,
    /// Calls from it since the start.
    pub calls_in: u64,
    /// Calls to it since the start.
    pub calls_out: u64,
    /// Calls of it that failed before they were answered.
    pub failed: u64,
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallStatus {
    /// The gateway's name for it.
    pub id: String,
    /// The trunk it came from.
    pub from_trunk: String,
    /// The trunk it goes to.
    pub to_trunk: String,
    /// The caller's number.
    pub caller: String,
    /// The number dialled.
    pub called: String,
    /// `calling`, `ringing`, `up`, `held`, `ending`.
    pub state: String,
    /// Since the INVITE, seconds.
    pub age_s: u64,
    /// Since the answer, seconds.
    pub talk_s: Option<u64>,
    /// The codec of the caller's leg.
    pub caller_codec: Option<String>,
    /// The codec of the called leg.
    pub callee_codec: Option<String>,
    /// What is lost of what comes from the caller, per cent.
    pub caller_loss_percent: Option<f64>,
    /// What is lost of what comes from the called side, per cent.
    pub callee_loss_percent: Option<f64>,
}

impl Status {
    /// One line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data has a JSON form")
    }

    /// JSON for a person.
    pub fn to_pretty_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data has a JSON form")
    }

    /// A table for a terminal, with a line break at the end.
    pub fn to_table(&self) -> String {
        table::render(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_json_and_unknown_or_missing_fields() {
        let status = Status { pid: 7, counters: BTreeMap::from([("x".to_owned(), 1)]), ..Status::default() };
        assert_eq!(serde_json::from_str::<Status>(&status.to_json()).unwrap(), status);
        let other_version = r#"{"pid":7,"novelty":true,"calls":[{"id":"c"}]}"#;
        let status: Status = serde_json::from_str(other_version).unwrap();
        assert_eq!((status.pid, status.calls[0].id.as_str()), (7, "c"));
    }
}
