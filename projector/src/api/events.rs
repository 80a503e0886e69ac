//! `GET /v1/events/{event_id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use edge::{Refusal, Scope};
use schemas::{Accepted, EventId, Outcome};
use vault::UserRef;

use super::{Reader, answered, not_found, refuse_open, refuse_refold, refuse_view};
use crate::batch::read_row;
use crate::follow::blocking;
use crate::open::OpenedEvent;
use crate::refold::{find, refold};
use crate::view::RowKey;

pub(super) async fn get_event(
    State(reader): State<Arc<Reader>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let caller = match reader.enter(&request, &[Scope::SyncRead, Scope::SyncWrite]) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let answer = async {
        let id: EventId = id.parse().map_err(|_| not_found("event"))?;
        reader.event(caller.user, id).await.map(Json)
    };
    answered(&caller, answer.await)
}

impl Reader {
    async fn event(&self, user: UserRef, id: EventId) -> Result<Accepted, Refusal> {
        let found = find(&self.log, &self.keys, &user, id).await.map_err(|error| refuse_refold(&error))?;
        let event = found.ok_or_else(|| not_found("event"))?;
        let outcome = self.outcome(&event).await?;
        Ok(Accepted {
            outcome,
            date: event.summary.date,
            event_id: id,
            sequence: event.origin.sequence,
            replayed: false,
        })
    }

    /// What the event did to its row; `None` while the view has not folded it.
    async fn outcome(&self, event: &OpenedEvent) -> Result<Option<Outcome>, Refusal> {
        let key = RowKey { user: event.head.user, date: event.summary.date };
        let view = self.view()?;
        let (sealed, position) =
            blocking(move || view.row(&key)).await.map_err(|error| refuse_view(&error))?;
        let Some(sealed) = sealed.filter(|_| position >= Some(event.origin.sequence)) else {
            return Ok(None);
        };
        let row = read_row(&key, &sealed, &self.keys).await.map_err(|failure| refuse_open(&failure))?;
        let told = refold(&self.log, &self.keys, &key.user, key.date, row.first, event.origin.sequence).await;
        let (events, _) = told.map_err(|error| refuse_refold(&error))?;
        Ok(events.last().filter(|last| last.event_id == event.head.id).map(|last| last.outcome))
    }
}
