//! The operator's side.

use jetstream::{Broker, RequestError};
use jiff::civil::Date;
use schemas::{RowDocument, RowsDocument, Sequence};

use super::{
    Access, Answer, DIGEST_SUBJECT, DigestDocument, ParkedEvent, Question, SUBJECT, UserReport, UserRow,
    ViewsStatus, Which, Whose,
};
use crate::compare::Difference;
use crate::jobs::Job;

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

    async fn ask(&self, question: &Question) -> Result<Answer, OperatorError> {
        let question =
            serde_json::to_vec(question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(SUBJECT.to_owned(), question.into()).await?;
        let answer = serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)?;
        if let Answer::Refused(reason) = answer { Err(OperatorError::Refused(reason)) } else { Ok(answer) }
    }

    async fn order(&self, question: Question) -> Result<(), OperatorError> {
        let Answer::Done = self.ask(&question).await? else { return Err(unexpected()) };
        Ok(())
    }

    /// What views there are and what is done.
    pub async fn status(&self) -> Result<ViewsStatus, OperatorError> {
        let Answer::Status(status) = self.ask(&Question::Status).await? else { return Err(unexpected()) };
        Ok(*status)
    }

    /// Begins a job, and returns its number.
    pub async fn start(&self, job: Job) -> Result<u64, OperatorError> {
        let answer = self.ask(&Question::Start(job)).await?;
        let Answer::Started(number) = answer else { return Err(unexpected()) };
        Ok(number)
    }

    /// Cancels a job, or whichever is under way.
    pub async fn cancel(&self, job: Option<u64>) -> Result<(), OperatorError> {
        self.order(Question::Cancel { job }).await
    }

    /// Removes a kept or built view.
    pub async fn drop_view(&self, which: Which) -> Result<(), OperatorError> {
        self.order(Question::Drop(which)).await
    }

    /// Folds a user, or one date of a user, anew in the serving view.
    pub async fn repair(
        &self,
        of: Whose,
        date: Option<Date>,
        may_be_damaged: bool,
    ) -> Result<(), OperatorError> {
        self.order(Question::Repair { of, date, may_be_damaged }).await
    }

    /// What waits.
    pub async fn parked(&self) -> Result<Vec<ParkedEvent>, OperatorError> {
        let (mut all, mut skip) = (Vec::new(), 0);
        loop {
            let answer = self.ask(&Question::Parked { skip }).await?;
            let Answer::Parked { mut parked, next } = answer else { return Err(unexpected()) };
            all.append(&mut parked);
            match next {
                Some(next) => skip = next,
                None => return Ok(all),
            }
        }
    }

    /// Leaves a parked event out for good. Returns when that is folded.
    pub async fn discard(&self, sequence: Sequence, access: Access) -> Result<(), OperatorError> {
        self.order(Question::Discard { sequence, access }).await
    }

    /// Has every view drop the rows of the years before this one. Returns when that is folded.
    pub async fn retain(&self, before_year: i16, access: Access) -> Result<(), OperatorError> {
        self.order(Question::Retain { before_year, access }).await
    }

    /// A user's rows, all pages of them.
    pub async fn rows(
        &self,
        of: Whose,
        (mut from, to): (Date, Date),
        at: Option<Sequence>,
        access: Access,
    ) -> Result<RowsDocument, OperatorError> {
        let mut summaries: Vec<RowDocument> = Vec::new();
        loop {
            let (of, access) = (of.clone(), access.clone());
            let answer = self.ask(&Question::Rows { of, from, to, at, access }).await?;
            let Answer::Rows { mut rows, next } = answer else { return Err(unexpected()) };
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
        which: Which,
        date: Option<Date>,
        after: Option<String>,
        access: Access,
    ) -> Result<(Vec<UserRow>, u64, Option<String>), OperatorError> {
        let Answer::AllRows { rows, position, next } =
            self.ask(&Question::AllRows { which, after, date, access }).await?
        else {
            return Err(unexpected());
        };
        Ok((rows, position, next))
    }

    /// One page of what devices last said of themselves, the view's position, and what to ask the next page with.
    pub async fn reports(
        &self,
        only_compromised: bool,
        after: Option<String>,
        access: Access,
    ) -> Result<(Vec<UserReport>, u64, Option<String>), OperatorError> {
        let Answer::Reports { reports, position, next } =
            self.ask(&Question::Reports { after, only_compromised, access }).await?
        else {
            return Err(unexpected());
        };
        Ok((reports, position, next))
    }

    /// One page of what differs between two views, how many entries were looked at, and what to ask the next page with.
    pub async fn differences(
        &self,
        (a, b): (Which, Which),
        after: Option<String>,
        access: Access,
    ) -> Result<(Vec<Difference>, u64, Option<String>), OperatorError> {
        let Answer::Differences { differences, entries, next } =
            self.ask(&Question::Differences { a, b, after, access }).await?
        else {
            return Err(unexpected());
        };
        Ok((differences, entries, next))
    }
}

/// What the serving view is: for operators and auditors.
pub async fn ask_digest(broker: &Broker) -> Result<DigestDocument, OperatorError> {
    let answer = broker.request(DIGEST_SUBJECT.to_owned(), Vec::new().into()).await?;
    let answer: Result<DigestDocument, String> =
        serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)?;
    answer.map_err(OperatorError::Refused)
}

fn unexpected() -> OperatorError {
    OperatorError::Refused(
        "the projector's answer is to another question: is it of another version?".to_owned(),
    )
}
