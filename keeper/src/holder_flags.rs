//! What the keeper keeps of keys' holders: who was revoked, and whose system is compromised.

use jetstream::{AppendError, ScanFrom, StoredMessage};
use keys::keys_stream::record::{self, CompromiseReport};
use keys::keys_stream::{COMPROMISED_PREFIX, REVOKED_PREFIX};
use keys::protocol::{KeysResponse, ListChangesRequest};
use keys::{DeviceId, KeyHolder, UserRef};

use crate::error::KeeperError;
use crate::request_handler::{CONFLICT_ATTEMPTS_MAX, RequestHandler, record_message};

/// Holders in one answer.
const PAGE_HOLDERS_MAX: usize = 1_000;

impl RequestHandler {
    /// Again is as good as once.
    pub(super) async fn revoke(&self, user: &UserRef, device: DeviceId) -> Result<KeysResponse, KeeperError> {
        let subject = format!("{REVOKED_PREFIX}{user}.{device}");
        let draft = record_message(subject.clone(), subject, 0, record::REVOCATION_MARK.to_vec());
        match self.appender.append(draft).await {
            Ok(_) | Err(AppendError::Conflict) => Ok(KeysResponse::Done),
            Err(error) => Err(error.into()),
        }
    }

    /// Of two reports the one that was signed later counts, in whatever order they come and however often.
    pub(super) async fn record_report(
        &self,
        user: &UserRef,
        holder: KeyHolder,
        told: CompromiseReport,
    ) -> Result<KeysResponse, KeeperError> {
        let subject = format!("{COMPROMISED_PREFIX}{user}.{holder}");
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            let stored = self.stream.last_per_subject(&subject).await?.pop();
            let before = stored.as_ref().and_then(|stored| record::parse_compromise_report(&stored.payload));
            let is_late = before.is_some_and(|before| before.signed_at_ms >= told.signed_at_ms);
            if is_late {
                return Ok(KeysResponse::Marked(before.is_some_and(|before| before.is_compromised)));
            }
            let record = record::encode_compromise_report(told).to_vec();
            let sequence = stored.map_or(0, |stored| stored.sequence);
            match self
                .appender
                .append(record_message(subject.clone(), subject.clone(), sequence, record))
                .await
            {
                Ok(_) => return Ok(KeysResponse::Marked(told.is_compromised)),
                Err(AppendError::Conflict | AppendError::Unknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(KeysResponse::Unavailable)
    }

    /// The next revoked devices behind a position in the keys' stream.
    pub(super) async fn list_revoked(&self, payload: &[u8]) -> Result<KeysResponse, KeeperError> {
        let page = self.read_page(payload, REVOKED_PREFIX).await?;
        Ok(page.map_or(KeysResponse::Unavailable, |FlagPage { stored, last }| {
            let devices = stored.into_iter().map(|(user, device, _)| (user, device)).collect();
            KeysResponse::Revoked { devices, last }
        }))
    }

    /// The next marks behind a position in the keys' stream, those that went away as well.
    pub(super) async fn list_compromised(&self, payload: &[u8]) -> Result<KeysResponse, KeeperError> {
        let page = self.read_page(payload, COMPROMISED_PREFIX).await?;
        Ok(page.map_or(KeysResponse::Unavailable, |FlagPage { stored, last }| {
            let holder = |(user, holder, stored): (_, _, StoredMessage)| {
                Some((user, holder, record::parse_compromise_report(&stored.payload)?.is_compromised))
            };
            KeysResponse::Compromised { holders: stored.into_iter().filter_map(holder).collect(), last }
        }))
    }

    /// `None` where the question can't be read.
    async fn read_page(&self, payload: &[u8], prefix: &str) -> Result<Option<FlagPage>, KeeperError> {
        let Ok(ListChangesRequest { after }) = serde_json::from_slice(payload) else { return Ok(None) };
        let from = ScanFrom::Sequence(after.saturating_add(1));
        let stored = self.stream.scan(from, &format!("{prefix}*.*"), PAGE_HOLDERS_MAX).await?;
        let last = stored.last().map_or(after, |stored| stored.sequence);
        let holder = |stored: StoredMessage| {
            let (user, holder) = stored.subject.strip_prefix(prefix)?.split_once('.')?;
            Some((user.to_owned(), holder.to_owned(), stored))
        };
        Ok(Some(FlagPage { stored: stored.into_iter().filter_map(holder).collect(), last }))
    }
}

/// Records with the user and the holder that they are of, and where in the stream the last of them stands.
struct FlagPage {
    stored: Vec<(String, String, StoredMessage)>,
    last: u64,
}
