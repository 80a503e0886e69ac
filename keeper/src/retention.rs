//! Destroying everybody's data keys of past years, with the keeper's own credentials.

use std::sync::Arc;

use jetstream::{Appender, Broker, CommitMode, ScanFrom};
use keys::keys_stream::ALL_KEYS_FILTER;
use keys::keys_stream::record::{self, UnwrappedRecord};
use keys::{ACCOUNT_YEAR, DataKeyId, KEYS_STREAM, Kek, UserRef, Year};

use crate::error::KeeperError;
use crate::request_handler::{RequestHandler, record_message};

/// Records read at a time.
const PAGE_RECORDS_MAX: usize = 1_000;

/// Destroys data keys by year. A key of the account is of no year, and stays.
pub struct DataKeyRetention(RequestHandler);

impl DataKeyRetention {
    /// Over this connection.
    pub fn new(broker: Broker, kek: Arc<Kek>) -> Self {
        let appender = Appender::start(broker.clone(), CommitMode::Grouped);
        let stream = KEYS_STREAM.stream(broker.clone());
        Self(RequestHandler { broker, stream, appender, kek, checked_kek_version: Arc::default() })
    }

    /// How many data keys there are of years before this one; with `destroys` they are overwritten, and a tombstone left for
    /// each. Killed half-way it is simply run again.
    pub async fn apply(
        &self,
        before: Year,
        destroys: bool,
        mut on_progress: impl FnMut(u64),
    ) -> Result<u64, KeeperError> {
        let (mut from, mut seen, mut found) = (1, 0, 0);
        loop {
            let page =
                self.0.stream.scan(ScanFrom::Sequence(from), ALL_KEYS_FILTER, PAGE_RECORDS_MAX).await?;
            let Some(last) = page.last() else { break };
            from = last.sequence + 1;
            seen += page.len() as u64;
            for stored in page {
                let named = stored.subject.strip_prefix("$KV.keys.").and_then(|name| name.split_once('.'));
                let named = named.and_then(|(user, id)| {
                    Some((user.parse::<UserRef>().ok()?, id.parse::<DataKeyId>().ok()?))
                });
                let Some((user, id)) = named else { continue };
                let UnwrappedRecord::Key(key) =
                    record::unwrap_data_key(&self.0.kek, &user, id, &stored.payload).await?
                else {
                    continue;
                };
                if key.year() == ACCOUNT_YEAR || key.year() >= before {
                    continue;
                }
                found += 1;
                if destroys {
                    self.0.replace_with_tombstone(stored).await?;
                }
            }
            on_progress(seen);
        }
        Ok(found)
    }

    /// Has every ingest forget the keys that it remembers, within a second: one of them may be destroyed.
    pub async fn invalidate_key_caches(&self) -> Result<(), KeeperError> {
        let (subject, mark) = record::retention_mark();
        self.0.appender.append(record_message(subject.clone(), subject, 0, mark)).await?;
        Ok(())
    }
}
