//! The projector's side.

use std::sync::Arc;
use std::time::Duration;

use aggregates::FOLD_VERSION;
use events::Actor;
use jetstream::{Broker, ReceivedMessage, ScanFrom};
use keys::{Pseudonymizer, UserId, UserRef};
use schemas::{RowsDocument, Sequence};
use tokio::time::sleep;

use super::{
    AccessContext, ActionRecorder, DIGEST_SUBJECT, OPERATOR_SUBJECT, OperatorRequest, OperatorResponse,
    PageCursors, ParkedEventDocument, ProjectorStatus, UserSelector, ViewDigestDocument, ViewSelector,
    ViewStatus,
};
use crate::internal_rpc_server::serve_requests;
use crate::jobs::JobRunner;
use crate::parked_event::ParkedEvent;
use crate::query_service::QueryService;
use crate::view::View;
use crate::view_diff::diff_page;
use runtime::{ErrorChain, run_blocking};

/// Bytes of rows in one answer: a message of the broker carries 1 MiB.
pub(super) const RESPONSE_BYTES_MAX: usize = 512 * 1024;
/// Parked events of one page.
const PAGE_PARKED_MAX: usize = 50;
/// A user's waiting events are counted so far.
const WAITING_EVENTS_MAX: u64 = 2_000;
/// The role that asks here, as `nats.conf` has it.
const OPERATOR_ROLE: &str = "operator";
/// Questions answered at the same time.
const REQUESTS_IN_FLIGHT_MAX: usize = 16;
/// How long a discarded event may take to be folded before the operator is told to look again.
const FOLD_TIMEOUT: Duration = Duration::from_secs(4);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Answers operators and auditors.
pub(crate) struct OperatorServer {
    pub(crate) broker: Broker,
    pub(crate) queries: Arc<QueryService>,
    pub(crate) jobs: Arc<JobRunner>,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) action_recorder: ActionRecorder,
    pub(crate) page_cursors: PageCursors,
}

impl OperatorServer {
    /// Answers for as long as the process runs.
    pub(crate) async fn serve(self: Arc<Self>) {
        serve_requests(&self.broker, &[OPERATOR_SUBJECT, DIGEST_SUBJECT], REQUESTS_IN_FLIGHT_MAX, |heard| {
            self.handle(heard)
        })
        .await;
    }

    async fn handle(&self, heard: ReceivedMessage) -> Vec<u8> {
        let answer = if heard.subject == DIGEST_SUBJECT {
            serde_json::to_vec(&self.digest())
        } else {
            let answer = match serde_json::from_slice::<OperatorRequest>(&heard.payload) {
                Ok(question) => self.handle_request(question).await,
                Err(_) => Err("the question can't be read: is the command of another version?".to_owned()),
            };
            serde_json::to_vec(&answer.unwrap_or_else(OperatorResponse::Refused))
        };
        answer.unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"))
    }

