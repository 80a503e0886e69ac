//! Destroying everybody's data keys of past years, with the keeper's own credentials.

use std::sync::Arc;

use jetstream::{Appender, Broker, CommitMode, ScanFrom};

use super::KeeperError;
use super::answering::{Answering, draft};
use crate::UserRef;
use crate::data_key::{ACCOUNT, DataKeyId, Year};
use crate::kek::Kek;
use crate::keys_stream::{ALL_KEYS, ERASING, KeysStream};
use crate::own_id::ErasureId;
use crate::record::{self, Record};
use crate::seal::random;

/// Records read at a time.
const PAGE_RECORDS: usize = 1_000;

/// Destroys data keys by year. A key of the account is of no year, and stays.
pub struct Retention(Answering);

impl Retention {
    /// Over this connection.
    pub fn over(broker: Broker, kek: Arc<Kek>) -> Self {
        let appender = Appender::start(broker.clone(), CommitMode::Grouped);
        let stream = KeysStream::over(broker.clone());
        Self(Answering { broker, stream, appender, kek, checked: Arc::default() })
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
            let page = self.0.stream.scan(ScanFrom::Sequence(from), ALL_KEYS, PAGE_RECORDS).await?;
            let Some(last) = page.last() else { break };
            from = last.sequence + 1;
            seen += page.len() as u64;
            for stored in page {
                let named = stored.subject.strip_prefix("$KV.keys.").and_then(|name| name.split_once('.'));
                let named = named.and_then(|(user, id)| {
                    Some((user.parse::<UserRef>().ok()?, id.parse::<DataKeyId>().ok()?))
                });
                let Some((user, id)) = named else { continue };
                let Record::Key(key) = record::unwrap(&self.0.kek, &user, id, &stored.payload).await? else {
                    continue;
                };
                if key.year() == ACCOUNT || key.year() >= before {
                    continue;
                }
                found += 1;
                if destroys {
                    self.0.bury(stored).await?;
                }
            }
            on_progress(seen);
        }
        Ok(found)
    }

    /// Has every ingest forget the keys that it remembers, within a second: one of them may be destroyed.
    pub async fn have_forgotten(&self) -> Result<(), KeeperError> {
        let occasion = data_encoding::HEXLOWER.encode(&random::<8>());
        let subject = format!("$KV.keys.retention-{occasion}.{ERASING}");
        let mark = record::erasing_record(ErasureId::from_bytes(random()));
        self.0.appender.append(draft(subject.clone(), subject, 0, mark)).await?;
        Ok(())
    }
}
