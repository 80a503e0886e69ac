//! Questions about rows and events, whoever asks: phones over HTTP, operators over the broker.

mod devices_and_connections;
mod erasures;
mod exports;

use std::sync::Arc;

use aggregates::EventMetadata;
use aggregates::row::{Row, document, sources};
use events::{Log, LogError};
use jiff::civil::Date;
use keys::{KeyClient, UserRef};
use schemas::{Accepted, EventId, HistoryDocument, Outcome, RowDocument, RowsDocument, Sequence};
use tokio::sync::Semaphore;

use crate::decrypt::{DecryptError, EventDecryptor};
use crate::projection::{ReadEntryError, read_entry};
use crate::row_history::{ReplayError, find_event, find_summary, replay_row, replay_rows};
use crate::serving_view::ServingView;
use crate::view::{EntryKey, RowKey, View, ViewError};
use crate::view_entry::ViewEntry;
use notary_client::{FetchProofError, fetch_inclusion_proof};
use runtime::run_blocking;
use tlog::{Hash, LogVerifier, TlogProof};

/// Questions about the past answered at the same time.
const LOG_QUERIES_IN_FLIGHT_MAX: usize = 8;

/// Answers from the view, and from the log where the view keeps nothing.
pub(crate) struct QueryService {
    serving_view: Arc<ServingView>,
    log: Log,
    decryptor: EventDecryptor,
    verifier: LogVerifier,
    /// Questions that read the log take turns: each may hold a thousand events in memory.
    log_query_permits: Semaphore,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("the view is not open yet")]
    ViewNotOpen,
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Decrypt(#[from] DecryptError),
    #[error(transparent)]
    Entry(#[from] ReadEntryError),
    #[error(transparent)]
    Proof(#[from] FetchProofError),
    #[error("the log can't be read")]
    Log(#[from] LogError),
    #[error("more events than can be told at once")]
    TooManyEvents,
    #[error("the log ends at {0}")]
    BeyondLogEnd(u64),
}

impl From<ReplayError> for QueryError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Decrypt(failure) => Self::Decrypt(failure),
            ReplayError::Log(error) => Self::Log(error),
            ReplayError::TooManyEvents => Self::TooManyEvents,
        }
    }
}

impl QueryService {
    pub(crate) fn new(
        shared: Arc<ServingView>,
        log: Log,
        opener: EventDecryptor,
        verifier: LogVerifier,
    ) -> Self {
        Self {
            serving_view: shared,
            log,
            decryptor: opener,
            verifier,
            log_query_permits: Semaphore::new(LOG_QUERIES_IN_FLIGHT_MAX),
        }
    }

    /// One row with its position.
    pub(crate) async fn row(&self, user: UserRef, date: Date) -> Result<Option<RowDocument>, QueryError> {
        let (row, position) = self.entry::<Row>(RowKey { user, date }).await?;
        let stale = self.view()?.parked_event_of(&user).is_some();
        Ok(row.map(|row| RowDocument {
            stale,
            position: Some(position_or_zero(position)),
            ..document(date, &row)
        }))
    }

    /// The rows of a range, with one position for all.
    pub(crate) async fn rows(&self, user: UserRef, from: Date, to: Date) -> Result<RowsDocument, QueryError> {
        let view = self.view()?;
        let stale = view.parked_event_of(&user).is_some();
        let (sealed, position) = run_blocking(move || view.rows(user, from, to)).await?;
        let mut summaries = Vec::with_capacity(sealed.len());
        for (date, sealed) in sealed {
            let row: Row = read_entry(&RowKey { user, date }, &sealed, &self.decryptor.keys).await?;
            summaries.push(RowDocument { stale, ..document(date, &row) });
        }
        Ok(RowsDocument { summaries, position: position_or_zero(position) })
    }

    /// The rows of a range as they were, folded from the user's events up to a sequence.
    pub(crate) async fn rows_as_of(
        &self,
        user: UserRef,
        from: Date,
        to: Date,
        at: Sequence,
    ) -> Result<RowsDocument, QueryError> {
        let _turn = self.log_query_permits.acquire().await;
        let end = self.log.last_sequence().await?.map_or(0, Sequence::get);
        if at.get() > end {
            return Err(QueryError::BeyondLogEnd(end));
        }
        let view = self.view()?;
        if view.is_account_closed(&user) {
            return Ok(RowsDocument { summaries: Vec::new(), position: at.get() });
        }
        let rows = replay_rows(&self.log, &self.decryptor, &view, &user, at).await?;
        let summaries = rows.range(from..=to).map(|(date, row)| document(*date, row)).collect();
        Ok(RowsDocument { summaries, position: at.get() })
    }

