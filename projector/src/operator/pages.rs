//! Contents of all users, page by page.

use std::sync::Arc;

use schemas::{RowDocument, Sequence};
use serde::Serialize;

use super::answering::{ANSWER_BYTES_MAX, text};
use super::{Answer, Answering, UserReport, UserRow, Which};
use crate::batch::{EntryFailure, read_entry};
use crate::blocking::blocking;
use crate::entry::Entry;
use crate::report::Report;
use crate::row::{Row, document};
use crate::view::{EntryKey, RowKey, View};

/// Entries of one page.
const PAGE_ENTRIES_MAX: usize = 500;

/// What is shown of a page's entries, and the key that the next page is behind.
type Page<T> = (Vec<T>, Option<Vec<u8>>);

impl Answering {
    pub(super) async fn all_rows(
        &self,
        of: &str,
        which: Which,
        after: Option<Vec<u8>>,
        date: Option<jiff::civil::Date>,
    ) -> Result<Answer, String> {
        let view = self.view(which).await?;
        let position = view.position().map_or(0, Sequence::get);
        let is_wanted = |key: &RowKey| date.is_none_or(|date| date == key.date);
        let show = |key: RowKey, row: Row| {
            let stale = view.parked_of(&key.user).is_some();
            let row = RowDocument { stale, ..document(key.date, &row) };
            Some(UserRow { user_ref: key.user.to_string(), row })
        };
        let (rows, next) = self.page(&view, after, is_wanted, show).await?;
        Ok(Answer::AllRows { rows, position, next: next.map(|next| self.cursors.give(of, next)) })
    }

    pub(super) async fn reports(
        &self,
        of: &str,
        after: Option<Vec<u8>>,
        only_compromised: bool,
    ) -> Result<Answer, String> {
        let view = self.view(Which::Serving).await?;
        let position = view.position().map_or(0, Sequence::get);
        let show = |key: <Report as Entry>::Key, found: Report| {
            let Report { report, sequence, received_at } = found;
            let is_shown = report.os_compromised || !only_compromised;
            let (user_ref, device) = (key.user().to_string(), key.holder());
            is_shown.then_some(UserReport { user_ref, device, report, received_at, sequence })
        };
        let (reports, next) = self.page(&view, after, |_| true, show).await?;
        Ok(Answer::Reports { reports, position, next: next.map(|next| self.cursors.give(of, next)) })
    }

    /// The next entries of one kind: those that are wanted by their keys are opened, and shown where there is something
    /// to show. An erased user's are passed over.
    async fn page<E: Entry, T: Serialize>(
        &self,
        view: &Arc<View>,
        after: Option<Vec<u8>>,
        is_wanted: impl Fn(&E::Key) -> bool,
        show: impl Fn(E::Key, E) -> Option<T>,
    ) -> Result<Page<T>, String> {
        let reading = view.clone();
        let read = move || reading.entries_of_kind::<E::Key>(after.as_deref(), PAGE_ENTRIES_MAX);
        let entries = blocking(read).await.map_err(text)?;
        let mut next =
            entries.last().filter(|_| entries.len() == PAGE_ENTRIES_MAX).map(|(key, _)| key.clone());
        let keyed = || {
            let decoded =
                entries.iter().filter_map(|(key, sealed)| Some((E::Key::decode(key)?, key, sealed)));
            decoded.filter(|(key, ..)| is_wanted(key))
        };
        let sealed_under = keyed().filter_map(|(key, _, sealed)| Some((key.user(), sealed.key_id()?)));
        self.jobs.keys().prefetch(sealed_under.collect::<Vec<_>>()).await;
        let (mut shown, mut bytes, mut last) = (Vec::new(), 0, None);
        for (key, encoded, sealed) in keyed() {
            if bytes > ANSWER_BYTES_MAX {
                next = last;
                break;
            }
            last = Some(encoded.clone());
            match read_entry::<E>(&key, sealed, self.jobs.keys()).await {
                Ok(entry) => {
                    let entry = show(key, entry);
                    bytes += serde_json::to_vec(&entry).map_or(0, |entry| entry.len());
                    shown.extend(entry);
                }
                Err(EntryFailure::Erased) => {}
                Err(
                    error @ (EntryFailure::Unavailable | EntryFailure::Damaged(_) | EntryFailure::Key(_)),
                ) => {
                    return Err(text(error));
                }
            }
        }
        Ok((shown, next))
    }
}
