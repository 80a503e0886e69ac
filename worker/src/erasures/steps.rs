//! The steps themselves. Each may be killed at any moment and done again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use aggregates::AccountErasure;
use events::{
    ConnectionEvent, ERASE_USER_SUBJECT, EraseUserRequest, EraseUserResponse, ErasedCounts, Event, EventKind,
};
use jetstream::{ReadError, ScanFrom};
use keys::{ConnectionId, EraseStep, UserRef};
use schemas::{ConnectionStatus, ErasureStep, ProviderRevocation, Sequence};

use super::{ErasureStepError, ErasureWorker};
use crate::connections::record::ConnectionRecordKey;
use crate::connections::reducer::revoke_for_erasure;
use crate::connections::store::PAGE_ENTRIES_MAX;
use crate::decrypt::decrypt_if_kind;
use crate::exports::{ExportTaskStore, export_lease_key};
use crate::kv_buckets::CONNECTIONS_STREAM;
use crate::lease_renewal::{LEASE_TTL, run_to_completion};

/// What the user's own events say of providers.
#[derive(Default)]
struct ProviderAccounts {
    /// The pseudonyms under which providers' deliveries about the user are filed, with keys of their own.
    users: BTreeSet<UserRef>,
    /// What came of revoking each connection.
    revocations: BTreeMap<ConnectionId, ProviderRevocation>,
}

impl ErasureWorker {
    /// Does a step, and says what it destroyed.
    pub(super) async fn run_step(
        &self,
        user: &UserRef,
        account: &AccountErasure,
        step: ErasureStep,
    ) -> Result<ErasedCounts, ErasureStepError> {
        match step {
            ErasureStep::AccountMarked => self.mark_account(user, account).await,
            ErasureStep::ConnectionsRevoked => self.revoke_connections(user).await,
            ErasureStep::ExportsDeleted => self.delete_exports(user).await,
            ErasureStep::ViewsCleared => self.clear_views(user, account).await,
            ErasureStep::SessionsEnded => {
                let forgotten = self.erase_at_keeper(user, &EraseStep::EndSessions).await?;
                Ok([("device_marks".to_owned(), forgotten)].into())
            }
            ErasureStep::KeysDestroyed => self.destroy_keys(user, account).await,
        }
    }

    async fn mark_account(
        &self,
        user: &UserRef,
        account: &AccountErasure,
    ) -> Result<ErasedCounts, ErasureStepError> {
        let deed = EraseStep::Mark { erasure_id: account.erasure_id };
        self.erase_at_keeper(user, &deed).await?;
        let providers = self.provider_accounts(user).await?;
        for provider_user in &providers.users {
            self.erase_at_keeper(provider_user, &deed).await?;
        }
        Ok([("provider_accounts".to_owned(), providers.users.len() as u64)].into())
    }

    /// Has every connection revoked as if its user had asked for that, and when all are, destroys what is kept of them.
    async fn revoke_connections(&self, user: &UserRef) -> Result<ErasedCounts, ErasureStepError> {
        let mut all_revoked = true;
        for key in self.connection_keys(user).await? {
            let now = (self.clock)();
            let record = self.connections.update(&key, |record| revoke_for_erasure(record, now)).await?;
            all_revoked &= record.is_none_or(|record| {
                record.status == ConnectionStatus::Revoked && record.pending_event.is_none()
            });
        }
        if !all_revoked {
            return Err(ErasureStepError::NotYet("a provider has not revoked its tokens yet"));
        }
        self.destroy_records(user).await?;
        let mut counts = ErasedCounts::new();
        for at_provider in self.provider_accounts(user).await?.revocations.into_values() {
            let name = serde_json::to_value(at_provider).unwrap_or_default();
            *counts.entry(format!("connections_{}", name.as_str().unwrap_or("unknown"))).or_default() += 1;
        }
        Ok(counts)
    }

    async fn connection_keys(
        &self,
        user: &UserRef,
    ) -> Result<BTreeSet<ConnectionRecordKey>, ErasureStepError> {
        let prefix = CONNECTIONS_STREAM.subject_prefix();
        let stored = self.record_revisions(user).await?;
        Ok(stored
            .iter()
            .filter_map(|(subject, _)| ConnectionRecordKey::decode(subject.strip_prefix(prefix)?))
            .collect())
    }

    /// Every write about the user's connections, those that were replaced and are still there too.
    async fn record_revisions(&self, user: &UserRef) -> Result<Vec<(String, u64)>, ErasureStepError> {
        let filter = format!("{}{user}.*", CONNECTIONS_STREAM.subject_prefix());
        let stream = self.connections.bucket.stream();
        let mut records = Vec::new();
        let mut from = 1;
        loop {
            let stored = stream.scan(ScanFrom::Sequence(from), &filter, PAGE_ENTRIES_MAX).await;
            let stored = stored.map_err(|_| ErasureStepError::NotYet("the connections can't be reached"))?;
            let Some(last) = stored.last() else { return Ok(records) };
            from = last.sequence + 1;
            records.extend(stored.into_iter().map(|stored| (stored.subject, stored.sequence)));
        }
    }

