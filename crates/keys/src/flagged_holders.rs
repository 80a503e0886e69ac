//! A list of keys' holders that the keeper keeps, as an ingest knows it.
//!
//! It is fetched at start and asked for again every few seconds, so what changes anywhere is known everywhere within a
//! minute; a list that is older than that can't be relied on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jetstream::{Broker, RequestError};
use parking_lot::RwLock;
use runtime::spawn_critical;
use serde::Serialize;
use tokio::time::sleep;

use crate::UserRef;
use crate::protocol::{KeysResponse, ListChangesRequest};
use crate::signing_keys::KeyHolder;

/// Between two questions for what is new.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Between two questions that were not answered.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// A list that is older than this can't be relied on.
const AGE_MAX: Duration = Duration::from_secs(60);

/// The list. Clones share it.
#[derive(Clone)]
pub(crate) struct FlaggedHolders {
    broker: Broker,
    subject: &'static str,
    state: Arc<RwLock<FlaggedState>>,
}

#[derive(Default)]
struct FlaggedState {
    flagged: HashSet<(UserRef, KeyHolder)>,
    position: u64,
    as_of: Option<Instant>,
}

impl FlaggedState {
    fn set_flag(&mut self, user: UserRef, holder: KeyHolder, is_marked: bool) {
        if is_marked {
            self.flagged.insert((user, holder));
        } else {
            self.flagged.remove(&(user, holder));
        }
    }
}

impl FlaggedHolders {
    /// One that nobody has fetched; the keeper is asked for it on `subject`.
    pub(crate) fn new(broker: Broker, subject: &'static str) -> Self {
        Self { broker, subject, state: Arc::default() }
    }

    /// Begins to keep it up.
    pub(crate) fn start_refresh(&self, name: &'static str) {
        spawn_critical(name, self.clone().refresh_loop());
    }

    /// Whether the holder is marked; `None` where that can't be told now.
    pub(crate) fn is_flagged(&self, user: &UserRef, holder: KeyHolder) -> Option<bool> {
        let list = self.state.read();
        if list.flagged.contains(&(*user, holder)) {
            return Some(true);
        }
        list.as_of.is_some_and(|as_of| as_of.elapsed() < AGE_MAX).then_some(false)
    }

    /// Whether all of it was there once.
    pub(crate) fn is_loaded(&self) -> bool {
        self.state.read().as_of.is_some()
    }

    /// Has the keeper change a mark: here it changes at once, elsewhere when the list is asked for again. `is_marked` is
    /// what comes of it unless the keeper knows better.
    pub(crate) async fn request_flag_change(
        &self,
        subject: String,
        request: &impl Serialize,
        (user, holder): (&UserRef, KeyHolder),
        is_marked: bool,
    ) -> Result<(), RequestError> {
        match self.send_request(subject, request).await? {
            answer @ (KeysResponse::Done | KeysResponse::Marked(_)) => {
                let is_marked = if let KeysResponse::Marked(stands) = answer { stands } else { is_marked };
                let mut list = self.state.write();
                list.set_flag(*user, holder, is_marked);
                Ok(())
            }
            KeysResponse::Records(_)
            | KeysResponse::Erased
            | KeysResponse::Unavailable
            | KeysResponse::Revoked { .. }
            | KeysResponse::Compromised { .. }
            | KeysResponse::Erasing { .. }
            | KeysResponse::Destroyed(_)
            | KeysResponse::Rings(_) => Err(RequestError::Unavailable),
        }
    }

    async fn refresh_loop(self) {
        loop {
            let pause = match self.fetch_changes().await {
                Ok(()) => POLL_INTERVAL,
                Err(_) => RETRY_INTERVAL,
            };
            sleep(pause).await;
        }
    }

    /// Page by page until nothing is new.
    async fn fetch_changes(&self) -> Result<(), RequestError> {
        loop {
            let asked_at = Instant::now();
            let after = self.state.read().position;
            let (holders, last) = self.fetch_page(after).await?;
            let mut list = self.state.write();
            let is_all = holders.is_empty();
            for (user, holder, is_marked) in holders {
                if let (Ok(user), Ok(holder)) = (user.parse(), holder.parse()) {
                    list.set_flag(user, holder, is_marked);
                }
            }
            list.position = last;
            if is_all {
                list.as_of = Some(asked_at);
                return Ok(());
            }
        }
    }

    async fn fetch_page(&self, after: u64) -> Result<(Vec<(String, String, bool)>, u64), RequestError> {
        match self.send_request(self.subject.to_owned(), &ListChangesRequest { after }).await? {
            KeysResponse::Revoked { devices, last } => {
                let revoked = devices.into_iter().map(|(user, device)| (user, device, true));
                Ok((revoked.collect(), last))
            }
            KeysResponse::Compromised { holders, last } => Ok((holders, last)),
            KeysResponse::Records(_)
            | KeysResponse::Erased
            | KeysResponse::Unavailable
            | KeysResponse::Done
            | KeysResponse::Marked(_)
            | KeysResponse::Erasing { .. }
            | KeysResponse::Destroyed(_)
            | KeysResponse::Rings(_) => Err(RequestError::Unavailable),
        }
    }

    async fn send_request(
        &self,
        subject: String,
        request: &impl Serialize,
    ) -> Result<KeysResponse, RequestError> {
        let request = serde_json::to_vec(request).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(subject, request.into()).await?;
        serde_json::from_slice(&answer).map_err(|_| RequestError::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource_id::DeviceId;

    #[test]
    fn a_mark_is_of_one_holder_and_can_go_away() {
        let user = UserRef::from_bytes([1; 16]);
        let device = KeyHolder::Device(DeviceId::from_bytes([2; 16]));
        let mut list = FlaggedState::default();
        list.set_flag(user, device, true);
        assert!(list.flagged.contains(&(user, device)));
        assert!(!list.flagged.contains(&(user, KeyHolder::User)));
        list.set_flag(user, KeyHolder::User, true);
        list.set_flag(user, device, false);
        assert_eq!(list.flagged, HashSet::from([(user, KeyHolder::User)]));
    }
}
