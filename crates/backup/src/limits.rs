//! Every bound of this crate, with its unit.

use std::time::Duration;

/// The longest line of a file: an event of the broker's 1 MiB takes 1.4 MiB as base64.
pub(crate) const LINE_BYTES_MAX: usize = 2 << 20;
/// Events appended together: what the broker takes as one atomic batch.
pub(crate) const BATCH_EVENTS_MAX: usize = 1_000;
/// Stored bytes appended together.
pub(crate) const BATCH_BYTES_MAX: usize = 4 << 20;
/// Messages read from a stream, or lines from a file, at a time.
pub(crate) const PAGE_MAX: usize = 1_000;
/// Chunks of a file that are read ahead.
pub(crate) const CHUNKS_AHEAD_MAX: usize = 2;
/// Key records put back together. Each is looked up by its subject and by its user's mark, and the broker refuses an
/// answer of more than 1,024 messages.
pub(crate) const KEY_BATCH_MAX: usize = 400;
/// Key records that may change or come while they are copied. They are held in memory.
pub(crate) const LATE_KEYS_MAX: usize = 100_000;
/// Reports of progress that may wait.
pub(crate) const PROGRESS_QUEUE_MAX: usize = 16;
/// Events between two reports of progress.
pub(crate) const PROGRESS_INTERVAL_EVENTS: u64 = 1_000;
/// How often the same thing is tried again.
pub(crate) const RETRIES_MAX: usize = 20;
/// The pause between two tries.
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_millis(250);
