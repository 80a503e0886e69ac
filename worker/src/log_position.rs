//! How far the log was read. Losing it costs a reading of the log from its beginning, and nothing else.
//!
//! `1 <log's identity> <sequence>`, text.

use std::time::{Duration, Instant};

use jetstream::{KvBucket, ReadError};

const KEY: &str = "position";
const FORMAT: &str = "1";
/// The position is written at most so often.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct LogPosition {
    log_identity: String,
    sequence: u64,
    revision: u64,
    saved_at: Option<Instant>,
}

impl LogPosition {
    /// As any worker wrote it last for this log; the beginning for another log.
    pub(crate) async fn load(bucket: &KvBucket, log: &str) -> Result<Self, ReadError> {
        let entry = bucket.get(KEY).await?;
        let revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let sequence = entry.and_then(|entry| parse_position(&entry.value, log)).unwrap_or(0);
        Ok(Self { log_identity: log.to_owned(), sequence, revision, saved_at: None })
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn advance_to(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// Writes it, now and then; where another worker wrote it, that is as good.
    pub(crate) async fn save(&mut self, bucket: &KvBucket) {
        if self.saved_at.is_some_and(|at| at.elapsed() < SAVE_INTERVAL) {
            return;
        }
        self.saved_at = Some(Instant::now());
        let value = encode_position(&self.log_identity, self.sequence);
        let before = self.revision;
        match bucket.put(KEY, value, before, None).await {
            Ok(revision) => {
                self.revision = revision;
                if before > 0 {
                    // An old position is of no worth and no secret: where it stays, it only takes space.
                    let _ = bucket.secure_delete(before).await;
                }
            }
            Err(_) => {
                if let Ok(Some(entry)) = bucket.get(KEY).await {
                    self.revision = entry.revision;
                }
            }
        }
    }
}

/// The stored bytes of a position in the stream that was created then.
pub(crate) fn encode_position(log: &str, sequence: u64) -> Vec<u8> {
    format!("{FORMAT} {log} {sequence}").into_bytes()
}

/// Reads stored bytes, where they are of this stream.
pub(crate) fn parse_position(value: &[u8], log: &str) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let (format, rest) = text.split_once(' ')?;
    let (of, sequence) = rest.rsplit_once(' ')?;
    (format == FORMAT && of == log).then(|| sequence.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_of_one_log() {
        let log = "2026-11-25T02:00:00.5Z";
        assert_eq!(encode_position(log, 4711), b"1 2026-11-25T02:00:00.5Z 4711");
        assert_eq!(parse_position(b"1 2026-11-25T02:00:00.5Z 4711", log), Some(4711));
        for other in [&b"1 2026-11-25T02:00:00.6Z 4711"[..], b"2 2026-11-25T02:00:00.5Z 4711", b"", b"1 x"] {
            assert_eq!(parse_position(other, log), None);
        }
    }
}
