//! The operator's side.

use jetstream::{Broker, RequestError};
use jiff::civil::Date;
use schemas::{RowDocument, RowsDocument, Sequence};

use super::{
    AccessContext, DIGEST_SUBJECT, OPERATOR_SUBJECT, OperatorRequest, OperatorResponse, ParkedEventDocument,
    ProjectorStatus, UserDeviceReport, UserRow, UserSelector, ViewDigestDocument, ViewSelector,
};
use crate::jobs::Job;
use crate::view_diff::ViewDifference;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The projector does not answer.
    #[error("the projector does not answer")]
    Unavailable(#[from] RequestError),
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

/// Asks the projector. The connection must be an operator's.
pub struct OperatorClient {
    broker: Broker,
}

impl OperatorClient {
    /// Over this connection.
    pub fn new(broker: Broker) -> Self {
        Self { broker }
    }

    async fn request(&self, question: &OperatorRequest) -> Result<OperatorResponse, OperatorError> {
        let question =
            serde_json::to_vec(question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(OPERATOR_SUBJECT.to_owned(), question.into()).await?;
        let answer = serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)?;
        if let OperatorResponse::Refused(reason) = answer {
            Err(OperatorError::Refused(reason))
        } else {
            Ok(answer)
        }
    }

    async fn execute(&self, question: OperatorRequest) -> Result<(), OperatorError> {
        let OperatorResponse::Done = self.request(&question).await? else {
            return Err(unexpected_response());
        };
        Ok(())
    }

    /// What views there are and what is done.
    pub async fn status(&self) -> Result<ProjectorStatus, OperatorError> {
        let OperatorResponse::Status(status) = self.request(&OperatorRequest::Status).await? else {
            return Err(unexpected_response());
        };
        Ok(*status)
    }

    /// Begins a job, and returns its number.
    pub async fn start(&self, job: Job) -> Result<u64, OperatorError> {
        let answer = self.request(&OperatorRequest::Start(job)).await?;
        let OperatorResponse::Started(number) = answer else { return Err(unexpected_response()) };
        Ok(number)
    }

    /// Cancels a job, or whichever is under way.
    pub async fn cancel(&self, job: Option<u64>) -> Result<(), OperatorError> {
        self.execute(OperatorRequest::Cancel { job }).await
    }

    /// Removes a kept or built view.
    pub async fn drop_view(&self, which: ViewSelector) -> Result<(), OperatorError> {
        self.execute(OperatorRequest::Drop(which)).await
    }

    /// Folds a user, or one date of a user, anew in the serving view.
    pub async fn repair(
        &self,
        of: UserSelector,
        date: Option<Date>,
        may_be_damaged: bool,
    ) -> Result<(), OperatorError> {
        self.execute(OperatorRequest::Repair { of, date, may_be_damaged }).await
    }

    /// What waits.
    pub async fn parked(&self) -> Result<Vec<ParkedEventDocument>, OperatorError> {
        let (mut all, mut skip) = (Vec::new(), 0);
        loop {
            let answer = self.request(&OperatorRequest::Parked { skip }).await?;
            let OperatorResponse::Parked { mut parked, next } = answer else {
                return Err(unexpected_response());
            };
            all.append(&mut parked);
            match next {
                Some(next) => skip = next,
                None => return Ok(all),
            }
        }
    }

    /// Leaves a parked event out for good. Returns when that is folded.
    pub async fn discard(&self, sequence: Sequence, access: AccessContext) -> Result<(), OperatorError> {
        self.execute(OperatorRequest::Discard { sequence, access }).await
    }

    /// Has every view drop the rows of the years before this one. Returns when that is folded.
    pub async fn apply_retention(
        &self,
        before_year: i16,
        access: AccessContext,
    ) -> Result<(), OperatorError> {
        self.execute(OperatorRequest::Retain { before_year, access }).await
    }

    /// A user's rows, all pages of them.
    pub async fn rows(
        &self,
        of: UserSelector,
        (mut from, to): (Date, Date),
        at: Option<Sequence>,
        access: AccessContext,
    ) -> Result<RowsDocument, OperatorError> {
        let mut summaries: Vec<RowDocument> = Vec::new();
        loop {
            let (of, access) = (of.clone(), access.clone());
            let answer = self.request(&OperatorRequest::Rows { of, from, to, at, access }).await?;
            let OperatorResponse::Rows { mut rows, next } = answer else { return Err(unexpected_response()) };
            summaries.append(&mut rows.summaries);
            match next {
                Some(next) => from = next,
                None => return Ok(RowsDocument { summaries, position: rows.position }),
            }
        }
    }

    /// One page of all rows of a view, its position, and what to ask the next page with.
    pub async fn all_rows(
        &self,
        which: ViewSelector,
        date: Option<Date>,
        after: Option<String>,
        access: AccessContext,
    ) -> Result<(Vec<UserRow>, u64, Option<String>), OperatorError> {
        let OperatorResponse::AllRows { rows, position, next } =
            self.request(&OperatorRequest::AllRows { which, after, date, access }).await?
        else {
            return Err(unexpected_response());
        };
        Ok((rows, position, next))
    }

    /// One page of what devices last said of themselves, the view's position, and what to ask the next page with.
    pub async fn device_reports(
        &self,
        only_compromised: bool,
        after: Option<String>,
        access: AccessContext,
    ) -> Result<(Vec<UserDeviceReport>, u64, Option<String>), OperatorError> {
        let OperatorResponse::Reports { reports, position, next } =
            self.request(&OperatorRequest::Reports { after, only_compromised, access }).await?
        else {
            return Err(unexpected_response());
        };
        Ok((reports, position, next))
    }

    /// One page of what differs between two views, how many entries were looked at, and what to ask the next page with.
    pub async fn differences(
        &self,
        (a, b): (ViewSelector, ViewSelector),
        after: Option<String>,
        access: AccessContext,
    ) -> Result<(Vec<ViewDifference>, u64, Option<String>), OperatorError> {
        let OperatorResponse::Differences { differences, entries, next } =
            self.request(&OperatorRequest::Differences { a, b, after, access }).await?
        else {
            return Err(unexpected_response());
        };
        Ok((differences, entries, next))
    }
}

/// What the serving view is: for operators and auditors.
pub async fn fetch_digest(broker: &Broker) -> Result<ViewDigestDocument, OperatorError> {
    let answer = broker.request(DIGEST_SUBJECT.to_owned(), Vec::new().into()).await?;
    let answer: Result<ViewDigestDocument, String> =
        serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)?;
    answer.map_err(OperatorError::Refused)
}

fn unexpected_response() -> OperatorError {
    OperatorError::Refused(
        "the projector's answer is to another question: is it of another version?".to_owned(),
    )
}
