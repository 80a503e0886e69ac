//! The operator's side of what is asked over the broker.

use events::ChangeKind;
use jetstream::{Broker, RequestError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ask::{
    AddQuestion, Added, Answer, Asked, EndpointStatus, IdQuestion, ListQuestion, PREFIX, ParkedMessage,
    ParkedPage, ParkedQuestion, RefQuestion, Retried, RetriedPage, RetryQuestion, Tested, Told, encode,
};
use super::endpoint::{EndpointId, UserRefs};

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum FeedAskError {
    /// No worker answers.
    #[error("no worker answers")]
    Silent(#[from] RequestError),
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

/// Asks a worker. The connection must be an operator's.
pub struct FeedClient {
    broker: Broker,
}

impl FeedClient {
    /// Over this connection.
    pub fn new(broker: Broker) -> Self {
        Self { broker }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        asked: Asked,
        question: &impl Serialize,
    ) -> Result<T, FeedAskError> {
        let question = encode(question);
        let answer = self.broker.request(format!("{PREFIX}{}", asked.as_str()), question.into()).await?;
        match serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)? {
            Answer::Done(answer) => Ok(answer),
            Answer::Refused(why) => Err(FeedAskError::Refused(why)),
            Answer::Unavailable => Err(RequestError::Unavailable.into()),
        }
    }

    /// Registers an endpoint for these kinds of changes, or for all.
    pub async fn add(
        &self,
        url: &str,
        kinds: &[ChangeKind],
        user_refs: UserRefs,
    ) -> Result<Added, FeedAskError> {
        let question = AddQuestion { url: url.to_owned(), kinds: kinds.to_vec(), user_refs };
        self.ask(Asked::Add, &question).await
    }

    /// Every endpoint, and how it stands.
    pub async fn list(&self) -> Result<Vec<EndpointStatus>, FeedAskError> {
        self.ask(Asked::List, &ListQuestion {}).await
    }

    /// Removes an endpoint with everything that waits for it.
    pub async fn remove(&self, id: EndpointId) -> Result<Told, FeedAskError> {
        self.ask(Asked::Remove, &IdQuestion { id }).await
    }

    /// Sends a signed message now that tells of nothing.
    pub async fn test(&self, id: EndpointId) -> Result<Tested, FeedAskError> {
        self.ask(Asked::Test, &IdQuestion { id }).await
    }

    /// What an endpoint calls a user.
    pub async fn user_ref(&self, id: EndpointId, user_id: &str) -> Result<String, FeedAskError> {
        self.ask(Asked::Ref, &RefQuestion { id, user_id: user_id.to_owned() }).await
    }

    /// Parked messages, of one endpoint or of all.
    pub async fn parked(&self, id: Option<EndpointId>) -> Result<Vec<ParkedMessage>, FeedAskError> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let mut page: ParkedPage = self.ask(Asked::Parked, &ParkedQuestion { id, after }).await?;
            all.append(&mut page.parked);
            match page.next {
                Some(next) => after = next,
                None => return Ok(all),
            }
        }
    }

    /// Has parked messages sent again: of one endpoint or of all, one change or all.
    pub async fn retry(&self, id: Option<EndpointId>, change: Option<u64>) -> Result<Retried, FeedAskError> {
        let (mut all, mut after) = (Retried { retried: 0, disabled: 0 }, 0);
        loop {
            let page: RetriedPage = self.ask(Asked::Retry, &RetryQuestion { id, change, after }).await?;
            all.retried += page.retried;
            all.disabled += page.disabled;
            match page.next {
                Some(next) => after = next,
                None => return Ok(all),
            }
        }
    }
}
