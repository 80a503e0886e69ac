//! A list of keys' holders that the keeper keeps, as an ingest knows it.
//!
//! It is fetched at start and asked for again every few seconds, so what changes anywhere is known everywhere within a
//! minute; a list that is older than that can't be relied on.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jetstream::{Broker, RequestError, spawn_critical};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::UserRef;
use crate::key_client::KeysAnswer;
use crate::signing::KeyHolder;

/// Between two questions for what is new.
const ASK_INTERVAL: Duration = Duration::from_secs(5);
/// Between two questions that were not answered.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// A list that is older than this can't be relied on.
const AGE_MAX: Duration = Duration::from_secs(60);

/// What changed behind this position.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListRequest {
    pub(crate) after: u64,
}

/// The list. Clones share it.
#[derive(Clone)]
pub(crate) struct HolderList {
    broker: Broker,
    subject: &'static str,
    list: Arc<RwLock<List>>,
}

#[derive(Default)]
struct List {
    marked: HashSet<(UserRef, KeyHolder)>,
    position: u64,
    as_of: Option<Instant>,
}

impl List {
    fn mark(&mut self, user: UserRef, holder: KeyHolder, is_marked: bool) {
        if is_marked {
            self.marked.insert((user, holder));
        } else {
            self.marked.remove(&(user, holder));
        }
    }
}

impl HolderList {
    /// One that nobody has fetched; the keeper is asked for it on `subject`.
    pub(crate) fn over(broker: Broker, subject: &'static str) -> Self {
        Self { broker, subject, list: Arc::default() }
    }

    /// Begins to keep it up.
    pub(crate) fn follow(&self, name: &'static str) {
        spawn_critical(name, self.clone().keep_up());
    }

    /// Whether the holder is marked; `None` where that can't be told now.
    pub(crate) fn is_marked(&self, user: &UserRef, holder: KeyHolder) -> Option<bool> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        if list.marked.contains(&(*user, holder)) {
            return Some(true);
        }
        list.as_of.is_some_and(|as_of| as_of.elapsed() < AGE_MAX).then_some(false)
    }

    /// Whether all of it was there once.
    pub(crate) fn is_known(&self) -> bool {
        self.list.read().unwrap_or_else(PoisonError::into_inner).as_of.is_some()
    }

    /// Has the keeper change a mark: here it changes at once, elsewhere when the list is asked for again. `is_marked` is
    /// what comes of it unless the keeper knows better.
    pub(crate) async fn change(
        &self,
        subject: String,
        request: &impl Serialize,
        (user, holder): (&UserRef, KeyHolder),
        is_marked: bool,
    ) -> Result<(), RequestError> {
        match self.ask(subject, request).await? {
            answer @ (KeysAnswer::Done | KeysAnswer::Marked(_)) => {
                let is_marked = if let KeysAnswer::Marked(stands) = answer { stands } else { is_marked };
                let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
                list.mark(*user, holder, is_marked);
                Ok(())
            }
            KeysAnswer::Records(_)
            | KeysAnswer::Erased
            | KeysAnswer::Unavailable
            | KeysAnswer::Revoked { .. }
            | KeysAnswer::Compromised { .. }
            | KeysAnswer::Erasing { .. }
            | KeysAnswer::Destroyed(_)
            | KeysAnswer::Rings(_) => Err(RequestError::Unavailable),
        }
    }

    async fn keep_up(self) {
        loop {
            let pause = match self.catch_up().await {
                Ok(()) => ASK_INTERVAL,
                Err(_) => RETRY_INTERVAL,
            };
            sleep(pause).await;
        }
    }

    /// Page by page until nothing is new.
    async fn catch_up(&self) -> Result<(), RequestError> {
        loop {
            let asked_at = Instant::now();
            let after = self.list.read().unwrap_or_else(PoisonError::into_inner).position;
            let (holders, last) = self.page(after).await?;
            let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
            let is_all = holders.is_empty();
            for (user, holder, is_marked) in holders {
                if let (Ok(user), Ok(holder)) = (user.parse(), holder.parse()) {
                    list.mark(user, holder, is_marked);
                }
            }
            list.position = last;
            if is_all {
                list.as_of = Some(asked_at);
                return Ok(());
            }
        }
    }

    async fn page(&self, after: u64) -> Result<(Vec<(String, String, bool)>, u64), RequestError> {
        match self.ask(self.subject.to_owned(), &ListRequest { after }).await? {
            KeysAnswer::Revoked { devices, last } => {
                let revoked = devices.into_iter().map(|(user, device)| (user, device, true));
                Ok((revoked.collect(), last))
            }
            KeysAnswer::Compromised { holders, last } => Ok((holders, last)),
            KeysAnswer::Records(_)
            | KeysAnswer::Erased
            | KeysAnswer::Unavailable
            | KeysAnswer::Done
            | KeysAnswer::Marked(_)
            | KeysAnswer::Erasing { .. }
            | KeysAnswer::Destroyed(_)
            | KeysAnswer::Rings(_) => Err(RequestError::Unavailable),
        }
    }

    async fn ask(&self, subject: String, request: &impl Serialize) -> Result<KeysAnswer, RequestError> {
        let request = serde_json::to_vec(request).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(subject, request.into()).await?;
        serde_json::from_slice(&answer).map_err(|_| RequestError::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own_id::DeviceId;

    #[test]
    fn a_mark_is_of_one_holder_and_can_go_away() {
        let user = UserRef::from_bytes([1; 16]);
        let device = KeyHolder::Device(DeviceId::from_bytes([2; 16]));
        let mut list = List::default();
        list.mark(user, device, true);
        assert!(list.marked.contains(&(user, device)));
        assert!(!list.marked.contains(&(user, KeyHolder::User)));
        list.mark(user, KeyHolder::User, true);
        list.mark(user, device, false);
        assert_eq!(list.marked, HashSet::from([(user, KeyHolder::User)]));
    }
}
