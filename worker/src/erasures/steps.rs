//! The steps themselves. Each may be killed at any moment and done again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use aggregates::Account;
use events::{ERASE_SUBJECT, EraseAnswer, EraseQuestion, ErasedCounts, Event, EventKind};
use jetstream::{ReadError, ScanFrom};
use keys::{ConnectionId, EraseStep, UserRef};
use schemas::{AtProvider, ConnectionStatus, ErasureStep, Sequence};

use super::{Erasures, Hindrance};
use crate::book::PAGE_ENTRIES;
use crate::buckets::WorkBucket;
use crate::exporting::{ExportTasks, lease_of};
use crate::holding::{LEASE_TTL, to_the_end};
use crate::laying::end;
use crate::opening::{open_one_of, provider_user};
use crate::record::RecordKey;

/// What the user's own events say of providers.
#[derive(Default)]
struct OfProviders {
    /// The pseudonyms under which providers' deliveries about the user are filed, with keys of their own.
    users: BTreeSet<UserRef>,
    /// What came of revoking each connection.
    revoked: BTreeMap<ConnectionId, AtProvider>,
}

impl Erasures {
    /// Does a step, and says what it destroyed.
    pub(super) async fn step(
        &self,
        user: &UserRef,
        account: &Account,
        step: ErasureStep,
    ) -> Result<ErasedCounts, Hindrance> {
        match step {
            ErasureStep::AccountMarked => self.mark(user, account).await,
            ErasureStep::ConnectionsRevoked => self.revoke_connections(user).await,
            ErasureStep::ExportsDeleted => self.delete_exports(user).await,
            ErasureStep::ViewsCleared => self.clear_views(user, account).await,
            ErasureStep::SessionsEnded => {
                let forgotten = self.have_erased(user, &EraseStep::EndSessions).await?;
                Ok([("device_marks".to_owned(), forgotten)].into())
            }
            ErasureStep::KeysDestroyed => self.destroy_keys(user, account).await,
        }
    }

    async fn mark(&self, user: &UserRef, account: &Account) -> Result<ErasedCounts, Hindrance> {
        let deed = EraseStep::Mark { erasure_id: account.erasure_id };
        self.have_erased(user, &deed).await?;
        let providers = self.of_providers(user).await?;
        for provider_user in &providers.users {
            self.have_erased(provider_user, &deed).await?;
        }
        Ok([("provider_accounts".to_owned(), providers.users.len() as u64)].into())
    }

    /// Has every connection revoked as if its user had asked for that, and when all are, destroys what is kept of them.
    async fn revoke_connections(&self, user: &UserRef) -> Result<ErasedCounts, Hindrance> {
        let mut all_revoked = true;
        for key in self.connections_of(user).await? {
            let now = (self.clock)();
            let record = self.book.change(&key, |record| end(record, now)).await?;
            all_revoked &= record
                .is_none_or(|record| record.status == ConnectionStatus::Revoked && record.tell.is_none());
        }
        if !all_revoked {
            return Err(Hindrance::NotYet("a provider has not revoked its tokens yet"));
        }
        self.destroy_records(user).await?;
        let mut counts = ErasedCounts::new();
        for at_provider in self.of_providers(user).await?.revoked.into_values() {
            let name = serde_json::to_value(at_provider).unwrap_or_default();
            *counts.entry(format!("connections_{}", name.as_str().unwrap_or("unknown"))).or_default() += 1;
        }
        Ok(counts)
    }

    async fn connections_of(&self, user: &UserRef) -> Result<BTreeSet<RecordKey>, Hindrance> {
        let prefix = WorkBucket::Connections.key_prefix();
        let stored = self.records(user).await?;
        Ok(stored
            .iter()
            .filter_map(|(subject, _)| RecordKey::decode(subject.strip_prefix(prefix)?))
            .collect())
    }

    /// Every write about the user's connections, those that were replaced and are still there too.
    async fn records(&self, user: &UserRef) -> Result<Vec<(String, u64)>, Hindrance> {
        let filter = format!("{}{user}.*", WorkBucket::Connections.key_prefix());
        let stream = self.book.bucket.stream();
        let mut records = Vec::new();
        let mut from = 1;
        loop {
            let stored = stream.scan(ScanFrom::Sequence(from), &filter, PAGE_ENTRIES).await;
            let stored = stored.map_err(|_| Hindrance::NotYet("the connections can't be reached"))?;
            let Some(last) = stored.last() else { return Ok(records) };
            from = last.sequence + 1;
            records.extend(stored.into_iter().map(|stored| (stored.subject, stored.sequence)));
        }
    }

