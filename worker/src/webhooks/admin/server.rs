//! The worker's side of what operators ask. Any worker answers: everything it takes stands in the buckets.

mod parked;

use std::sync::Arc;
use std::time::Duration;

use events::{ChangeKind, RELOAD_CHANGE_FEED_SUBJECT, ReloadChangeFeedResponse};
use futures_util::StreamExt;
use jetstream::ReceivedMessage;
use keys::UserId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};
use url::Url;

use super::protocol::{
    AddEndpointRequest, AddEndpointResponse, AdminMethod, AdminResponse, EndpointIdRequest, EndpointStatus,
    ListEndpointsRequest, ProjectorAck, SUBJECT_FILTER, TestEndpointResponse, UserRefRequest, encode,
};
use crate::webhooks::context::{WebhookContext, random_bytes};
use crate::webhooks::cursor::{delivery_lag, stream_identity};
use crate::webhooks::endpoint::{Endpoint, EndpointId, EndpointSecrets, StartPosition};
use crate::webhooks::endpoint_store::ENDPOINTS_MAX;
use crate::webhooks::error::WebhookStoreUnavailable;
use crate::webhooks::http_sender::{DeliveryAttempt, DeliveryFailure};
use crate::webhooks::message::WebhookMessage;
use crate::webhooks::retry_queue::scan_page;

/// How long it may take to say that it knows.
const PROJECTOR_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the receiver of a test may take: the operator waits for this answer no longer than 5 seconds.
const TEST_TIMEOUT: Duration = Duration::from_secs(4);
/// Pause before the subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Questions answered at the same time.
const REQUESTS_IN_FLIGHT_MAX: usize = 16;
/// Of several workers one answers.
const QUEUE_GROUP: &str = "worker";

/// Why a question is not answered.
enum AdminRequestError {
    Refused(String),
    Unavailable,
}

impl From<WebhookStoreUnavailable> for AdminRequestError {
    fn from(_: WebhookStoreUnavailable) -> Self {
        Self::Unavailable
    }
}

fn refused(why: impl ToString) -> AdminRequestError {
    AdminRequestError::Refused(why.to_string())
}

/// Answers for as long as the process runs.
pub(crate) async fn serve(means: Arc<WebhookContext>) {
    loop {
        if let Ok(questions) = means.broker.subscribe(SUBJECT_FILTER, Some(QUEUE_GROUP)).await {
            let questions = Box::pin(questions.into_stream());
            questions.for_each_concurrent(REQUESTS_IN_FLIGHT_MAX, |heard| means.handle(heard)).await;
        }
        sleep(RETRY_INTERVAL).await;
    }
}

impl WebhookContext {
    async fn handle(&self, heard: ReceivedMessage) {
        let Some(reply) = heard.reply_subject else { return };
        let question = &heard.payload;
        let answer = match AdminMethod::from_subject(&heard.subject) {
            Some(AdminMethod::Add) => {
                handle_request(question, async |question| self.add(question).await).await
            }
            Some(AdminMethod::List) => {
                handle_request(question, async |ListEndpointsRequest {}| self.list().await).await
            }
            Some(AdminMethod::Remove) => {
                handle_request(question, async |question| self.remove(question).await).await
            }
            Some(AdminMethod::Test) => {
                handle_request(question, async |question| self.test(question).await).await
            }
            Some(AdminMethod::UserRef) => {
                handle_request(question, async |question| self.user_ref(question).await).await
            }
            Some(AdminMethod::ListParked) => {
                handle_request(question, async |question| self.list_parked(question).await).await
            }
            Some(AdminMethod::RetryParked) => {
                handle_request(question, async |question| self.retry_parked(question).await).await
            }
            None => encode(&AdminResponse::<()>::Refused(
                "no worker of this version can be asked that".to_owned(),
            )),
        };
        // Who asked gives up by itself where the answer is lost.
        let _ = self.broker.publish(reply, answer.into()).await;
    }

    async fn add(&self, question: AddEndpointRequest) -> Result<AddEndpointResponse, AdminRequestError> {
        let wrong = || refused(crate::webhooks::ssrf_guard::TargetUrlError::InvalidUrl);
        let url: Url = question.url.parse().map_err(|_| wrong())?;
        self.sender.ssrf_guard().check_url_and_resolve(&url).await.map_err(refused)?;
        if self.endpoints.all().await?.ids.len() >= ENDPOINTS_MAX {
            return Err(refused(format_args!(
                "there are {ENDPOINTS_MAX} endpoints already; remove one first"
            )));
        }
        let (stream, sequence) = stream_identity(&self.changes).await?;
        let endpoint = Endpoint::new(
            EndpointId::from_bytes(random_bytes()),
            url,
            &question.kinds,
            question.user_refs,
            self.seal.current_version(),
            ((self.clock)(), StartPosition { stream, sequence }),
        );
        let secrets = self.secrets(&endpoint)?;
        self.endpoints.add(&endpoint).await?;
        tracing::info!(endpoint = %endpoint.id, host = endpoint.host(), "an endpoint was added");
        let secret = secrets.signing.expose().to_string();
        Ok(AddEndpointResponse { id: endpoint.id, secret, projector: self.notify_projector().await })
    }

