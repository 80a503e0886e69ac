//! Data keys as ingest and the projector get them: from the keeper, over the broker, still wrapped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jetstream::Broker;
use moka::future::Cache;

use crate::UserRef;
use crate::data_key::{DataKey, DataKeyId, Year};
use crate::kek::{Kek, UnwrapError};
use crate::keys_stream::record::{self, UnwrappedRecord};
use crate::protocol::{
    CurrentKeyRequest, KEY_RINGS_SUBJECT, KEY_RINGS_USERS_MAX, KeysResponse, current_key_subject,
    key_ring_subject,
};

/// Users whose keys are remembered.
const CACHE_USERS_MAX: u64 = 50_000;
/// How long a key is remembered.
const CACHE_AGE_MAX: Duration = Duration::from_secs(600);

/// Requests for the keys of several users that are under way at the same time.
const KEY_RINGS_IN_FLIGHT_MAX: usize = 4;

/// How often a key that is missing is asked for.
const MISSING_KEY_ATTEMPTS_MAX: usize = 4;
/// How long a version of the KEK that is not known is waited for.
const NEW_KEK_VERSION_DELAY: Duration = Duration::from_millis(300);
/// Between two of these.
const MISSING_KEY_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Why there is no data key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The keeper does not answer.
    #[error("the keeper of the keys does not answer")]
    Unavailable,
    /// The user's keys were destroyed, or this one was.
    #[error("the user's keys were destroyed")]
    Erased,
    /// There is a record, but it does not open.
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
}

/// Asks for data keys, opens them, and remembers them for a while.
#[derive(Clone)]
pub struct KeyClient {
    broker: Broker,
    kek: Arc<Kek>,
    current: Cache<(UserRef, Year), Arc<DataKey>>,
    by_id: Cache<(UserRef, DataKeyId), Arc<DataKey>>,
    /// Users who were erased, and keys that were destroyed: neither ever comes back, and a log that is folded anew asks for
    /// each as often as it has events.
    erased: Cache<UserRef, ()>,
    destroyed: Cache<(UserRef, DataKeyId), ()>,
}

impl KeyClient {
    /// Asks over this connection, opens with this key.
    pub fn new(broker: Broker, kek: Arc<Kek>) -> Self {
        let (erased, destroyed) = (Cache::new(CACHE_USERS_MAX), Cache::new(CACHE_USERS_MAX));
        Self { broker, kek, current: new_cache(), by_id: new_cache(), erased, destroyed }
    }

    /// The key under which the user's summaries of this year are sealed now. The keeper makes it where there is none.
    pub async fn current(&self, user: &UserRef, year: Year) -> Result<Arc<DataKey>, KeyError> {
        // Concurrent misses for one key wait for one question.
        let key = self.current.try_get_with((*user, year), self.request_current(user, year)).await;
        key.map_err(|error| (*error).clone())
    }

    async fn request_current(&self, user: &UserRef, year: Year) -> Result<Arc<DataKey>, KeyError> {
        let question = serde_json::to_vec(&CurrentKeyRequest { year })
            .unwrap_or_else(|_| unreachable!("BUG: a year is JSON"));
        let ring = self.request_key_ring(current_key_subject(user), question, user).await?;
        ring.keys.into_iter().next_back().ok_or(KeyError::Unavailable)
    }

    /// The user's key of this name, where it exists. That it does not is asked for several times: a replica of the
    /// keys' stream may be a moment behind, and a missing key is an incident.
    pub async fn get(&self, user: &UserRef, id: DataKeyId) -> Result<Option<Arc<DataKey>>, KeyError> {
        if let Some(key) = self.by_id.get(&(*user, id)).await {
            return Ok(Some(key));
        }
        if self.erased.contains_key(user) || self.destroyed.contains_key(&(*user, id)) {
            return Err(KeyError::Erased);
        }
        for _ in 0..MISSING_KEY_ATTEMPTS_MAX {
            let asked = self.request_key_ring(key_ring_subject(user), Vec::new(), user).await;
            if let Err(KeyError::Erased) = asked {
                self.erased.insert(*user, ()).await;
            }
            let ring = asked?;
            for destroyed in &ring.destroyed {
                self.destroyed.insert((*user, *destroyed), ()).await;
            }
            if ring.destroyed.contains(&id) {
                return Err(KeyError::Erased);
            }
            for key in ring.keys {
                self.by_id.insert((*user, key.id()), key).await;
            }
            if let Some(key) = self.by_id.get(&(*user, id)).await {
                return Ok(Some(key));
            }
            tokio::time::sleep(MISSING_KEY_RETRY_DELAY).await;
        }
        Ok(None)
    }

    /// Forgets a user's keys: they are destroyed, or will be, and must not live on in memory.
    pub fn evict(&self, user: &UserRef) {
        let user = *user;
        let forgotten = self.current.invalidate_entries_if(move |(of, _), _| *of == user);
        let and = self.by_id.invalidate_entries_if(move |(of, _), _| *of == user);
        if forgotten.is_err() || and.is_err() {
            unreachable!("BUG: the caches take closures");
        }
    }