    async fn destroy_records(&self, user: &UserRef) -> Result<(), ErasureStepError> {
        for (_, sequence) in self.record_revisions(user).await? {
            match self.connections.bucket.secure_delete(sequence).await {
                Ok(()) | Err(ReadError::Refused { .. }) => {}
                Err(ReadError::Unavailable | ReadError::Malformed) => {
                    return Err(ErasureStepError::NotYet("the connections can't be reached"));
                }
            }
        }
        Ok(())
    }

    /// What is wanted first, then whoever makes one now is waited for, then what lies there.
    async fn delete_exports(&self, user: &UserRef) -> Result<ErasedCounts, ErasureStepError> {
        let tasks = ExportTaskStore::new(&self.work_bucket);
        let unavailable = |_| ErasureStepError::NotYet("the tasks can't be reached");
        for (_, task, revision) in tasks.all().await.map_err(unavailable)? {
            if task.user == *user {
                tasks.finish(revision).await.map_err(unavailable)?;
            }
        }
        let lease = self.leases.acquire(&export_lease_key(user), LEASE_TTL).await;
        let lease = lease.map_err(|_| ErasureStepError::NotYet("an export is being made"))?;
        let deleted =
            run_to_completion(lease, &AtomicBool::default(), self.export_store.delete_all_of_user(user))
                .await;
        let deleted = deleted.map_err(|error| ErasureStepError::Blocked(error.to_string()))?;
        Ok([("exports".to_owned(), deleted)].into())
    }

    async fn clear_views(
        &self,
        user: &UserRef,
        account: &AccountErasure,
    ) -> Result<ErasedCounts, ErasureStepError> {
        let marked = account.steps.iter().find(|done| done.step == ErasureStep::AccountMarked);
        let Some(marked) = marked else { return Err(ErasureStepError::NotYet("the account is not marked")) };
        let question = EraseUserRequest { user_ref: user.to_string(), sequence: marked.sequence };
        let question =
            serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(ERASE_USER_SUBJECT.to_owned(), question.into()).await;
        match answer.ok().and_then(|answer| serde_json::from_slice(&answer).ok()) {
            Some(EraseUserResponse::Cleared { views }) => Ok([("views".to_owned(), views)].into()),
            Some(EraseUserResponse::Unavailable) | None => {
                Err(ErasureStepError::NotYet("the views can't be cleared yet"))
            }
        }
    }

    /// The providers' users first: whose they are is said by events that only the user's own keys open.
    async fn destroy_keys(
        &self,
        user: &UserRef,
        account: &AccountErasure,
    ) -> Result<ErasedCounts, ErasureStepError> {
        // What came in late, as a code that was brought at the last moment, is of no use to anybody either.
        self.destroy_records(user).await?;
        let mut destroyed = 0;
        let provider_users = self.provider_accounts(user).await?.users;
        for erased in provider_users.iter().chain([user]) {
            // First what outlives the broker: a backup that still has the key must not bring it back.
            let written = self.ledger.add(erased, account.erasure_id, (self.clock)()).await;
            written.map_err(|error| ErasureStepError::Blocked(error.to_string()))?;
            destroyed += self.erase_at_keeper(erased, &EraseStep::DestroyKeys).await?;
            self.keys.evict(erased);
        }
        Ok([("data_keys".to_owned(), destroyed)].into())
    }

    async fn erase_at_keeper(&self, user: &UserRef, deed: &EraseStep) -> Result<u64, ErasureStepError> {
        let asked = self.key_eraser.erase(user, deed).await;
        asked.map_err(|_| ErasureStepError::NotYet("the keeper does not answer"))
    }

    /// Goes through the user's events, and opens those of connections.
    async fn provider_accounts(&self, user: &UserRef) -> Result<ProviderAccounts, ErasureStepError> {
        const KINDS: [EventKind; 2] = [EventKind::ConnectionActivatedV1, EventKind::ConnectionRevokedV1];
        let mut found = ProviderAccounts::default();
        let mut pages = self.log.user_pages(*user, Sequence::FIRST, None);
        while let Some(events) = pages.next().await.map_err(|_| ErasureStepError::NotYet("the log"))? {
            for recorded in &events {
                let opened = decrypt_if_kind(&KINDS, recorded, &self.keys).await;
                match opened.map_err(|_| ErasureStepError::NotYet("the keys can't be reached"))? {
                    Some(Event::Connection(ConnectionEvent::Activated(activated))) => {
                        found.users.extend(activated.provider_user_ref);
                    }
                    Some(Event::Connection(ConnectionEvent::Revoked(revoked))) => {
                        found.revocations.insert(revoked.connection_id, revoked.at_provider);
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}
