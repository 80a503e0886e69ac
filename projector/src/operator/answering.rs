//! The projector's side.

use std::sync::Arc;
use std::time::Duration;

use events::Actor;
use jetstream::{Broker, ReceivedMessage, ScanFrom};
use keys::{Pseudonymizer, UserId, UserRef};
use schemas::{RowsDocument, Sequence};
use tokio::time::sleep;

use super::{
    Access, Answer, Cursors, DIGEST_SUBJECT, DigestDocument, ParkedEvent, Question, Recording, SUBJECT,
    ViewStatus, ViewsStatus, Which, Whose,
};
use crate::asked::answer_all;
use crate::blocking::blocking;
use crate::compare::differences;
use crate::incident::with_causes;
use crate::jobs::Jobs;
use crate::poison::Poison;
use crate::reader::Reader;
use crate::view::View;
use aggregates::FOLD_VERSION;

/// Bytes of rows in one answer: a message of the broker carries 1 MiB.
pub(super) const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Parked events of one page.
const PAGE_PARKED_MAX: usize = 50;
/// A user's waiting events are counted so far.
const WAITING_EVENTS_MAX: u64 = 2_000;
/// The role that asks here, as `nats.conf` has it.
const OPERATOR: &str = "operator";
/// Questions answered at the same time.
const QUESTIONS_IN_FLIGHT_MAX: usize = 16;
/// How long a discarded event may take to be folded before the operator is told to look again.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(4);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Answers operators and auditors.
pub(crate) struct Answering {
    pub(crate) broker: Broker,
    pub(crate) reader: Arc<Reader>,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) recording: Recording,
    pub(crate) cursors: Cursors,
}

impl Answering {
    /// Answers for as long as the process runs.
    pub(crate) async fn serve(self: Arc<Self>) {
        answer_all(&self.broker, &[SUBJECT, DIGEST_SUBJECT], QUESTIONS_IN_FLIGHT_MAX, |heard| {
            self.answer(heard)
        })
        .await;
    }

    async fn answer(&self, heard: ReceivedMessage) -> Vec<u8> {
        let answer = if heard.subject == DIGEST_SUBJECT {
            serde_json::to_vec(&self.digest())
        } else {
            let answer = match serde_json::from_slice::<Question>(&heard.payload) {
                Ok(question) => self.one(question).await,
                Err(_) => Err("the question can't be read: is the command of another version?".to_owned()),
            };
            serde_json::to_vec(&answer.unwrap_or_else(Answer::Refused))
        };
        answer.unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"))
    }

    async fn one(&self, question: Question) -> Result<Answer, String> {
        match question {
            Question::Status => self.status().map(|status| Answer::Status(Box::new(status))),
            Question::Rows { of, from, to, at, access } => {
                let user = self.user(&of)?;
                let rows = match at {
                    None => self.reader.rows(user, from, to).await,
                    Some(at) => self.reader.rows_at(user, from, to, at).await,
                };
                let rows = rows.map_err(text)?;
                // Read before, so that the position is not that of the record itself; told after.
                self.record(&access, user.to_string()).await?;
                Ok(page(rows))
            }
            Question::AllRows { which, after, date, access } => {
                let of = format!("every user's rows, {which:?}");
                let after = self.page_behind(&of, after, &access).await?;
                self.all_rows(&of, which, after, date).await
            }
            Question::Reports { after, only_compromised, access } => {
                let which = if only_compromised { "compromised devices" } else { "devices" };
                let of = format!("every user's {which}, as they report themselves");
                let after = self.page_behind(&of, after, &access).await?;
                self.reports(&of, after, only_compromised).await
            }
            Question::Differences { a, b, after, access } => {
                let of = format!("every user's rows, {a:?} and {b:?}");
                let after = self.page_behind(&of, after, &access).await?;
                let (a, b) = (self.view(a).await?, self.view(b).await?);
                let page = differences(&a, &b, after, self.jobs.keys()).await.map_err(text)?;
                let next = page.next.map(|next| self.cursors.give(&of, next));
                Ok(Answer::Differences { differences: page.differences, entries: page.entries, next })
            }
            Question::Start(job) => self.jobs.start(job).map(Answer::Started),
            Question::Cancel { job } if self.jobs.cancel(job) => Ok(Answer::Done),
            Question::Cancel { .. } => Err("nothing like that is under way".to_owned()),
            Question::Drop(which) => self.drop_view(which).await,
            Question::Repair { of, date, may_be_damaged } => {
                let user = self.user(&of)?;
                self.jobs.repair(user, date, may_be_damaged).await.map_err(text)?;
                Ok(Answer::Done)
            }
            Question::Parked { skip } => self.parked(skip).await,
            Question::Discard { sequence, access } => self.discard(sequence, access).await,
            Question::Retain { before_year, access } => {
                let by = Actor { role: OPERATOR.to_owned(), ..access.by };
                let appended = self.recording.retain(by, before_year, access.reason).await;
                self.once_folded(appended.map_err(text)?).await
            }
        }
    }

