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
use export_store::ExportStore;
use http::HeaderMap;
use http_edge::{
    AccessLogFields, ApiError, Authenticator, Caller, Scope, Verification, attach_access_log_fields,
};
use jiff::civil::Date;
use keys::{Pseudonymizer, UserRef};
use schemas::{EventId, ProblemCode, parse_date};

use crate::decrypt::DecryptError;
use crate::projection::ReadEntryError;
use crate::query_service::{QueryError, QueryService};
use notary_client::FetchProofError;

pub(crate) fn routes(
    gate: Arc<Authenticator>,
    reader: Arc<QueryService>,
    pseudonyms: Pseudonymizer,
    exports: ExportSettings,
) -> Router {
    let ExportSettings { export_store: objects, link_base, is_tls } = exports;
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
        .route("/v1/exports/{export_id}/download", get(exports::get_export_download))
        .with_state(ApiState { gate, queries: reader, pseudonyms, export_store: objects, link_base, is_tls })
}

/// What every handler needs.
#[derive(Clone)]
struct ApiState {
    gate: Arc<Authenticator>,
    queries: Arc<QueryService>,
    pseudonyms: Pseudonymizer,
    export_store: ExportStore,
    /// What links begin with, where the operator says so.
    link_base: Option<String>,
    is_tls: bool,
}

/// Where exports are, and what links to them begin with.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// Where they are.
    pub export_store: ExportStore,
    /// What links begin with; without it, whatever address was asked.
    pub link_base: Option<String>,
    /// Whether that address is asked over TLS.
    pub is_tls: bool,
}

impl ApiState {
    /// Lets the caller in, has the question answered, and notes whose request it was.
    async fn authenticate_and_run<T: IntoResponse>(
        &self,
        request: Request,
        scopes: &[Scope],
        work: impl AsyncFnOnce(Caller, HeaderMap) -> Result<T, ApiError>,
    ) -> Response {
        let peer = Authenticator::peer_address(&request);
        let headers = request.into_parts().0.headers;
        match self.gate.authenticate(peer, &headers, scopes).await {
            Err(refusal) => refusal.into_response(),
            Ok(caller) => {
                let observed = AccessLogFields {
                    user: Some(caller.user),
                    verification: Verification::Passed,
                    ..AccessLogFields::default()
                };
                let answered = match self.check_account(&caller.user) {
                    Ok(()) => work(caller, headers).await,
                    Err(refusal) => Err(refusal),
                };
                attach_access_log_fields(answered.into_response(), observed)
            }
        }
    }
}

impl ApiState {
    /// Nothing is shown of an account that is being erased, or was.
    fn check_account(&self, user: &UserRef) -> Result<(), ApiError> {
        match self.queries.is_account_closed(user) {
            Ok(false) => Ok(()),
            Ok(true) => Err(ApiError::account_erased()),
            Err(failure) => Err(to_api_error(&failure)),
        }
    }
}

/// `GET /v1/summaries/{date}/history`.
async fn get_history(State(api): State<ApiState>, date: RawPathParameter, request: Request) -> Response {
    api.authenticate_and_run(request, &[Scope::SyncRead], async |caller, _| {
        let history = api
            .queries
            .history(caller.user, parse_path_date(date)?)
            .await
            .map_err(|error| to_api_error(&error))?;
        history.map(Json).ok_or_else(|| not_found("row"))
    })
    .await
}

/// `GET /v1/events/{event_id}`.
async fn get_event(State(api): State<ApiState>, id: RawPathParameter, request: Request) -> Response {
    api.authenticate_and_run(request, &[Scope::SyncRead, Scope::SyncWrite], async |caller, _| {
        let id: Option<EventId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("event"))?;
        let event = api.queries.event(caller.user, id).await.map_err(|error| to_api_error(&error))?;
        event.map(Json).ok_or_else(|| not_found("event"))
    })
    .await
}

/// `GET /v1/events/{event_id}/proof`.
async fn get_proof(State(api): State<ApiState>, id: RawPathParameter, request: Request) -> Response {
    api.authenticate_and_run(request, &[Scope::SyncRead, Scope::SyncWrite], async |caller, _| {
        let id: Option<EventId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("event"))?;
        let proof = api.queries.proof(caller.user, id).await.map_err(|error| to_api_error(&error))?;
        // axum names the type: text/plain; charset=utf-8.
        proof.map(|proof| proof.to_text()).ok_or_else(|| not_found("event"))
    })
    .await
}

/// A part of the path, which a client may have made of bytes that are no text.
type RawPathParameter = Result<Path<String>, PathRejection>;

fn parse_path_date(text: RawPathParameter) -> Result<Date, ApiError> {
    text.ok().and_then(|Path(text)| parse_date(&text)).ok_or_else(|| {
        ApiError::new(ProblemCode::InvalidParameter, "The date in the path must be YYYY-MM-DD.")
    })
}

fn not_found(what: &str) -> ApiError {
    ApiError::new(ProblemCode::NotFound, format!("There is no {what} of yours here."))
}

/// What the caller is told; what the operator must know is logged here, once.
fn to_api_error(failure: &QueryError) -> ApiError {
    match failure {
        QueryError::ViewNotOpen => {
            ApiError::new(ProblemCode::ViewUnavailable, "The view is not open yet. Try again.")
        }
        QueryError::View(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "the view can't be read");
            ApiError::new(ProblemCode::ViewUnavailable, "The view can't be read now. Try again.")
        }
        QueryError::Decrypt(DecryptError::Unavailable) | QueryError::Entry(ReadEntryError::Unavailable) => {
            ApiError::new(ProblemCode::ViewUnavailable, "The keys can't be reached now. Try again.")
        }
        QueryError::Entry(ReadEntryError::Erased) => ApiError::new(
            ProblemCode::AccountErased,
            "The account was erased, and nobody can open this any more.",
        ),
        QueryError::Decrypt(DecryptError::Poison(_))
        | QueryError::Entry(ReadEntryError::Damaged(_) | ReadEntryError::KeyUnusable(_)) => {
            tracing::error!(error = failure as &dyn std::error::Error, "a row or an event can't be opened");
            ApiError::new(ProblemCode::Internal, "This can't be opened. The operator has been told.")
        }
        QueryError::Proof(FetchProofError::NotYet) => ApiError::new(
            ProblemCode::ProofPending,
            "No checkpoint covers this event yet. Ask again in a few seconds.",
        ),
        QueryError::Proof(
            error @ (FetchProofError::OtherKey(_)
            | FetchProofError::Unavailable(_)
            | FetchProofError::Refused(_)
            | FetchProofError::InvalidProof(_)),
        ) => {
            tracing::error!(error = error as &dyn std::error::Error, "a proof can't be had");
            ApiError::new(ProblemCode::LogUnavailable, "The proof can't be made now. Try again.")
        }
        QueryError::Log(_) => {
            ApiError::new(ProblemCode::LogUnavailable, "The log can't be read now. Try again.")
        }
        // An operator's alone to ask.
        QueryError::BeyondLogEnd(_) => {
            ApiError::new(ProblemCode::InvalidParameter, "The log does not reach so far.")
        }
        QueryError::TooManyEvents => {
            ApiError::new(ProblemCode::HistoryTooLong, "This row has more events than can be told at once.")
        }
    }
}
