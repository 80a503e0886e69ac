//! What the worker keeps in the broker, in an account that nobody else reads (`WORK` in `nats.conf`).
//!
//! | bucket | key | holds |
//! |---|---|---|
//! | `KV_connections` | `<user ref>.<connection id>` | a connection with its tokens ([`crate::connections::record`]) |
//! | `KV_leases` | `connection.<connection id>`, `feed.<endpoint id>` | who is at work; ends by itself |
//! | `KV_endpoints` (in [`events`]) | `<endpoint id>` | a receiver of the change feed |
//! | `KV_work` | `position`, `cursor.<endpoint id>`, `retry.<endpoint id>.<change>` | how far the worker is |
//! | `KV_work` | `erasure.<user ref>` | an account that is to be erased ([`crate::erasures`]) |
//! | `KV_work` | `export.<export id>` | an export that is to be made ([`crate::exports`]) |
//!
//! Unlike an ordinary bucket these, but for the leases, keep what was replaced until it is deleted, and let it be deleted so
//! that the server overwrites its bytes: a token that was replaced or revoked must not stay on a disk.

use events::ENDPOINTS_STREAM;
use jetstream::{Broker, KvBucket, Leases, StreamSpec};

/// Connections with their tokens.
pub static CONNECTIONS_STREAM: StreamSpec = bucket("KV_connections", "$KV.connections.>");
/// Leases: who is at work.
pub static LEASES_STREAM: StreamSpec =
    StreamSpec { max_msgs_per_subject: 1, allow_msg_ttl: true, ..bucket("KV_leases", "$KV.leases.>") };
/// Positions and tasks.
pub static WORK_STREAM: StreamSpec = bucket("KV_work", "$KV.work.>");

const fn bucket(name: &'static str, subjects: &'static str) -> StreamSpec {
    StreamSpec { deny_delete: false, ..StreamSpec::new(name, "WORK.API", subjects, "SyncWell: the worker's") }
}

/// Every bucket, opened once per process: clones share the bucket's committer.
#[derive(Clone)]
pub(crate) struct Buckets {
    pub(crate) connections: KvBucket,
    pub(crate) endpoints: KvBucket,
    pub(crate) work: KvBucket,
    pub(crate) leases: Leases,
}

impl Buckets {
    /// Starts one committer per bucket.
    pub(crate) fn open(broker: &Broker) -> Self {
        let open = |stream: &'static StreamSpec| KvBucket::open(broker.clone(), stream);
        Self {
            connections: open(&CONNECTIONS_STREAM),
            endpoints: open(&ENDPOINTS_STREAM),
            work: open(&WORK_STREAM),
            leases: Leases::new(open(&LEASES_STREAM)),
        }
    }
}