    fn user(&self, of: &Whose) -> Result<UserRef, String> {
        match of {
            Whose::UserId(id) => {
                let id: UserId = id.parse().map_err(text)?;
                Ok(self.pseudonyms.user_ref(&id))
            }
            Whose::UserRef(user) => user.parse().map_err(text),
        }
    }

    /// Where a page begins: the first behind the record of all of them, a later one where the one before ended.
    async fn page_behind(
        &self,
        of: &str,
        after: Option<String>,
        access: &Access,
    ) -> Result<Option<Vec<u8>>, String> {
        match after {
            Some(cursor) => self.cursors.take(of, &cursor).map(Some),
            None => self.record(access, of.to_owned()).await.map(|()| None),
        }
    }

    async fn record(&self, access: &Access, of: String) -> Result<(), String> {
        // Whatever the command says: it came in by the operators' account.
        let by = Actor { role: OPERATOR.to_owned(), ..access.by.clone() };
        self.recording
            .record(&Access { by, ..access.clone() }, of)
            .await
            .map(drop)
            .map_err(|error| format!("what is shown can't be recorded, so nothing is shown: {error}"))
    }

    fn digest(&self) -> Result<DigestDocument, String> {
        let view = self.jobs.serving().map_err(text)?;
        let head = view.head();
        Ok(DigestDocument {
            position: head.tree.size,
            root: head.tree.root.to_string(),
            fold_version: FOLD_VERSION,
            digest: head.digest.to_string(),
            parked: view.parked().len() as u64,
        })
    }

    fn status(&self) -> Result<ViewsStatus, String> {
        let serving = self.jobs.serving().map_err(text)?;
        let list = self.jobs.shared.views().ok_or("the view is not open yet")?.list();
        let head = serving.head();
        let mut views = vec![ViewStatus {
            view: list.serving,
            is: "serving".to_owned(),
            position: Some(head.tree.size),
            digest: Some(head.digest.to_string()),
        }];
        let others =
            list.built.iter().map(|view| (view, "built")).chain(list.kept.iter().map(|view| (view, "kept")));
        views.extend(others.map(|(view, is)| ViewStatus {
            view: *view,
            is: is.to_owned(),
            position: None,
            digest: None,
        }));
        Ok(ViewsStatus { views, parked: serving.parked().len() as u64, job: self.jobs.report() })
    }

    /// A view by what it is called. One that does not serve is opened for the question.
    pub(super) async fn view(&self, which: Which) -> Result<Arc<View>, String> {
        let views = self.jobs.shared.views().ok_or("the view is not open yet")?;
        let list = views.list();
        let number = match which {
            Which::Serving => list.serving,
            Which::Kept => *list.kept.first().ok_or("no view is kept")?,
            Which::Built => list.built.ok_or("no view was built beside the one that serves")?,
            Which::Number(number) => number,
            Which::Past(sequence) => {
                return self
                    .jobs
                    .past(sequence)
                    .ok_or_else(|| format!("the view as of {sequence} is not folded"));
            }
        };
        if number == list.serving {
            return self.jobs.serving().map_err(text);
        }
        if !list.kept.contains(&number) && list.built != Some(number) {
            return Err(format!("there is no view {number}"));
        }
        self.jobs.open_beside(number).await.map_err(text)
    }

