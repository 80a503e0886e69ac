//! What operators ask over the broker: the rows of a user, by user id. Served on `view.v1.get`.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use schemas::{RowDocument, RowsDocument};
use serde::{Deserialize, Serialize};
use stream::{Broker, RequestError};
use tokio::time::sleep;
use vault::{Pseudonyms, UserId};

use crate::reader::Reader;

const SUBJECT: &str = "view.v1.get";
/// Bytes of rows in one answer: a message of the broker carries 1 MiB.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Pause before the subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Which rows. The user id stands in the body, never in a subject, and is not kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct ViewQuestion {
    /// The user id, as tokens have it.
    pub user_id: String,
    /// The first date.
    pub from: Date,
    /// The last date.
    pub to: Date,
}

/// Rows, or why there are none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewAnswer {
    /// Some rows, and the date to go on from where there are more.
    Rows {
        /// The rows.
        rows: RowsDocument,
        /// Where to go on.
        next: Option<Date>,
    },
    /// The question can't be answered.
    Refused(String),
}

/// Asks for all rows of a range, page by page.
pub async fn ask_view(
    broker: &Broker,
    mut question: ViewQuestion,
) -> Result<Result<RowsDocument, String>, RequestError> {
    let mut summaries: Vec<RowDocument> = Vec::new();
    loop {
        let payload =
            serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = broker.request(SUBJECT.to_owned(), payload.into()).await?;
        match serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)? {
            ViewAnswer::Refused(reason) => return Ok(Err(reason)),
            ViewAnswer::Rows { mut rows, next } => {
                summaries.append(&mut rows.summaries);
                match next {
                    Some(next) => question.from = next,
                    None => return Ok(Ok(RowsDocument { summaries, position: rows.position })),
                }
            }
        }
    }
}

/// Answers for as long as the process runs.
pub(crate) async fn answer(broker: Broker, reader: Arc<Reader>, pseudonyms: Pseudonyms) {
    loop {
        if let Ok(mut questions) = broker.subscribe(SUBJECT, Some("projector")).await {
            while let Some(question) = questions.next().await {
                let Some(reply) = question.reply else { continue };
                let answer = one(&reader, &pseudonyms, &question.payload).await;
                let answer =
                    serde_json::to_vec(&answer).unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"));
                let _ = broker.publish(reply, answer.into()).await;
            }
        }
        sleep(RETRY_INTERVAL).await;
    }
}

async fn one(reader: &Reader, pseudonyms: &Pseudonyms, payload: &[u8]) -> ViewAnswer {
    let Ok(question) = serde_json::from_slice::<ViewQuestion>(payload) else {
        return ViewAnswer::Refused("the question can't be read".to_owned());
    };
    let Ok(user) = question.user_id.parse::<UserId>() else {
        return ViewAnswer::Refused("that is no user id".to_owned());
    };
    match reader.rows(pseudonyms.user_ref(&user), question.from, question.to).await {
        Ok(rows) => page(rows),
        Err(failure) => ViewAnswer::Refused(failure.to_string()),
    }
}

/// As many rows as fit one message, at least one.
fn page(mut rows: RowsDocument) -> ViewAnswer {
    let mut bytes = 0;
    let fitting = rows.summaries.iter().take_while(|row| {
        bytes += serde_json::to_vec(row).map_or(0, |row| row.len());
        bytes <= ANSWER_BYTES_MAX
    });
    let rest = rows.summaries.split_off(fitting.count().max(1).min(rows.summaries.len()));
    ViewAnswer::Rows { next: rest.first().map(|row| row.date), rows }
}
