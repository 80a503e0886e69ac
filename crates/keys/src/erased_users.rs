//! List of users who are being erased or were erased. Every ingest knows a new entry within a second.
//!
//! A list that an ingest has once is kept up by asking for what is new. Where the keeper does not answer, nobody is newly
//! marked either, since marking is the keeper's doing: what is known holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jetstream::{Broker, RequestError};
use parking_lot::RwLock;
use runtime::spawn_critical;
use tokio::time::sleep;

use crate::UserRef;
use crate::key_client::KeyClient;
use crate::keys_stream::RETENTION_PREFIX;
use crate::protocol::{KeysResponse, LIST_ERASED_SUBJECT, ListChangesRequest};
use crate::resource_id::ErasureId;

/// Between two questions for what is new: a user is refused everywhere within a second.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

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
        self.state.read().users.get(user).copied()
    }

    /// Says why it can't be told of anybody yet, or nothing.
    pub fn check_ready(&self) -> Result<(), String> {
        let is_known = self.state.read().is_loaded;
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
            let after = self.state.read().position;
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
            let mut list = self.state.write();
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
