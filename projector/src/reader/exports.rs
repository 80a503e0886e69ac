//! A user's exports.

use std::time::Duration;

use aggregates::export::Export;
use events::{ExportAnswer, PROGRESS_SUBJECT};
use jiff::Timestamp;
use keys::{ExportId, UserRef};
use schemas::{ExportDocument, ExportProgress, ExportStatus};
use tokio::time::timeout;

use super::{ReadFailure, Reader, number};
use crate::view::ExportKey;

/// How long the worker may take to say how far an export is, which nobody has to know.
const PROGRESS_TIMEOUT: Duration = Duration::from_millis(300);

impl Reader {
    /// One export with its position, without a link.
    pub(crate) async fn export(
        &self,
        user: UserRef,
        id: ExportId,
        now: Timestamp,
    ) -> Result<Option<ExportDocument>, ReadFailure> {
        let (found, position) = self.entry::<Export>(ExportKey { user, id }).await?;
        let Some(export) = found else { return Ok(None) };
        let status = status(&export, now);
        let progress = if status == ExportStatus::Pending { self.progress(id).await } else { None };
        Ok(Some(ExportDocument {
            export_id: id.to_string(),
            status,
            requested_at: export.requested_at,
            progress,
            download_url: None,
            expires_at: None,
            deleted_at: export.ready.map(|ready| ready.deleted_at),
            bytes: export.ready.map(|ready| ready.bytes),
            code: export.failed,
            position: number(position),
        }))
    }

    /// How the user's exports stand, for the door that is asked for another.
    pub(crate) async fn exports(&self, user: UserRef) -> Result<ExportAnswer, ReadFailure> {
        if self.is_closed(&user)? {
            return Ok(ExportAnswer::Erased);
        }
        let (exports, _) = self.entries::<Export>(user).await?;
        let wanted = exports.into_iter().map(|(_, export)| export).filter(|export| export.failed.is_none());
        let latest = wanted.max_by_key(|export| export.requested_at);
        Ok(ExportAnswer::Latest {
            requested_at: latest.map(|export| export.requested_at),
            is_pending: latest.is_some_and(|export| export.ready.is_none()),
        })
    }

    async fn progress(&self, id: ExportId) -> Option<ExportProgress> {
        let question = id.to_string().into_bytes();
        let asked = self.log.broker().request(PROGRESS_SUBJECT.to_owned(), question.into());
        let answer = timeout(PROGRESS_TIMEOUT, asked).await.ok()?.ok()?;
        serde_json::from_slice(&answer).ok()?
    }
}

fn status(export: &Export, now: Timestamp) -> ExportStatus {
    match (export.failed, export.ready) {
        (Some(_), _) => ExportStatus::Failed,
        (None, None) => ExportStatus::Pending,
        (None, Some(ready)) if now < ready.deleted_at => ExportStatus::Ready,
        (None, Some(_)) => ExportStatus::Expired,
    }
}
