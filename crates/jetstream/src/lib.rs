//! The one door to NATS JetStream.
//!
//! Nothing else in this project speaks to the broker's client library. This crate knows messages, streams and
//! sequences; what a message means is its caller's matter. It offers what the library does not, or not safely
//! (async-nats 0.51): group commit by atomic batches, and reading in order that notices every hole.
//!
//! Every stream lives in an account without users, and a role reaches it through service imports that are renamed by
//! a prefix: `LOG.API.STREAM.INFO.EVENTS` instead of `$JS.API.STREAM.INFO.EVENTS` (see `nats.conf`).

mod appender;
mod connection;
mod delivery_metadata;
mod direct_get;
mod group_commit;
mod kv_bucket;
mod lease;
mod limits;
mod message;
mod ordered_consumer;
mod probe;
mod stream;
mod stream_spec;
mod subscription;

pub use appender::{Appender, CommitMode};
pub use connection::{Broker, BrokerAddress, ConnectError, RequestError};
pub use direct_get::{ReadError, ScanFrom};
pub use kv_bucket::{KvBucket, KvEntry};
pub use lease::{Lease, LeaseError, Leases};
pub use message::{AppendAck, AppendError, ExpectedSequence, NewMessage, StoredMessage};
pub use nkeys::KeyPair;
pub use ordered_consumer::{FollowError, OrderedConsumer};
pub use stream::{Stream, StreamInfo, StreamState};
pub use stream_spec::{Discard, INCIDENT_ADVICE, StreamConfigMismatch, StreamSpec, VerifyStreamError};
pub use subscription::{ReceivedMessage, Subscription};