    async fn destroy_records(&self, user: &UserRef) -> Result<(), Hindrance> {
        for (_, sequence) in self.records(user).await? {
            match self.book.bucket.secure_delete(sequence).await {
                Ok(()) | Err(ReadError::Refused { .. }) => {}
                Err(ReadError::Unavailable | ReadError::Malformed) => {
                    return Err(Hindrance::NotYet("the connections can't be reached"));
                }
            }
        }
        Ok(())
    }

    /// What is wanted first, then whoever makes one now is waited for, then what lies there.
    async fn delete_exports(&self, user: &UserRef) -> Result<ErasedCounts, Hindrance> {
        let tasks = ExportTasks::over(&self.work);
        let unavailable = |_| Hindrance::NotYet("the tasks can't be reached");
        for (_, task, revision) in tasks.all().await.map_err(unavailable)? {
            if task.user == *user {
                tasks.finish(revision).await.map_err(unavailable)?;
            }
        }
        let lease = self.leases.acquire(&lease_of(user), LEASE_TTL).await;
        let lease = lease.map_err(|_| Hindrance::NotYet("an export is being made"))?;
        let deleted = to_the_end(lease, &AtomicBool::default(), self.objects.delete_all_of(user)).await;
        let deleted = deleted.map_err(|error| Hindrance::Stuck(error.to_string()))?;
        Ok([("exports".to_owned(), deleted)].into())
    }

    async fn clear_views(&self, user: &UserRef, account: &Account) -> Result<ErasedCounts, Hindrance> {
        let marked = account.steps.iter().find(|done| done.step == ErasureStep::AccountMarked);
        let Some(marked) = marked else { return Err(Hindrance::NotYet("the account is not marked")) };
        let question = EraseQuestion { user_ref: user.to_string(), sequence: marked.sequence };
        let question =
            serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(ERASE_SUBJECT.to_owned(), question.into()).await;
        match answer.ok().and_then(|answer| serde_json::from_slice(&answer).ok()) {
            Some(EraseAnswer::Cleared { views }) => Ok([("views".to_owned(), views)].into()),
            Some(EraseAnswer::Unavailable) | None => Err(Hindrance::NotYet("the views can't be cleared yet")),
        }
    }

    /// The providers' users first: whose they are is said by events that only the user's own keys open.
    async fn destroy_keys(&self, user: &UserRef, account: &Account) -> Result<ErasedCounts, Hindrance> {
        // What came in late, as a code that was brought at the last moment, is of no use to anybody either.
        self.destroy_records(user).await?;
        let mut destroyed = 0;
        let provider_users = self.of_providers(user).await?.users;
        for erased in provider_users.iter().chain([user]) {
            // First what outlives the broker: a backup that still has the key must not bring it back.
            let written = self.ledger.add(erased, account.erasure_id, (self.clock)()).await;
            written.map_err(|error| Hindrance::Stuck(error.to_string()))?;
            destroyed += self.have_erased(erased, &EraseStep::DestroyKeys).await?;
            self.keys.evict(erased);
        }
        Ok([("data_keys".to_owned(), destroyed)].into())
    }

    async fn have_erased(&self, user: &UserRef, deed: &EraseStep) -> Result<u64, Hindrance> {
        let asked = self.eraser.erase(user, deed).await;
        asked.map_err(|_| Hindrance::NotYet("the keeper does not answer"))
    }

    /// Goes through the user's events, and opens those of connections.
    async fn of_providers(&self, user: &UserRef) -> Result<OfProviders, Hindrance> {
        const KINDS: [EventKind; 2] = [EventKind::ConnectionActivatedV1, EventKind::ConnectionRevokedV1];
        let mut found = OfProviders::default();
        let mut pages = self.log.pages(*user, Sequence::FIRST, None);
        while let Some(events) = pages.next().await.map_err(|_| Hindrance::NotYet("the log"))? {
            for recorded in &events {
                let opened = open_one_of(&KINDS, recorded, &self.keys).await;
                match opened.map_err(|_| Hindrance::NotYet("the keys can't be reached"))? {
                    Some(Event::ConnectionActivated(activated)) => {
                        found.users.extend(provider_user(&activated));
                    }
                    Some(Event::ConnectionRevoked(revoked)) => {
                        found.revoked.insert(revoked.connection_id, revoked.at_provider);
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}
