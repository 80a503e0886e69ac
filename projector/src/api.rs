//! What is read over HTTP (contract, section 6): takes apart, asks, maps the answer.

mod connections;
mod devices;
mod erasures;
mod exports;
mod rows;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use export_store::Objects;
use http::HeaderMap;
use http_edge::{Caller, Gate, Observed, Refusal, Scope, Verification, noted};
use jiff::civil::Date;
use keys::{Pseudonymizer, UserRef};
use schemas::{Code, EventId, parse_date};

use crate::batch::EntryFailure;
use crate::open::OpenFailure;
use crate::reader::{ReadFailure, Reader};
use notary::ask::AskError;

pub(crate) fn routes(
    gate: Arc<Gate>,
    reader: Arc<Reader>,
    pseudonyms: Pseudonymizer,
    exports: ExportSettings,
) -> Router {
    let ExportSettings { objects, link_base, is_tls } = exports;
    Router::new()
        .route("/v1/summaries", get(rows::get_rows))
        .route("/v1/summaries/{date}", get(rows::get_row))
        .route("/v1/summaries/{date}/history", get(get_history))
        .route("/v1/events/{event_id}", get(get_event))
        .route("/v1/events/{event_id}/proof", get(get_proof))
        .route("/v1/devices", get(devices::get_devices))
        .route("/v1/devices/{device_id}", get(devices::get_device))
        .route("/v1/connections", get(connections::get_connections))
        .route("/v1/connections/{connection_id}", get(connections::get_connection))
        .route("/v1/erasures/{erasure_id}", get(erasures::get_erasure))
        .route("/v1/exports/{export_id}", get(exports::get_export))
        .route("/v1/exports/{export_id}/download", get(exports::download))
        .with_state(Api { gate, reader, pseudonyms, objects, link_base, is_tls })
}

/// What every handler needs.
#[derive(Clone)]
struct Api {
    gate: Arc<Gate>,
    reader: Arc<Reader>,
    pseudonyms: Pseudonymizer,
    objects: Objects,
    /// What links begin with, where the operator says so.
    link_base: Option<String>,
    is_tls: bool,
}

/// Where exports are, and what links to them begin with.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// Where they are.
    pub objects: Objects,
    /// What links begin with; without it, whatever address was asked.
    pub link_base: Option<String>,
    /// Whether that address is asked over TLS.
    pub is_tls: bool,
}

impl Api {
    /// Lets the caller in, has the question answered, and notes whose request it was.
    async fn answer<T: IntoResponse>(
        &self,
        request: Request,
        scopes: &[Scope],
        work: impl AsyncFnOnce(Caller, HeaderMap) -> Result<T, Refusal>,
    ) -> Response {
        let peer = Gate::peer(&request);
        let headers = request.into_parts().0.headers;
        match self.gate.enter(peer, &headers, scopes).await {
            Err(refusal) => refusal.into_response(),
            Ok(caller) => {
                let observed = Observed {
                    user: Some(caller.user),
                    verification: Verification::Passed,
                    ..Observed::default()
                };
                let answered = match self.check_account(&caller.user) {
                    Ok(()) => work(caller, headers).await,
                    Err(refusal) => Err(refusal),
                };
                noted(answered.into_response(), observed)
            }
        }
    }
}

impl Api {
    /// Nothing is shown of an account that is being erased, or was.
    fn check_account(&self, user: &UserRef) -> Result<(), Refusal> {
        match self.reader.is_closed(user) {
            Ok(false) => Ok(()),
            Ok(true) => Err(Refusal::account_erased()),
            Err(failure) => Err(refuse(&failure)),
        }
    }
}

/// `GET /v1/summaries/{date}/history`.
async fn get_history(State(api): State<Api>, date: PathText, request: Request) -> Response {
    api.answer(request, &[Scope::SyncRead], async |caller, _| {
        let history =
            api.reader.history(caller.user, date_in_path(date)?).await.map_err(|error| refuse(&error))?;
        history.map(Json).ok_or_else(|| not_found("row"))
    })
    .await
}

/// `GET /v1/events/{event_id}`.
async fn get_event(State(api): State<Api>, id: PathText, request: Request) -> Response {
    api.answer(request, &[Scope::SyncRead, Scope::SyncWrite], async |caller, _| {
        let id: Option<EventId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("event"))?;
        let event = api.reader.event(caller.user, id).await.map_err(|error| refuse(&error))?;
        event.map(Json).ok_or_else(|| not_found("event"))
    })
    .await
}

/// `GET /v1/events/{event_id}/proof`.
async fn get_proof(State(api): State<Api>, id: PathText, request: Request) -> Response {
    api.answer(request, &[Scope::SyncRead, Scope::SyncWrite], async |caller, _| {
        let id: Option<EventId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("event"))?;
        let proof = api.reader.proof(caller.user, id).await.map_err(|error| refuse(&error))?;
        // axum names the type: text/plain; charset=utf-8.
        proof.map(|proof| proof.to_text()).ok_or_else(|| not_found("event"))
    })
    .await
}

/// A part of the path, which a client may have made of bytes that are no text.
type PathText = Result<Path<String>, PathRejection>;

fn date_in_path(text: PathText) -> Result<Date, Refusal> {
    text.ok()
        .and_then(|Path(text)| parse_date(&text))
        .ok_or_else(|| Refusal::new(Code::InvalidParameter, "The date in the path must be YYYY-MM-DD."))
}

fn not_found(what: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("There is no {what} of yours here."))
}

/// What the caller is told; what the operator must know is logged here, once.
fn refuse(failure: &ReadFailure) -> Refusal {
    match failure {
        ReadFailure::Closed => Refusal::new(Code::ViewUnavailable, "The view is not open yet. Try again."),
        ReadFailure::View(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "the view can't be read");
            Refusal::new(Code::ViewUnavailable, "The view can't be read now. Try again.")
        }
        ReadFailure::Open(OpenFailure::Unavailable) | ReadFailure::Entry(EntryFailure::Unavailable) => {
            Refusal::new(Code::ViewUnavailable, "The keys can't be reached now. Try again.")
        }
        ReadFailure::Entry(EntryFailure::Erased) => {
            Refusal::new(Code::AccountErased, "The account was erased, and nobody can open this any more.")
        }
        ReadFailure::Open(OpenFailure::Poison(_))
        | ReadFailure::Entry(EntryFailure::Damaged(_) | EntryFailure::Key(_)) => {
            tracing::error!(error = failure as &dyn std::error::Error, "a row or an event can't be opened");
            Refusal::new(Code::Internal, "This can't be opened. The operator has been told.")
        }
        ReadFailure::Proof(AskError::NotYet) => Refusal::new(
            Code::ProofPending,
            "No checkpoint covers this event yet. Ask again in a few seconds.",
        ),
        ReadFailure::Proof(
            error @ (AskError::OtherKey(_)
            | AskError::Unavailable(_)
            | AskError::Refused(_)
            | AskError::Broken(_)),
        ) => {
            tracing::error!(error = error as &dyn std::error::Error, "a proof can't be had");
            Refusal::new(Code::LogUnavailable, "The proof can't be made now. Try again.")
        }
        ReadFailure::Log(_) => Refusal::new(Code::LogUnavailable, "The log can't be read now. Try again."),
        // An operator's alone to ask.
        ReadFailure::BeyondTheLog(_) => {
            Refusal::new(Code::InvalidParameter, "The log does not reach so far.")
        }
        ReadFailure::TooLong => {
            Refusal::new(Code::HistoryTooLong, "This row has more events than can be told at once.")
        }
    }
}