    async fn handle_request(&self, question: OperatorRequest) -> Result<OperatorResponse, String> {
        match question {
            OperatorRequest::Status => self.status().map(|status| OperatorResponse::Status(Box::new(status))),
            OperatorRequest::Rows { of, from, to, at, access } => {
                let user = self.resolve_user(&of)?;
                let rows = match at {
                    None => self.queries.rows(user, from, to).await,
                    Some(at) => self.queries.rows_as_of(user, from, to, at).await,
                };
                let rows = rows.map_err(error_text)?;
                // Read before, so that the position is not that of the record itself; told after.
                self.record(&access, user.to_string()).await?;
                Ok(first_page(rows))
            }
            OperatorRequest::AllRows { which, after, date, access } => {
                let of = format!("every user's rows, {which:?}");
                let after = self.page_start(&of, after, &access).await?;
                self.all_rows(&of, which, after, date).await
            }
            OperatorRequest::Reports { after, only_compromised, access } => {
                let which = if only_compromised { "compromised devices" } else { "devices" };
                let of = format!("every user's {which}, as they report themselves");
                let after = self.page_start(&of, after, &access).await?;
                self.device_reports(&of, after, only_compromised).await
            }
            OperatorRequest::Differences { a, b, after, access } => {
                let of = format!("every user's rows, {a:?} and {b:?}");
                let after = self.page_start(&of, after, &access).await?;
                let (a, b) = (self.resolve_view(a).await?, self.resolve_view(b).await?);
                let page = diff_page(&a, &b, after, self.jobs.keys()).await.map_err(error_text)?;
                let next = page.next.map(|next| self.page_cursors.issue(&of, next));
                Ok(OperatorResponse::Differences {
                    differences: page.differences,
                    entries: page.entries,
                    next,
                })
            }
            OperatorRequest::Start(job) => self.jobs.start(job).map(OperatorResponse::Started),
            OperatorRequest::Cancel { job } if self.jobs.cancel(job) => Ok(OperatorResponse::Done),
            OperatorRequest::Cancel { .. } => Err("nothing like that is under way".to_owned()),
            OperatorRequest::Drop(which) => self.drop_view(which).await,
            OperatorRequest::Repair { of, date, may_be_damaged } => {
                let user = self.resolve_user(&of)?;
                self.jobs.repair(user, date, may_be_damaged).await.map_err(error_text)?;
                Ok(OperatorResponse::Done)
            }
            OperatorRequest::Parked { skip } => self.parked(skip).await,
            OperatorRequest::Discard { sequence, access } => self.discard(sequence, access).await,
            OperatorRequest::Retain { before_year, access } => {
                let by = Actor { role: OPERATOR_ROLE.to_owned(), ..access.by };
                let appended = self.action_recorder.record_retention(by, before_year, access.reason).await;
                self.wait_until_folded(appended.map_err(error_text)?).await
            }
        }
    }

    fn resolve_user(&self, of: &UserSelector) -> Result<UserRef, String> {
        match of {
            UserSelector::UserId(id) => {
                let id: UserId = id.parse().map_err(error_text)?;
                Ok(self.pseudonyms.user_ref(&id))
            }
            UserSelector::UserRef(user) => user.parse().map_err(error_text),
        }
    }

    /// Where a page begins: the first behind the record of all of them, a later one where the one before ended.
    async fn page_start(
        &self,
        of: &str,
        after: Option<String>,
        access: &AccessContext,
    ) -> Result<Option<Vec<u8>>, String> {
        match after {
            Some(cursor) => self.page_cursors.redeem(of, &cursor).map(Some),
            None => self.record(access, of.to_owned()).await.map(|()| None),
        }
    }

    async fn record(&self, access: &AccessContext, of: String) -> Result<(), String> {
        // Whatever the command says: it came in by the operators' account.
        let by = Actor { role: OPERATOR_ROLE.to_owned(), ..access.by.clone() };
        self.action_recorder
            .record(&AccessContext { by, ..access.clone() }, of)
            .await
            .map(drop)
            .map_err(|error| format!("what is shown can't be recorded, so nothing is shown: {error}"))
    }

    fn digest(&self) -> Result<ViewDigestDocument, String> {
        let view = self.jobs.serving().map_err(error_text)?;
        let head = view.head();
        Ok(ViewDigestDocument {
            position: head.tree.size,
            root: head.tree.root.to_string(),
            fold_version: FOLD_VERSION,
            digest: head.digest.to_string(),
            parked: view.parked_events().len() as u64,
        })
    }

    fn status(&self) -> Result<ProjectorStatus, String> {
        let serving = self.jobs.serving().map_err(error_text)?;
        let list = self.jobs.serving_view.views().ok_or("the view is not open yet")?.list();
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
        Ok(ProjectorStatus { views, parked: serving.parked_events().len() as u64, job: self.jobs.report() })
    }

    /// A view by what it is called. One that does not serve is opened for the question.
    pub(super) async fn resolve_view(&self, which: ViewSelector) -> Result<Arc<View>, String> {
        let views = self.jobs.serving_view.views().ok_or("the view is not open yet")?;
        let list = views.list();
        let number = match which {
            ViewSelector::Serving => list.serving,
            ViewSelector::Kept => *list.kept.first().ok_or("no view is kept")?,
            ViewSelector::Built => list.built.ok_or("no view was built beside the one that serves")?,
            ViewSelector::Number(number) => number,
            ViewSelector::Past(sequence) => {
                return self
                    .jobs
                    .historical_view(sequence)
                    .ok_or_else(|| format!("the view as of {sequence} is not folded"));
            }
        };
        if number == list.serving {
            return self.jobs.serving().map_err(error_text);
        }
        if !list.kept.contains(&number) && list.built != Some(number) {
            return Err(format!("there is no view {number}"));
        }
        self.jobs.open_non_serving(number).await.map_err(error_text)
    }

