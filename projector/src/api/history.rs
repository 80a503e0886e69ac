//! `GET /v1/summaries/{date}/history`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use edge::{Refusal, Scope};
use jiff::civil::Date;
use schemas::HistoryDocument;
use vault::UserRef;

use super::{Reader, answered, date_in_path, not_found, number, refuse_open, refuse_refold, refuse_view};
use crate::batch::read_row;
use crate::follow::blocking;
use crate::refold::refold;
use crate::row::sources;
use crate::view::RowKey;

pub(super) async fn get_history(
    State(reader): State<Arc<Reader>>,
    Path(date): Path<String>,
    request: Request,
) -> Response {
    let caller = match reader.enter(&request, &[Scope::SyncRead]) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let answer = async { reader.history(caller.user, date_in_path(&date)?).await.map(Json) };
    answered(&caller, answer.await)
}

impl Reader {
    async fn history(&self, user: UserRef, date: Date) -> Result<HistoryDocument, Refusal> {
        let key = RowKey { user, date };
        let view = self.view()?;
        let (sealed, position) =
            blocking(move || view.row(&key)).await.map_err(|error| refuse_view(&error))?;
        let sealed = sealed.ok_or_else(|| not_found("row"))?;
        let row = read_row(&key, &sealed, &self.keys).await.map_err(|failure| refuse_open(&failure))?;
        let told = refold(&self.log, &self.keys, &user, date, row.first, row.last).await;
        let (events, refolded) = told.map_err(|error| refuse_refold(&error))?;
        if refolded.as_ref() != Some(&row) {
            // The history is the log's word either way; that the view differs is for the operator to know.
            tracing::error!(%user, "INCIDENT: a row is not what its events fold to");
        }
        let row = refolded.unwrap_or(row);
        Ok(HistoryDocument { date, events, row: sources(&row), position: number(position) })
    }
}
