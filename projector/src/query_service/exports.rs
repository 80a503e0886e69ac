//! A user's exports.

use std::time::Duration;

use aggregates::export::ExportState;
use events::{EXPORT_PROGRESS_SUBJECT, LatestExportResponse};
use jiff::Timestamp;
use keys::{ExportId, UserRef};
use schemas::{ExportDocument, ExportProgress, ExportStatus};
use tokio::time::timeout;

use super::{QueryError, QueryService, position_or_zero};
use crate::view::ExportKey;

/// How long the worker may take to say how far an export is, which nobody has to know.
const PROGRESS_TIMEOUT: Duration = Duration::from_millis(300);

impl QueryService {
    /// One export with its position, without a link.
    pub(crate) async fn export(
        &self,
        user: UserRef,
        id: ExportId,
        now: Timestamp,
    ) -> Result<Option<ExportDocument>, QueryError> {
        let (found, position) = self.entry::<ExportState>(ExportKey { user, id }).await?;
        let Some(export) = found else { return Ok(None) };
        let status = export_status(&export, now);
        let progress = if status == ExportStatus::Pending { self.export_progress(id).await } else { None };
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
            position: position_or_zero(position),
        }))
    }

    /// How the user's exports stand, for the door that is asked for another.
    pub(crate) async fn latest_export(&self, user: UserRef) -> Result<LatestExportResponse, QueryError> {
        if self.is_account_closed(&user)? {
            return Ok(LatestExportResponse::Erased);
        }
        let (exports, _) = self.entries::<ExportState>(user).await?;
        let wanted = exports.into_iter().map(|(_, export)| export).filter(|export| export.failed.is_none());
        let latest = wanted.max_by_key(|export| export.requested_at);
        Ok(LatestExportResponse::Latest {
            requested_at: latest.map(|export| export.requested_at),
            is_pending: latest.is_some_and(|export| export.ready.is_none()),
        })
    }

    async fn export_progress(&self, id: ExportId) -> Option<ExportProgress> {
        let question = id.to_string().into_bytes();
        let asked = self.log.broker().request(EXPORT_PROGRESS_SUBJECT.to_owned(), question.into());
        let answer = timeout(PROGRESS_TIMEOUT, asked).await.ok()?.ok()?;
        serde_json::from_slice(&answer).ok()?
    }
}

fn export_status(export: &ExportState, now: Timestamp) -> ExportStatus {
    match (export.failed, export.ready) {
        (Some(_), _) => ExportStatus::Failed,
        (None, None) => ExportStatus::Pending,
        (None, Some(ready)) if now < ready.deleted_at => ExportStatus::Ready,
        (None, Some(_)) => ExportStatus::Expired,
    }
}
