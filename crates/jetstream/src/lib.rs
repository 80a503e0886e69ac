//! The one door to NATS JetStream.
//!
//! Nothing else in this project speaks to the broker's client library. This crate knows messages, streams and
//! sequences; what a message means is its caller's matter. It offers what the library does not, or not safely
//! (async-nats 0.51): group commit by atomic batches, and reading in order that notices every hole.
//!
//! Every stream lives in an account without users, and a role reaches it through service imports that are renamed by
//! a prefix: `LOG.API.STREAM.INFO.EVENTS` instead of `$JS.API.STREAM.INFO.EVENTS` (see `nats.conf`).

mod append;
mod bucket;
mod commit;
mod connection;
mod follow;
mod headers;
mod lease;
mod limits;
mod probe;
mod read;
mod scan;
mod vital;

pub use append::{AppendError, Appended, Appender, Commit, Draft, Expected};
pub use bucket::{Bucket, Entry};
pub use connection::{Broker, BrokerAddress, ConnectError, Heard, RequestError, Subscription};
pub use follow::{FollowError, Followed};
pub use lease::{Lease, LeaseError, Leases};
pub use nkeys::KeyPair;
pub use read::{Stream, StreamInfo, StreamState};
pub use scan::{ReadError, ScanFrom, Stored};
pub use vital::spawn_vital;