    /// Why a row is what it is.
    pub(crate) async fn history(
        &self,
        user: UserRef,
        date: Date,
    ) -> Result<Option<HistoryDocument>, QueryError> {
        let _turn = self.log_query_permits.acquire().await;
        let (row, position) = self.entry::<Row>(RowKey { user, date }).await?;
        let Some(row) = row else { return Ok(None) };
        let view = self.view()?;
        let (events, refolded) =
            replay_row(&self.log, &self.decryptor, &view, &user, date, row.first_sequence, row.last_sequence)
                .await?;
        if refolded.as_ref() != Some(&row) {
            // The history is the log's word either way; that the view differs is for the operator to know.
            tracing::error!(%user, "INCIDENT: a row is not what its events fold to");
        }
        let row = refolded.unwrap_or(row);
        Ok(Some(HistoryDocument { date, events, row: sources(&row), position: position_or_zero(position) }))
    }

    /// What became of one event of this user.
    pub(crate) async fn event(&self, user: UserRef, id: EventId) -> Result<Option<Accepted>, QueryError> {
        let _turn = self.log_query_permits.acquire().await;
        let found = find_summary(&self.log, &self.decryptor, &user, id).await?;
        let Some((event, summary)) = found else { return Ok(None) };
        let (date, sequence) = (summary.date, event.sequence);
        let outcome = self.outcome(RowKey { user, date }, &event).await?;
        Ok(Some(Accepted { outcome, date, event_id: id, sequence, replayed: false }))
    }

    /// That an event of this user is in the log, for whoever has the log's public key.
    pub(crate) async fn proof(&self, user: UserRef, id: EventId) -> Result<Option<TlogProof>, QueryError> {
        let _turn = self.log_query_permits.acquire().await;
        // A receipt is of the stored bytes: it takes no key, and an event that waits has one too.
        let Some(recorded) = find_event(&self.log, &user, id).await? else { return Ok(None) };
        let (sequence, leaf) = (recorded.sequence().get(), Hash::from_leaf(recorded.bytes()));
        let proved = fetch_inclusion_proof(self.log.broker(), &self.verifier, sequence, leaf).await?;
        Ok(Some(TlogProof {
            index: sequence - 1,
            extra: Some(recorded.bytes().to_vec()),
            hashes: proved.hashes,
            checkpoint: proved.checkpoint,
        }))
    }

    /// What the event did to its row; `None` while the view has not folded it.
    async fn outcome(&self, key: RowKey, event: &EventMetadata) -> Result<Option<Outcome>, QueryError> {
        let (row, position) = self.entry::<Row>(key).await?;
        let Some(row) = row.filter(|_| position >= Some(event.sequence)) else { return Ok(None) };
        let view = self.view()?;
        let last = event.sequence;
        let (events, _) =
            replay_row(&self.log, &self.decryptor, &view, &key.user, key.date, row.first_sequence, last)
                .await?;
        Ok(events.last().filter(|last| last.event_id == event.event_id).map(|last| last.outcome))
    }

    /// An entry, opened, and the position that it reflects.
    async fn entry<E: ViewEntry>(&self, key: E::Key) -> Result<(Option<E>, Option<Sequence>), QueryError> {
        let (view, encoded) = (self.view()?, key.encode());
        let (sealed, position) = run_blocking(move || view.entry(&encoded)).await?;
        Ok(match sealed {
            Some(sealed) => (Some(read_entry(&key, &sealed, &self.decryptor.keys).await?), position),
            None => (None, position),
        })
    }

    /// Whether the account is being erased, or was; while that is not known, nothing is shown of it.
    pub(crate) fn is_account_closed(&self, user: &UserRef) -> Result<bool, QueryError> {
        Ok(self.view()?.is_account_closed(user))
    }

    pub(crate) fn keys(&self) -> &KeyClient {
        &self.decryptor.keys
    }

    fn view(&self) -> Result<Arc<View>, QueryError> {
        self.serving_view.view().ok_or(QueryError::ViewNotOpen)
    }
}

fn position_or_zero(position: Option<Sequence>) -> u64 {
    position.map_or(0, Sequence::get)
}
