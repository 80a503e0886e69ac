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

pub use append::{AppendError, AppendAck, Appender, CommitMode, NewMessage, ExpectedSequence};
pub use bucket::{KvBucket, KvEntry};
pub use connection::{Broker, BrokerAddress, ConnectError, ReceivedMessage, RequestError, Subscription};
pub use follow::{FollowError, OrderedConsumer};
pub use lease::{Lease, LeaseError, Leases};
pub use nkeys::KeyPair;
pub use read::{Stream, StreamInfo, StreamState};
pub use scan::{ReadError, ScanFrom, StoredMessage};
pub use vital::spawn_critical;
