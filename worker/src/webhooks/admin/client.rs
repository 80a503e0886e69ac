//! The operator's side of what is asked over the broker.

use events::ChangeKind;
use jetstream::{Broker, RequestError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::protocol::{
    AddEndpointRequest, AddEndpointResponse, AdminMethod, AdminResponse, EndpointIdRequest, EndpointStatus,
    ListEndpointsRequest, ListParkedRequest, ListParkedResponse, ParkedMessage, ProjectorAck,
    RetryParkedRequest, RetryParkedResponse, RetryParkedSummary, SUBJECT_PREFIX, TestEndpointResponse,
    UserRefRequest, encode,
};
use crate::webhooks::endpoint::{EndpointId, UserRefMode};

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum WebhookAdminError {
    /// No worker answers.
    #[error("no worker answers")]
    NoResponse(#[from] RequestError),
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

/// Asks a worker. The connection must be an operator's.
pub struct WebhookAdminClient {
    broker: Broker,
}

impl WebhookAdminClient {
    /// Over this connection.
    pub fn new(broker: Broker) -> Self {
        Self { broker }
    }

    async fn request<T: DeserializeOwned>(
        &self,
        asked: AdminMethod,
        question: &impl Serialize,
    ) -> Result<T, WebhookAdminError> {
        let question = encode(question);
        let answer =
            self.broker.request(format!("{SUBJECT_PREFIX}{}", asked.as_str()), question.into()).await?;
        match serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)? {
            AdminResponse::Done(answer) => Ok(answer),
            AdminResponse::Refused(why) => Err(WebhookAdminError::Refused(why)),
            AdminResponse::Unavailable => Err(RequestError::Unavailable.into()),
        }
    }

    /// Registers an endpoint for these kinds of changes, or for all.
    pub async fn add(
        &self,
        url: &str,
        kinds: &[ChangeKind],
        user_refs: UserRefMode,
    ) -> Result<AddEndpointResponse, WebhookAdminError> {
        let question = AddEndpointRequest { url: url.to_owned(), kinds: kinds.to_vec(), user_refs };
        self.request(AdminMethod::Add, &question).await
    }

    /// Every endpoint, and how it stands.
    pub async fn list(&self) -> Result<Vec<EndpointStatus>, WebhookAdminError> {
        self.request(AdminMethod::List, &ListEndpointsRequest {}).await
    }

    /// Removes an endpoint with everything that waits for it.
    pub async fn remove(&self, id: EndpointId) -> Result<ProjectorAck, WebhookAdminError> {
        self.request(AdminMethod::Remove, &EndpointIdRequest { id }).await
    }

    /// Sends a signed message now that tells of nothing.
    pub async fn test(&self, id: EndpointId) -> Result<TestEndpointResponse, WebhookAdminError> {
        self.request(AdminMethod::Test, &EndpointIdRequest { id }).await
    }

    /// What an endpoint calls a user.
    pub async fn user_ref(&self, id: EndpointId, user_id: &str) -> Result<String, WebhookAdminError> {
        self.request(AdminMethod::UserRef, &UserRefRequest { id, user_id: user_id.to_owned() }).await
    }

    /// Parked messages, of one endpoint or of all.
    pub async fn list_parked(&self, id: Option<EndpointId>) -> Result<Vec<ParkedMessage>, WebhookAdminError> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let mut page: ListParkedResponse =
                self.request(AdminMethod::ListParked, &ListParkedRequest { id, after }).await?;
            all.append(&mut page.parked);
            match page.next {
                Some(next) => after = next,
                None => return Ok(all),
            }
        }
    }

    /// Has parked messages sent again: of one endpoint or of all, one change or all.
    pub async fn retry_parked(
        &self,
        id: Option<EndpointId>,
        change: Option<u64>,
    ) -> Result<RetryParkedSummary, WebhookAdminError> {
        let (mut all, mut after) = (RetryParkedSummary { retried: 0, disabled: 0 }, 0);
        loop {
            let page: RetryParkedResponse =
                self.request(AdminMethod::RetryParked, &RetryParkedRequest { id, change, after }).await?;
            all.retried += page.retried;
            all.disabled += page.disabled;
            match page.next {
                Some(next) => after = next,
                None => return Ok(all),
            }
        }
    }
}
