//! What the keeper keeps of keys' holders: who was revoked, and whose system is compromised.

use jetstream::{AppendError, ScanFrom, StoredMessage};

use super::KeeperError;
use super::answering::{Answering, RACES_MAX, draft};
use crate::UserRef;
use crate::holder_list::ListRequest;
use crate::key_client::KeysAnswer;
use crate::keys_stream::{COMPROMISED_PREFIX, REVOKED_PREFIX};
use crate::own_id::DeviceId;
use crate::record::{self, Told};
use crate::signing::KeyHolder;

/// Holders in one answer.
const HOLDERS_PAGE: usize = 1_000;

impl Answering {
    /// Again is as good as once.
    pub(super) async fn revoke(&self, user: &UserRef, device: DeviceId) -> Result<KeysAnswer, KeeperError> {
        let subject = format!("{REVOKED_PREFIX}{user}.{device}");
        let draft = draft(subject.clone(), subject, 0, record::REVOKED.to_vec());
        match self.appender.append(draft).await {
            Ok(_) | Err(AppendError::Conflict) => Ok(KeysAnswer::Done),
            Err(error) => Err(error.into()),
        }
    }

    /// Of two reports the one that was signed later counts, in whatever order they come and however often.
    pub(super) async fn report(
        &self,
        user: &UserRef,
        holder: KeyHolder,
        told: Told,
    ) -> Result<KeysAnswer, KeeperError> {
        let subject = format!("{COMPROMISED_PREFIX}{user}.{holder}");
        for _ in 0..RACES_MAX {
            let stored = self.stream.last_per_subject(&subject).await?.pop();
            let before = stored.as_ref().and_then(|stored| record::told(&stored.payload));
            let is_late = before.is_some_and(|before| before.signed_at_ms >= told.signed_at_ms);
            if is_late {
                return Ok(KeysAnswer::Marked(before.is_some_and(|before| before.is_compromised)));
            }
            let record = record::report_record(told).to_vec();
            let sequence = stored.map_or(0, |stored| stored.sequence);
            match self.appender.append(draft(subject.clone(), subject.clone(), sequence, record)).await {
                Ok(_) => return Ok(KeysAnswer::Marked(told.is_compromised)),
                Err(AppendError::Conflict | AppendError::Unknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(KeysAnswer::Unavailable)
    }

    /// The next revoked devices behind a position in the keys' stream.
    pub(super) async fn revoked(&self, payload: &[u8]) -> Result<KeysAnswer, KeeperError> {
        let page = self.page(payload, REVOKED_PREFIX).await?;
        Ok(page.map_or(KeysAnswer::Unavailable, |Page { stored, last }| {
            let devices = stored.into_iter().map(|(user, device, _)| (user, device)).collect();
            KeysAnswer::Revoked { devices, last }
        }))
    }

    /// The next marks behind a position in the keys' stream, those that went away as well.
    pub(super) async fn compromised(&self, payload: &[u8]) -> Result<KeysAnswer, KeeperError> {
        let page = self.page(payload, COMPROMISED_PREFIX).await?;
        Ok(page.map_or(KeysAnswer::Unavailable, |Page { stored, last }| {
            let holder = |(user, holder, stored): (_, _, StoredMessage)| {
                Some((user, holder, record::told(&stored.payload)?.is_compromised))
            };
            KeysAnswer::Compromised { holders: stored.into_iter().filter_map(holder).collect(), last }
        }))
    }

    /// `None` where the question can't be read.
    async fn page(&self, payload: &[u8], prefix: &str) -> Result<Option<Page>, KeeperError> {
        let Ok(ListRequest { after }) = serde_json::from_slice(payload) else { return Ok(None) };
        let from = ScanFrom::Sequence(after.saturating_add(1));
        let stored = self.stream.scan(from, &format!("{prefix}*.*"), HOLDERS_PAGE).await?;
        let last = stored.last().map_or(after, |stored| stored.sequence);
        let holder = |stored: StoredMessage| {
            let (user, holder) = stored.subject.strip_prefix(prefix)?.split_once('.')?;
            Some((user.to_owned(), holder.to_owned(), stored))
        };
        Ok(Some(Page { stored: stored.into_iter().filter_map(holder).collect(), last }))
    }
}

/// Records with the user and the holder that they are of, and where in the stream the last of them stands.
struct Page {
    stored: Vec<(String, String, StoredMessage)>,
    last: u64,
}