    async fn list(&self) -> Result<Vec<EndpointStatus>, AdminRequestError> {
        let end = stream_identity(&self.changes).await?;
        let mut endpoints = Vec::new();
        for endpoint in self.endpoints.all().await?.endpoints {
            let (mut waiting, mut parked, mut position) = (0, 0, 0);
            while let Some((last, page)) = scan_page(&self.work_bucket, Some(endpoint.id), position).await? {
                position = last;
                for found in page {
                    *(if found.entry.state.is_parked() { &mut parked } else { &mut waiting }) += 1;
                }
            }
            endpoints.push(EndpointStatus {
                id: endpoint.id,
                url: endpoint.url.to_string(),
                kinds: ChangeKind::ALL.into_iter().filter(|kind| endpoint.is_subscribed_to(*kind)).collect(),
                user_refs: endpoint.user_refs,
                created_at: endpoint.created_at,
                disabled: endpoint.disabled,
                secret_gone: EndpointSecrets::derive(&endpoint, &self.seal).is_none(),
                behind: delivery_lag(&self.work_bucket, &endpoint, &end).await?,
                waiting,
                parked,
            });
        }
        Ok(endpoints)
    }

    /// What waits for it is removed by whoever delivers to it.
    async fn remove(&self, question: EndpointIdRequest) -> Result<ProjectorAck, AdminRequestError> {
        if !self.endpoints.remove(question.id).await? {
            return Err(unknown_endpoint());
        }
        tracing::info!(endpoint = %question.id, "an endpoint was removed");
        Ok(self.notify_projector().await)
    }

    async fn test(&self, question: EndpointIdRequest) -> Result<TestEndpointResponse, AdminRequestError> {
        let endpoint = self.endpoint(question.id).await?;
        let (secrets, now) = (self.secrets(&endpoint)?, (self.clock)());
        let message = WebhookMessage::new_test(now, &random_bytes());
        let (delivered, status, detail) =
            match self.sender.post(&endpoint.url, &message, &secrets, now, TEST_TIMEOUT).await {
                DeliveryAttempt::Delivered(status) => {
                    (true, Some(status.as_u16()), format!("answered {}", status.as_u16()))
                }
                DeliveryAttempt::Gone => {
                    (false, Some(410), "answered 410: it wants nothing any more".to_owned())
                }
                DeliveryAttempt::Failed { failure: why @ DeliveryFailure::Status(status), .. } => {
                    (false, Some(status.as_u16()), why.to_string())
                }
                DeliveryAttempt::Failed { failure: DeliveryFailure::TimedOut, .. } => {
                    (false, None, format!("no answer within {} seconds", TEST_TIMEOUT.as_secs()))
                }
                DeliveryAttempt::Failed {
                    failure:
                        why @ (DeliveryFailure::TargetRefused(_)
                        | DeliveryFailure::Unreachable
                        | DeliveryFailure::ConnectionBroken
                        | DeliveryFailure::KeyMissing),
                    ..
                } => (false, None, why.to_string()),
            };
        Ok(TestEndpointResponse { delivered, status, detail, message_id: message.id })
    }

    async fn user_ref(&self, question: UserRefRequest) -> Result<String, AdminRequestError> {
        let user: UserId = question.user_id.parse().map_err(refused)?;
        let endpoint = self.endpoint(question.id).await?;
        Ok(self.secrets(&endpoint)?.user(&self.pseudonyms.user_ref(&user)))
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Endpoint, AdminRequestError> {
        self.endpoints.get(id).await?.ok_or_else(unknown_endpoint)
    }

    fn secrets(&self, endpoint: &Endpoint) -> Result<EndpointSecrets, AdminRequestError> {
        EndpointSecrets::derive(endpoint, &self.seal).ok_or_else(|| {
            refused("the version of the worker's secret is gone that this endpoint's is derived from: register it anew")
        })
    }

    async fn notify_projector(&self) -> ProjectorAck {
        let asked = self.broker.request(RELOAD_CHANGE_FEED_SUBJECT.to_owned(), Vec::new().into());
        match timeout(PROJECTOR_TIMEOUT, asked).await {
            Ok(Ok(answer)) => match serde_json::from_slice(&answer) {
                Ok(ReloadChangeFeedResponse { wanted: Some(_) }) => ProjectorAck::Acknowledged,
                Ok(ReloadChangeFeedResponse { wanted: None }) | Err(_) => ProjectorAck::NoResponse,
            },
            Ok(Err(_)) | Err(_) => ProjectorAck::NoResponse,
        }
    }
}

fn unknown_endpoint() -> AdminRequestError {
    refused("there is no such endpoint")
}

/// Reads a question, has it answered, and says what came of it.
async fn handle_request<Q: DeserializeOwned, T: Serialize>(
    question: &[u8],
    answer: impl AsyncFnOnce(Q) -> Result<T, AdminRequestError>,
) -> Vec<u8> {
    let Ok(question) = serde_json::from_slice(question) else {
        let why = "the question can't be read: is the command of another version?";
        return encode(&AdminResponse::<()>::Refused(why.to_owned()));
    };
    encode(&match answer(question).await {
        Ok(answer) => AdminResponse::Done(answer),
        Err(AdminRequestError::Refused(why)) => AdminResponse::Refused(why),
        Err(AdminRequestError::Unavailable) => AdminResponse::Unavailable,
    })
}
