//! Every bound of this crate, with its unit.

use std::time::Duration;

/// Messages of one atomic batch: the server's own limit (ADR-50).
pub(crate) const BATCH_MESSAGES_MAX: usize = 1_000;
/// Up to this many waiting messages go out singly: an atomic batch costs about six synced writes whatever its size.
pub(crate) const INDIVIDUAL_COMMIT_MESSAGES_MAX: usize = 8;
/// Messages that may wait for the next commit. Past it an append is refused at once.
pub(crate) const APPEND_QUEUE_MESSAGES_MAX: usize = 8_192;
/// How long one attempt at a commit waits for its acknowledgement.
pub(crate) const COMMIT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an append may take in all, attempts and reconnects included.
pub(crate) const APPEND_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a request of the stream API waits.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to reach the broker.
pub(crate) const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);
/// Messages that a subscription buffers; what comes past it is dropped by the client, so pulls stay below it.
pub(crate) const SUBSCRIPTION_MESSAGES_MAX: usize = 65_536;
