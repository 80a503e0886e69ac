//! Contents of all users, page by page.

use std::sync::Arc;

use aggregates::row::{Row, document};
use runtime::run_blocking;
use schemas::{RowDocument, Sequence};
use serde::Serialize;

use super::server::{RESPONSE_BYTES_MAX, error_text};
use super::{OperatorResponse, OperatorServer, UserDeviceReport, UserRow, ViewSelector};
use crate::projection::{ReadEntryError, read_entry};
use crate::view::{EntryKey, RowKey, View};
use crate::view_entry::ViewEntry;
use crate::view_entry::device_report::DeviceReportEntry;

/// Entries of one page.
const PAGE_ENTRIES_MAX: usize = 500;

/// What is shown of a page's entries, and the key that the next page is behind.
type Page<T> = (Vec<T>, Option<Vec<u8>>);

impl OperatorServer {
    pub(super) async fn all_rows(
        &self,
        of: &str,
        which: ViewSelector,
        after: Option<Vec<u8>>,
        date: Option<jiff::civil::Date>,
    ) -> Result<OperatorResponse, String> {
        let view = self.resolve_view(which).await?;
        let position = view.position().map_or(0, Sequence::get);
        let is_wanted = |key: &RowKey| date.is_none_or(|date| date == key.date);
        let show = |key: RowKey, row: Row| {
            let stale = view.parked_event_of(&key.user).is_some();
            let row = RowDocument { stale, ..document(key.date, &row) };
            Some(UserRow { user_ref: key.user.to_string(), row })
        };
        let (rows, next) = self.read_page(&view, after, is_wanted, show).await?;
        Ok(OperatorResponse::AllRows {
            rows,
            position,
            next: next.map(|next| self.page_cursors.issue(of, next)),
        })
    }

    pub(super) async fn device_reports(
        &self,
        of: &str,
        after: Option<Vec<u8>>,
        only_compromised: bool,
    ) -> Result<OperatorResponse, String> {
        let view = self.resolve_view(ViewSelector::Serving).await?;
        let position = view.position().map_or(0, Sequence::get);
        let show = |key: <DeviceReportEntry as ViewEntry>::Key, found: DeviceReportEntry| {
            let DeviceReportEntry { report, sequence, received_at } = found;
            let is_shown = report.os_compromised || !only_compromised;
            let (user_ref, device) = (key.user().to_string(), key.holder());
            is_shown.then_some(UserDeviceReport { user_ref, device, report, received_at, sequence })
        };
        let (reports, next) = self.read_page(&view, after, |_| true, show).await?;
        Ok(OperatorResponse::Reports {
            reports,
            position,
            next: next.map(|next| self.page_cursors.issue(of, next)),
        })
    }

    /// The next entries of one kind: those that are wanted by their keys are opened, and shown where there is something
    /// to show. An erased user's are passed over.
    async fn read_page<E: ViewEntry, T: Serialize>(
        &self,
        view: &Arc<View>,
        after: Option<Vec<u8>>,
        is_wanted: impl Fn(&E::Key) -> bool,
        show: impl Fn(E::Key, E) -> Option<T>,
    ) -> Result<Page<T>, String> {
        let reading = view.clone();
        let read = move || reading.entries_of_kind::<E::Key>(after.as_deref(), PAGE_ENTRIES_MAX);
        let entries = run_blocking(read).await.map_err(error_text)?;
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
            if bytes > RESPONSE_BYTES_MAX {
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
                Err(ReadEntryError::Erased) => {}
                Err(
                    error @ (ReadEntryError::Unavailable
                    | ReadEntryError::Damaged(_)
                    | ReadEntryError::KeyUnusable(_)),
                ) => {
                    return Err(error_text(error));
                }
            }
        }
        Ok((shown, next))
    }
}