    async fn drop_view(&self, which: Which) -> Result<Answer, String> {
        let views = self.jobs.shared.views().ok_or("the view is not open yet")?;
        let list = views.list();
        let number = match which {
            Which::Serving => return Err("the view that serves can't be dropped".to_owned()),
            Which::Past(_) => return Err("a view of the past goes by itself".to_owned()),
            Which::Kept => *list.kept.first().ok_or("no view is kept")?,
            Which::Built => list.built.ok_or("no view was built beside the one that serves")?,
            Which::Number(number) => number,
        };
        self.jobs.close_beside(number)?;
        match blocking(move || views.drop_view(number)).await.map_err(text)? {
            true => Ok(Answer::Done),
            false => Err(format!("there is no view {number} that could be dropped")),
        }
    }

    async fn parked(&self, skip: usize) -> Result<Answer, String> {
        let view = self.jobs.serving().map_err(text)?;
        let all = view.parked();
        let next = Some(skip + PAGE_PARKED_MAX).filter(|next| *next < all.len());
        let mut parked = Vec::new();
        for poison in all.into_iter().skip(skip).take(PAGE_PARKED_MAX) {
            let waiting = self.waiting(&poison).await.map_err(text)?;
            parked.push(ParkedEvent {
                sequence: poison.sequence,
                user_ref: poison.user.to_string(),
                kind: poison.kind.as_str().to_owned(),
                detail: poison.detail,
                waiting,
            });
        }
        Ok(Answer::Parked { parked, next })
    }

    /// How many of the user's later events wait.
    async fn waiting(&self, poison: &Poison) -> Result<u64, events::LogError> {
        if poison.user == UserRef::SYSTEM {
            return Ok(0);
        }
        let (mut from, mut waiting) = (poison.sequence.get() + 1, 0);
        while waiting < WAITING_EVENTS_MAX {
            let events = self.jobs.log.scan(ScanFrom::Sequence(from), Some(&poison.user)).await?;
            let Some(last) = events.last() else { break };
            waiting += events.len() as u64;
            from = last.sequence().get() + 1;
        }
        Ok(waiting)
    }

    async fn discard(&self, sequence: Sequence, access: Access) -> Result<Answer, String> {
        let view = self.jobs.serving().map_err(text)?;
        let parked = view.parked().into_iter().find(|poison| poison.sequence == sequence);
        let poison = parked.ok_or_else(|| format!("the event at sequence {sequence} is not parked"))?;
        if access.reason.trim().is_empty() {
            return Err("say why: an event is left out for good".to_owned());
        }
        let appended = self.recording.discard(access.by, sequence, poison.user, access.reason).await;
        self.once_folded(appended.map_err(text)?).await
    }

    async fn once_folded(&self, at: Sequence) -> Result<Answer, String> {
        let folded = tokio::time::timeout(DISCARD_TIMEOUT, async {
            while self.jobs.serving().ok().and_then(|view| view.position()) < Some(at) {
                sleep(LOOK_INTERVAL).await;
            }
        });
        match folded.await {
            Ok(()) => Ok(Answer::Done),
            Err(_) => Err(format!("it stands in the log at sequence {at}, and is not folded yet")),
        }
    }
}

/// An error with its causes.
pub(super) fn text(error: impl std::error::Error) -> String {
    with_causes(&error)
}

/// As many rows as fit one message, at least one.
fn page(mut rows: RowsDocument) -> Answer {
    let mut bytes = 0;
    let fitting = rows.summaries.iter().take_while(|row| {
        bytes += serde_json::to_vec(row).map_or(0, |row| row.len());
        bytes <= ANSWER_BYTES_MAX
    });
    let rest = rows.summaries.split_off(fitting.count().max(1).min(rows.summaries.len()));
    Answer::Rows { next: rest.first().map(|row| row.date), rows }
}
