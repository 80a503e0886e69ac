//! What the worker keeps in the broker, in an account that nobody else reads (`WORK` in `nats.conf`).
//!
//! | bucket | key | holds |
//! |---|---|---|
//! | `KV_connections` | `<user ref>.<connection id>` | a connection with its tokens ([`crate::connections::record`]) |
//! | `KV_leases` | `connection.<connection id>`, `feed.<endpoint id>` | who is at work; ends by itself |
//! | `KV_endpoints` | `<endpoint id>` | a receiver of the change feed |
//! | `KV_work` | `position`, `cursor.<endpoint id>`, `retry.<endpoint id>.<change>` | how far the worker is |
//! | `KV_work` | `erasure.<user ref>` | an account that is to be erased ([`crate::erasures`]) |
//! | `KV_work` | `export.<export id>` | an export that is to be made ([`crate::exports`]) |
//!
//! Unlike an ordinary bucket these, but for the leases, keep what was replaced until it is deleted, and let it be deleted so
//! that the server overwrites its bytes: a token that was replaced or revoked must not stay on a disk.

use jetstream::{Broker, KvBucket, Stream};
use serde_json::{Value, json};

const API_PREFIX: &str = "WORK.API";

/// A bucket of the worker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerBucket {
    /// Connections with their tokens.
    Connections,
    /// Who is at work.
    Leases,
    /// Receivers of the change feed.
    Endpoints,
    /// How far the worker is.
    Work,
}

impl WorkerBucket {
    /// Every bucket.
    pub const ALL: [Self; 4] = [Self::Connections, Self::Leases, Self::Endpoints, Self::Work];

    /// The stream's name, and what its keys stand behind.
    const fn stream_name_and_prefix(self) -> (&'static str, &'static str) {
        match self {
            Self::Connections => ("KV_connections", "$KV.connections."),
            Self::Leases => ("KV_leases", "$KV.leases."),
            Self::Endpoints => ("KV_endpoints", "$KV.endpoints."),
            Self::Work => ("KV_work", "$KV.work."),
        }
    }

    /// The stream, as setup creates it and the worker reads it.
    pub fn stream(self, broker: Broker) -> Stream {
        Stream::new(broker, API_PREFIX, self.stream_name_and_prefix().0)
    }

    /// What its keys stand behind, for reading some of them.
    pub(crate) fn key_prefix(self) -> &'static str {
        self.stream_name_and_prefix().1
    }

    pub(crate) fn open(self, broker: Broker) -> KvBucket {
        let (name, prefix) = self.stream_name_and_prefix();
        KvBucket::open(broker, API_PREFIX, name, prefix)
    }

    /// What setup creates.
    pub fn stream_config(self, replicas: u8) -> Value {
        let (name, prefix) = self.stream_name_and_prefix();
        let is_leases = self == Self::Leases;
        json!({
            "name": name,
            "description": "SyncWell: the worker's",
            "subjects": [format!("{prefix}>")],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_msgs_per_subject": if is_leases { 1 } else { -1 },
            "num_replicas": replicas,
            "allow_direct": true,
            "allow_atomic": true,
            "allow_msg_ttl": is_leases,
            "allow_rollup_hdrs": false,
            "deny_delete": false,
            "deny_purge": true,
        })
    }
}