    async fn drop_view(&self, which: ViewSelector) -> Result<OperatorResponse, String> {
        let views = self.jobs.serving_view.views().ok_or("the view is not open yet")?;
        let list = views.list();
        let number = match which {
            ViewSelector::Serving => return Err("the view that serves can't be dropped".to_owned()),
            ViewSelector::Past(_) => return Err("a view of the past goes by itself".to_owned()),
            ViewSelector::Kept => *list.kept.first().ok_or("no view is kept")?,
            ViewSelector::Built => list.built.ok_or("no view was built beside the one that serves")?,
            ViewSelector::Number(number) => number,
        };
        self.jobs.close_non_serving(number)?;
        match run_blocking(move || views.drop_view(number)).await.map_err(error_text)? {
            true => Ok(OperatorResponse::Done),
            false => Err(format!("there is no view {number} that could be dropped")),
        }
    }

    async fn parked(&self, skip: usize) -> Result<OperatorResponse, String> {
        let view = self.jobs.serving().map_err(error_text)?;
        let all = view.parked_events();
        let next = Some(skip + PAGE_PARKED_MAX).filter(|next| *next < all.len());
        let mut parked = Vec::new();
        for poison in all.into_iter().skip(skip).take(PAGE_PARKED_MAX) {
            let waiting = self.count_waiting_events(&poison).await.map_err(error_text)?;
            parked.push(ParkedEventDocument {
                sequence: poison.sequence,
                user_ref: poison.user.to_string(),
                kind: poison.reason.as_str().to_owned(),
                detail: poison.detail,
                waiting,
            });
        }
        Ok(OperatorResponse::Parked { parked, next })
    }

    /// How many of the user's later events wait.
    async fn count_waiting_events(&self, poison: &ParkedEvent) -> Result<u64, events::LogError> {
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

    async fn discard(&self, sequence: Sequence, access: AccessContext) -> Result<OperatorResponse, String> {
        let view = self.jobs.serving().map_err(error_text)?;
        let parked = view.parked_events().into_iter().find(|poison| poison.sequence == sequence);
        let poison = parked.ok_or_else(|| format!("the event at sequence {sequence} is not parked"))?;
        if access.reason.trim().is_empty() {
            return Err("say why: an event is left out for good".to_owned());
        }
        let appended =
            self.action_recorder.record_discard(access.by, sequence, poison.user, access.reason).await;
        self.wait_until_folded(appended.map_err(error_text)?).await
    }

    async fn wait_until_folded(&self, at: Sequence) -> Result<OperatorResponse, String> {
        let folded = tokio::time::timeout(FOLD_TIMEOUT, async {
            while self.jobs.serving().ok().and_then(|view| view.position()) < Some(at) {
                sleep(POLL_INTERVAL).await;
            }
        });
        match folded.await {
            Ok(()) => Ok(OperatorResponse::Done),
            Err(_) => Err(format!("it stands in the log at sequence {at}, and is not folded yet")),
        }
    }
}

/// An error with its causes.
pub(super) fn error_text(error: impl std::error::Error) -> String {
    ErrorChain(&error).to_string()
}

/// As many rows as fit one message, at least one.
fn first_page(mut rows: RowsDocument) -> OperatorResponse {
    let mut bytes = 0;
    let fitting = rows.summaries.iter().take_while(|row| {
        bytes += serde_json::to_vec(row).map_or(0, |row| row.len());
        bytes <= RESPONSE_BYTES_MAX
    });
    let rest = rows.summaries.split_off(fitting.count().max(1).min(rows.summaries.len()));
    OperatorResponse::Rows { next: rest.first().map(|row| row.date), rows }
}
