//! The worker's side of what operators ask. Any worker answers: everything it takes stands in the buckets.

mod parked;

use std::sync::Arc;
use std::time::Duration;

use events::{ChangeKind, FEED_SUBJECT, FeedAnswer};
use futures_util::StreamExt;
use jetstream::ReceivedMessage;
use keys::UserId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};
use url::Url;

use super::ask::{
    AddQuestion, Added, Answer, Asked, EndpointStatus, IdQuestion, ListQuestion, RefQuestion, SUBJECTS,
    Tested, Told, encode,
};
use super::cursor::{behind, identity};
use super::endpoint::{Beginning, Endpoint, EndpointId, Secrets};
use super::entries::scan;
use super::message::Message;
use super::posting::{Attempt, Failure};
use super::registry::ENDPOINTS_MAX;
use super::{Means, Unavailable, random};

/// How long it may take to say that it knows.
const PROJECTOR_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the receiver of a test may take: the operator waits for this answer no longer than 5 seconds.
const TEST_TIMEOUT: Duration = Duration::from_secs(4);
/// Pause before the subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Questions answered at the same time.
const QUESTIONS_IN_FLIGHT_MAX: usize = 16;
/// Of several workers one answers.
const QUEUE: &str = "worker";

/// Why a question is not answered.
enum No {
    Refused(String),
    Unavailable,
}

impl From<Unavailable> for No {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

fn refused(why: impl ToString) -> No {
    No::Refused(why.to_string())
}

/// Answers for as long as the process runs.
pub(super) async fn serve(means: Arc<Means>) {
    loop {
        if let Ok(questions) = means.broker.subscribe(SUBJECTS, Some(QUEUE)).await {
            let questions = Box::pin(questions.into_stream());
            questions.for_each_concurrent(QUESTIONS_IN_FLIGHT_MAX, |heard| means.answer(heard)).await;
        }
        sleep(RETRY_INTERVAL).await;
    }
}

impl Means {
    async fn answer(&self, heard: ReceivedMessage) {
        let Some(reply) = heard.reply_subject else { return };
        let question = &heard.payload;
        let answer = match Asked::of(&heard.subject) {
            Some(Asked::Add) => answered(question, async |question| self.add(question).await).await,
            Some(Asked::List) => answered(question, async |ListQuestion {}| self.list().await).await,
            Some(Asked::Remove) => answered(question, async |question| self.remove(question).await).await,
            Some(Asked::Test) => answered(question, async |question| self.test(question).await).await,
            Some(Asked::Ref) => answered(question, async |question| self.user_ref(question).await).await,
            Some(Asked::Parked) => answered(question, async |question| self.parked(question).await).await,
            Some(Asked::Retry) => answered(question, async |question| self.retry(question).await).await,
            None => encode(&Answer::<()>::Refused("no worker of this version can be asked that".to_owned())),
        };
        // Who asked gives up by itself where the answer is lost.
        let _ = self.broker.publish(reply, answer.into()).await;
    }

    async fn add(&self, question: AddQuestion) -> Result<Added, No> {
        let wrong = || refused(super::target::TargetError::Url);
        let url: Url = question.url.parse().map_err(|_| wrong())?;
        self.posting.targets().judge_now(&url).await.map_err(refused)?;
        if self.registry.all().await?.ids.len() >= ENDPOINTS_MAX {
            return Err(refused(format_args!(
                "there are {ENDPOINTS_MAX} endpoints already; remove one first"
            )));
        }
        let (stream, sequence) = identity(&self.changes).await?;
        let endpoint = Endpoint::new(
            EndpointId::from_bytes(random()),
            url,
            &question.kinds,
            question.user_refs,
            self.seal.current_version(),
            ((self.clock)(), Beginning { stream, sequence }),
        );
        let secrets = self.secrets(&endpoint)?;
        self.registry.add(&endpoint).await?;
        tracing::info!(endpoint = %endpoint.id, host = endpoint.host(), "an endpoint was added");
        let secret = secrets.signing.expose().to_string();
        Ok(Added { id: endpoint.id, secret, projector: self.tell_projector().await })
    }

