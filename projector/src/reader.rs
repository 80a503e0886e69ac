//! Questions about rows and events, whoever asks: phones over HTTP, operators over the broker.

mod erasures;
mod exports;
mod owned;

use std::sync::Arc;

use events::{Log, LogError};
use jiff::civil::Date;
use keys::{KeyClient, UserRef};
use schemas::{Accepted, EventId, HistoryDocument, Outcome, RowDocument, RowsDocument, Sequence, Summary};
use tokio::sync::Semaphore;

use crate::batch::{EntryFailure, read_entry};
use crate::blocking::blocking;
use crate::entry::Entry;
use crate::open::{OpenFailure, OpenedEvent, Opener};
use crate::refold::{RefoldError, find, find_recorded, refold, refold_rows};
use crate::row::{Row, document, sources};
use crate::shared::Shared;
use crate::view::{EntryKey, RowKey, View, ViewError};
use notary::ask::{self, AskError};
use tlog::{Hash, LogVerifier, Proof};

/// Questions about the past answered at the same time.
const REFOLDS_MAX: usize = 8;

/// Answers from the view, and from the log where the view keeps nothing.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    log: Log,
    opener: Opener,
    verifier: LogVerifier,
    /// Questions that read the log take turns: each may hold a thousand events in memory.
    refolding: Semaphore,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFailure {
    #[error("the view is not open yet")]
    Closed,
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Open(#[from] OpenFailure),
    #[error(transparent)]
    Entry(#[from] EntryFailure),
    #[error(transparent)]
    Proof(#[from] AskError),
    #[error("the log can't be read")]
    Log(#[from] LogError),
    #[error("more events than can be told at once")]
    TooLong,
    #[error("the log ends at {0}")]
    BeyondTheLog(u64),
}

impl From<RefoldError> for ReadFailure {
    fn from(error: RefoldError) -> Self {
        match error {
            RefoldError::Open(failure) => Self::Open(failure),
            RefoldError::Log(error) => Self::Log(error),
            RefoldError::TooLong => Self::TooLong,
        }
    }
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, log: Log, opener: Opener, verifier: LogVerifier) -> Self {
        Self { shared, log, opener, verifier, refolding: Semaphore::new(REFOLDS_MAX) }
    }

    /// One row with its position.
    pub(crate) async fn row(&self, user: UserRef, date: Date) -> Result<Option<RowDocument>, ReadFailure> {
        let (row, position) = self.entry::<Row>(RowKey { user, date }).await?;
        let stale = self.view()?.parked_of(&user).is_some();
        Ok(row.map(|row| RowDocument { stale, position: Some(number(position)), ..document(date, &row) }))
    }

    /// The rows of a range, with one position for all.
    pub(crate) async fn rows(
        &self,
        user: UserRef,
        from: Date,
        to: Date,
    ) -> Result<RowsDocument, ReadFailure> {
        let view = self.view()?;
        let stale = view.parked_of(&user).is_some();
        let (sealed, position) = blocking(move || view.rows(user, from, to)).await?;
        let mut summaries = Vec::with_capacity(sealed.len());
        for (date, sealed) in sealed {
            let row: Row = read_entry(&RowKey { user, date }, &sealed, &self.opener.keys).await?;
            summaries.push(RowDocument { stale, ..document(date, &row) });
        }
        Ok(RowsDocument { summaries, position: number(position) })
    }

    /// The rows of a range as they were, folded from the user's events up to a sequence.
    pub(crate) async fn rows_at(
        &self,
        user: UserRef,
        from: Date,
        to: Date,
        at: Sequence,
    ) -> Result<RowsDocument, ReadFailure> {
        let _turn = self.refolding.acquire().await;
        let end = self.log.end().await?.map_or(0, Sequence::get);
        if at.get() > end {
            return Err(ReadFailure::BeyondTheLog(end));
        }
        let view = self.view()?;
        if view.is_closed(&user) {
            return Ok(RowsDocument { summaries: Vec::new(), position: at.get() });
        }
        let rows = refold_rows(&self.log, &self.opener, &view, &user, at).await?;
        let summaries = rows.range(from..=to).map(|(date, row)| document(*date, row)).collect();
        Ok(RowsDocument { summaries, position: at.get() })
    }

    /// Why a row is what it is.
    pub(crate) async fn history(
        &self,
        user: UserRef,
        date: Date,
    ) -> Result<Option<HistoryDocument>, ReadFailure> {
        let _turn = self.refolding.acquire().await;
        let (row, position) = self.entry::<Row>(RowKey { user, date }).await?;
        let Some(row) = row else { return Ok(None) };
        let view = self.view()?;
        let (events, refolded) =
            refold(&self.log, &self.opener, &view, &user, date, row.first, row.last).await?;
        if refolded.as_ref() != Some(&row) {
            // The history is the log's word either way; that the view differs is for the operator to know.
            tracing::error!(%user, "INCIDENT: a row is not what its events fold to");
        }
        let row = refolded.unwrap_or(row);
        Ok(Some(HistoryDocument { date, events, row: sources(&row), position: number(position) }))
    }

    /// What became of one event of this user.
    pub(crate) async fn event(&self, user: UserRef, id: EventId) -> Result<Option<Accepted>, ReadFailure> {
        let _turn = self.refolding.acquire().await;
        let Some(event) = find(&self.log, &self.opener, &user, id).await? else { return Ok(None) };
        let outcome = self.outcome(&event).await?;
        let (date, sequence) = (event.said.date, event.sequence);
        Ok(Some(Accepted { outcome, date, event_id: id, sequence, replayed: false }))
    }

    /// That an event of this user is in the log, for whoever has the log's public key.
    pub(crate) async fn proof(&self, user: UserRef, id: EventId) -> Result<Option<Proof>, ReadFailure> {
        let _turn = self.refolding.acquire().await;
        // A receipt is of the stored bytes: it takes no key, and an event that waits has one too.
        let Some(recorded) = find_recorded(&self.log, &user, id).await? else { return Ok(None) };
        let (sequence, leaf) = (recorded.sequence().get(), Hash::of_leaf(recorded.bytes()));
        let proved = ask::inclusion(self.log.broker(), &self.verifier, sequence, leaf).await?;
        Ok(Some(Proof {
            index: sequence - 1,
            extra: Some(recorded.bytes().to_vec()),
            hashes: proved.hashes,
            checkpoint: proved.checkpoint,
        }))
    }

    /// What the event did to its row; `None` while the view has not folded it.
    async fn outcome(&self, event: &OpenedEvent<Summary>) -> Result<Option<Outcome>, ReadFailure> {
        let key = RowKey { user: event.head.user, date: event.said.date };
        let (row, position) = self.entry::<Row>(key).await?;
        let Some(row) = row.filter(|_| position >= Some(event.sequence)) else { return Ok(None) };
        let view = self.view()?;
        let last = event.sequence;
        let (events, _) =
            refold(&self.log, &self.opener, &view, &key.user, key.date, row.first, last).await?;
        Ok(events.last().filter(|last| last.event_id == event.head.id).map(|last| last.outcome))
    }

    /// An entry, opened, and the position that it reflects.
    async fn entry<E: Entry>(&self, key: E::Key) -> Result<(Option<E>, Option<Sequence>), ReadFailure> {
        let (view, encoded) = (self.view()?, key.encode());
        let (sealed, position) = blocking(move || view.entry(&encoded)).await?;
        Ok(match sealed {
            Some(sealed) => (Some(read_entry(&key, &sealed, &self.opener.keys).await?), position),
            None => (None, position),
        })
    }

    /// Whether the account is being erased, or was; while that is not known, nothing is shown of it.
    pub(crate) fn is_closed(&self, user: &UserRef) -> Result<bool, ReadFailure> {
        Ok(self.view()?.is_closed(user))
    }

    pub(crate) fn keys(&self) -> &KeyClient {
        &self.opener.keys
    }

    fn view(&self) -> Result<Arc<View>, ReadFailure> {
        self.shared.view().ok_or(ReadFailure::Closed)
    }
}

fn number(position: Option<Sequence>) -> u64 {
    position.map_or(0, Sequence::get)
}