    /// Forgets every key: which of them were destroyed is not known here.
    pub fn evict_all(&self) {
        self.current.invalidate_all();
        self.by_id.invalidate_all();
    }

    /// Gets the keys of many users that are not remembered, so that [`KeyClient::get`] finds them. What fails here
    /// fails there again, and is judged there.
    pub async fn prefetch(&self, wanted: impl IntoIterator<Item = (UserRef, DataKeyId)>) {
        let missing = wanted.into_iter().filter(|wanted| !self.by_id.contains_key(wanted));
        let users: BTreeSet<_> = missing.map(|(user, _)| user).collect();
        let users: Vec<_> = users.into_iter().collect();
        stream::iter(users.chunks(KEY_RINGS_USERS_MAX))
            .for_each_concurrent(KEY_RINGS_IN_FLIGHT_MAX, async |users| {
                // Users with many keys each may be more than one answer holds: then a few at a time.
                if self.fetch_key_rings(users).await.is_err() {
                    for users in users.chunks(KEY_RINGS_USERS_MAX / 10) {
                        let _ = self.fetch_key_rings(users).await;
                    }
                }
            })
            .await;
    }

    async fn fetch_key_rings(&self, users: &[UserRef]) -> Result<(), KeyError> {
        let question: Vec<_> = users.iter().map(ToString::to_string).collect();
        let question =
            serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: user refs are JSON"));
        let answer = self.broker.request(KEY_RINGS_SUBJECT.to_owned(), question.into()).await;
        let answer = answer.map_err(|_| KeyError::Unavailable)?;
        let Ok(KeysResponse::Rings(rings)) = serde_json::from_slice(&answer) else {
            return Err(KeyError::Unavailable);
        };
        for (user, records) in rings {
            let user: UserRef = user.parse().map_err(|_| KeyError::Unavailable)?;
            // A record that does not open is that user's trouble, and is met again where it matters.
            for key in self.unwrap_records(&user, records).await.unwrap_or_default().keys {
                self.by_id.insert((user, key.id()), key).await;
            }
        }
        Ok(())
    }

    async fn request_key_ring(
        &self,
        subject: String,
        question: Vec<u8>,
        user: &UserRef,
    ) -> Result<KeyRing, KeyError> {
        let answer =
            self.broker.request(subject, question.into()).await.map_err(|_| KeyError::Unavailable)?;
        match serde_json::from_slice(&answer) {
            Ok(KeysResponse::Records(records)) => self.unwrap_records(user, records).await,
            Ok(KeysResponse::Erased) => Err(KeyError::Erased),
            Ok(
                KeysResponse::Unavailable
                | KeysResponse::Done
                | KeysResponse::Marked(_)
                | KeysResponse::Revoked { .. }
                | KeysResponse::Compromised { .. }
                | KeysResponse::Erasing { .. }
                | KeysResponse::Destroyed(_)
                | KeysResponse::Rings(_),
            )
            | Err(_) => Err(KeyError::Unavailable),
        }
    }

    async fn unwrap_records(
        &self,
        user: &UserRef,
        records: Vec<(String, String)>,
    ) -> Result<KeyRing, KeyError> {
        let mut ring = KeyRing::default();
        for (id, record) in records {
            let id = id.parse().map_err(|_| UnwrapError::Format)?;
            let record = data_encoding::BASE64.decode(record.as_bytes()).map_err(|_| UnwrapError::Format)?;
            let mut opened = record::unwrap_data_key(&self.kek, user, id, &record).await;
            if let Err(UnwrapError::UnknownVersion(version)) = opened
                && version > self.kek.current_version()
            {
                // A rotation has begun, and the new version is on its way to this machine.
                tokio::time::sleep(NEW_KEK_VERSION_DELAY).await;
                opened = record::unwrap_data_key(&self.kek, user, id, &record).await;
            }
            match opened {
                Ok(UnwrappedRecord::Key(key)) => ring.keys.push(Arc::new(key)),
                Ok(UnwrappedRecord::Tombstone) => ring.destroyed.push(id),
                // A right that was taken away can be given back, a version that is on its way comes: no key is lost.
                Err(UnwrapError::Unavailable | UnwrapError::Refused(_)) => return Err(KeyError::Unavailable),
                Err(UnwrapError::UnknownVersion(version)) if version > self.kek.current_version() => {
                    tracing::warn!(
                        kek_version = version,
                        "a data key is wrapped under a version of the KEK that is not here yet"
                    );
                    return Err(KeyError::Unavailable);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(ring)
    }
}

/// A user's keys, and the names of those that are no more.
#[derive(Default)]
struct KeyRing {
    keys: Vec<Arc<DataKey>>,
    destroyed: Vec<DataKeyId>,
}

fn new_cache<K: std::hash::Hash + Eq + Send + Sync + 'static>() -> Cache<K, Arc<DataKey>> {
    let builder = Cache::builder().max_capacity(CACHE_USERS_MAX).time_to_live(CACHE_AGE_MAX);
    builder.support_invalidation_closures().build()
}