    async fn list(&self) -> Result<Vec<EndpointStatus>, No> {
        let end = identity(&self.changes).await?;
        let mut endpoints = Vec::new();
        for endpoint in self.registry.all().await?.endpoints {
            let (mut waiting, mut parked, mut position) = (0, 0, 0);
            while let Some((last, page)) = scan(&self.work, Some(endpoint.id), position).await? {
                position = last;
                for found in page {
                    *(if found.entry.state.is_parked() { &mut parked } else { &mut waiting }) += 1;
                }
            }
            endpoints.push(EndpointStatus {
                id: endpoint.id,
                url: endpoint.url.to_string(),
                kinds: ChangeKind::ALL.into_iter().filter(|kind| endpoint.wants(*kind)).collect(),
                user_refs: endpoint.user_refs,
                created_at: endpoint.created_at,
                disabled: endpoint.disabled,
                secret_gone: Secrets::of(&endpoint, &self.seal).is_none(),
                behind: behind(&self.work, &endpoint, &end).await?,
                waiting,
                parked,
            });
        }
        Ok(endpoints)
    }

    /// What waits for it is removed by whoever delivers to it.
    async fn remove(&self, question: IdQuestion) -> Result<Told, No> {
        if !self.registry.remove(question.id).await? {
            return Err(unknown());
        }
        tracing::info!(endpoint = %question.id, "an endpoint was removed");
        Ok(self.tell_projector().await)
    }

    async fn test(&self, question: IdQuestion) -> Result<Tested, No> {
        let endpoint = self.endpoint(question.id).await?;
        let (secrets, now) = (self.secrets(&endpoint)?, (self.clock)());
        let message = Message::test(now, &random());
        let (delivered, status, detail) = match self
            .posting
            .post(&endpoint.url, &message, &secrets, now, TEST_TIMEOUT)
            .await
        {
            Attempt::Delivered(status) => {
                (true, Some(status.as_u16()), format!("answered {}", status.as_u16()))
            }
            Attempt::Gone => (false, Some(410), "answered 410: it wants nothing any more".to_owned()),
            Attempt::Failed { why: why @ Failure::Status(status), .. } => {
                (false, Some(status.as_u16()), why.to_string())
            }
            Attempt::Failed { why: Failure::NoAnswer, .. } => {
                (false, None, format!("no answer within {} seconds", TEST_TIMEOUT.as_secs()))
            }
            Attempt::Failed {
                why: why @ (Failure::Target(_) | Failure::Unreachable | Failure::Broken | Failure::Unopened),
                ..
            } => (false, None, why.to_string()),
        };
        Ok(Tested { delivered, status, detail, message_id: message.id })
    }

    async fn user_ref(&self, question: RefQuestion) -> Result<String, No> {
        let user: UserId = question.user_id.parse().map_err(refused)?;
        let endpoint = self.endpoint(question.id).await?;
        Ok(self.secrets(&endpoint)?.user(&self.pseudonyms.user_ref(&user)))
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Endpoint, No> {
        self.registry.get(id).await?.ok_or_else(unknown)
    }

    fn secrets(&self, endpoint: &Endpoint) -> Result<Secrets, No> {
        Secrets::of(endpoint, &self.seal).ok_or_else(|| {
            refused("the version of the worker's secret is gone that this endpoint's is derived from: register it anew")
        })
    }

    async fn tell_projector(&self) -> Told {
        let asked = self.broker.request(FEED_SUBJECT.to_owned(), Vec::new().into());
        match timeout(PROJECTOR_TIMEOUT, asked).await {
            Ok(Ok(answer)) => match serde_json::from_slice(&answer) {
                Ok(FeedAnswer { wanted: Some(_) }) => Told::Knows,
                Ok(FeedAnswer { wanted: None }) | Err(_) => Told::Silent,
            },
            Ok(Err(_)) | Err(_) => Told::Silent,
        }
    }
}

fn unknown() -> No {
    refused("there is no such endpoint")
}

/// Reads a question, has it answered, and says what came of it.
async fn answered<Q: DeserializeOwned, T: Serialize>(
    question: &[u8],
    answer: impl AsyncFnOnce(Q) -> Result<T, No>,
) -> Vec<u8> {
    let Ok(question) = serde_json::from_slice(question) else {
        let why = "the question can't be read: is the command of another version?";
        return encode(&Answer::<()>::Refused(why.to_owned()));
    };
    encode(&match answer(question).await {
        Ok(answer) => Answer::Done(answer),
        Err(No::Refused(why)) => Answer::Refused(why),
        Err(No::Unavailable) => Answer::Unavailable,
    })
}
