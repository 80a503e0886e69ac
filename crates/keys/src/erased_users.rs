//! Users who are being erased, or were: how the worker has the keeper erase, and how every ingest knows within a second.
//!
//! A list that an ingest has once is kept up by asking for what is new. Where the keeper does not answer, nobody is newly
//! marked either, since marking is the keeper's doing: what is known holds.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jetstream::{Broker, RequestError};
use runtime::spawn_critical;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::UserRef;
use crate::flagged_holders::ListChangesRequest;
use crate::key_client::{KeyClient, KeysResponse};
use crate::keys_stream::{ERASED_TOKEN, ERASING_TOKEN};
use crate::record;
use crate::resource_id::ErasureId;

/// Where the keeper is asked for the list.
pub(crate) const LIST_ERASED_SUBJECT: &str = "keys.v1.erasing";
/// Between two questions for what is new: a user is refused everywhere within a second.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// What stands in place of a user where everybody's keys of past years were destroyed.
const RETENTION_PREFIX: &str = "retention-";

/// A step of an erasure that is the keeper's to do; the user ref stands in the subject. Again is as good as once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseStep {
    /// No data key is made for the user any more, and every ingest is told.
    Mark {
        /// Which erasure.
        erasure_id: ErasureId,
    },
    /// What is remembered of the user's devices goes.
    EndSessions,
    /// Every data key is overwritten, and a tombstone left in its place.
    DestroyKeys,
}

/// What stands in the keys' stream for a user who was erased: subjects, and what they hold. For whoever fills an empty one,
/// before any key is put into it.
pub fn erasure_records(user: &UserRef, erasure: ErasureId) -> [(String, Vec<u8>); 2] {
    [
        (format!("$KV.keys.{user}.{ERASED_TOKEN}"), record::TOMBSTONE.to_vec()),
        (format!("$KV.keys.{user}.{ERASING_TOKEN}"), record::encode_erasure_mark(erasure)),
    ]
}

/// Has the keeper erase.
#[derive(Clone)]
pub struct KeyErasureClient(Broker);

impl KeyErasureClient {
    /// Asks over this connection.
    pub fn new(broker: Broker) -> Self {
        Self(broker)
    }

    /// Returns how many records were destroyed, once that is on stable storage.
    pub async fn erase(&self, user: &UserRef, deed: &EraseStep) -> Result<u64, RequestError> {
        let question = serde_json::to_vec(deed).unwrap_or_else(|_| unreachable!("BUG: a deed is JSON"));
        let answer = self.0.request(format!("keys.v1.erase.{user}"), question.into()).await?;
        match serde_json::from_slice(&answer) {
            Ok(KeysResponse::Destroyed(records)) => Ok(records),
            _ => Err(RequestError::Unavailable),
        }
    }
}

/// Who is being erased, or was. Clones share the list.
#[derive(Clone)]
pub struct ErasedUsers {
    broker: Broker,
    keys: KeyClient,
    state: Arc<RwLock<ErasedState>>,
}

#[derive(Default)]
struct ErasedState {
    users: HashMap<UserRef, ErasureId>,
    position: u64,
    is_loaded: bool,
}

impl ErasedUsers {
    /// Begins to keep the list up; keys of whoever is on it are forgotten.
    pub fn start(broker: Broker, keys: KeyClient) -> Self {
        let erasing = Self { broker, keys, state: Arc::default() };
        spawn_critical("erased users", erasing.clone().refresh_loop());
        erasing
    }

    /// The erasure of this user, where there is one.
    pub fn erasure_of(&self, user: &UserRef) -> Option<ErasureId> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).users.get(user).copied()
    }

    /// Says why it can't be told of anybody yet, or nothing.
    pub fn check_ready(&self) -> Result<(), String> {
        let is_known = self.state.read().unwrap_or_else(PoisonError::into_inner).is_loaded;
        if is_known { Ok(()) } else { Err("which accounts were erased is not known yet".to_owned()) }
    }

    async fn refresh_loop(self) {
        loop {
            // What fails is asked for again.
            let _ = self.fetch_changes().await;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Page by page until nothing is new.
    async fn fetch_changes(&self) -> Result<(), RequestError> {
        loop {
            let after = self.state.read().unwrap_or_else(PoisonError::into_inner).position;
            let question = serde_json::to_vec(&ListChangesRequest { after });
            let question = question.unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
            let answer = self.broker.request(LIST_ERASED_SUBJECT.to_owned(), question.into()).await?;
            let Ok(KeysResponse::Erasing { users, last }) = serde_json::from_slice(&answer) else {
                return Err(RequestError::Unavailable);
            };
            let is_all = users.is_empty();
            if users.iter().any(|(user, _)| user.starts_with(RETENTION_PREFIX)) {
                self.keys.evict_all();
            }
            let users: Vec<(UserRef, ErasureId)> =
                users.iter().filter_map(|(user, id)| Some((user.parse().ok()?, id.parse().ok()?))).collect();
            let mut list = self.state.write().unwrap_or_else(PoisonError::into_inner);
            for (user, id) in users {
                if list.users.insert(user, id).is_none() {
                    self.keys.evict(&user);
                }
            }
            list.position = last;
            if is_all {
                list.is_loaded = true;
                return Ok(());
            }
        }
    }
}
