//! What is read over HTTP (contract, section 6).

mod events;
mod history;
mod rows;

use std::sync::Arc;

use ::events::Log;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use edge::{Caller, Gate, Observed, Refusal, Scope, noted};
use jiff::civil::Date;
use schemas::{Code, Sequence, parse_date};
use vault::KeyClient;

use crate::open::OpenFailure;
use crate::projector::Shared;
use crate::refold::RefoldError;
use crate::view::{View, ViewError};

/// What answering needs.
pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) keys: KeyClient,
    pub(crate) gate: Arc<Gate>,
}

pub(crate) fn routes(reader: Arc<Reader>) -> Router {
    Router::new()
        .route("/v1/summaries", get(rows::get_rows))
        .route("/v1/summaries/{date}", get(rows::get_row))
        .route("/v1/summaries/{date}/history", get(history::get_history))
        .route("/v1/events/{event_id}", get(events::get_event))
        .with_state(reader)
}

impl Reader {
    fn enter(&self, request: &Request, scopes: &[Scope]) -> Result<Caller, Refusal> {
        self.gate.enter(Gate::peer(request), request.headers(), scopes)
    }

    pub(crate) fn view(&self) -> Result<Arc<View>, Refusal> {
        let closed = || Refusal::new(Code::ViewUnavailable, "The view is not open yet. Try again.");
        self.shared.view().ok_or_else(closed)
    }
}

/// Answers, and tells whose request it was.
fn answered(caller: &Caller, answer: Result<impl IntoResponse, Refusal>) -> Response {
    noted(answer.into_response(), Observed { user: Some(caller.user), ..Observed::default() })
}

fn date_in_path(text: &str) -> Result<Date, Refusal> {
    parse_date(text)
        .ok_or_else(|| Refusal::new(Code::InvalidParameter, "The date in the path must be YYYY-MM-DD."))
}

fn number(position: Option<Sequence>) -> u64 {
    position.map_or(0, Sequence::get)
}

fn not_found(what: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("There is no {what} of yours here."))
}

pub(crate) fn refuse_view(error: &ViewError) -> Refusal {
    tracing::error!(error = error as &dyn std::error::Error, "the view can't be read");
    Refusal::new(Code::ViewUnavailable, "The view can't be read now. Try again.")
}

pub(crate) fn refuse_open(failure: &OpenFailure) -> Refusal {
    match failure {
        OpenFailure::Unavailable => {
            Refusal::new(Code::ViewUnavailable, "The keys can't be reached now. Try again.")
        }
        OpenFailure::Incident(incident) => {
            tracing::error!(error = incident as &dyn std::error::Error, "a row or an event can't be opened");
            Refusal::new(Code::Internal, "This can't be opened. The operator has been told.")
        }
    }
}

fn refuse_refold(error: &RefoldError) -> Refusal {
    match error {
        RefoldError::Open(failure) => refuse_open(failure),
        RefoldError::Log(_) => Refusal::new(Code::LogUnavailable, "The log can't be read now. Try again."),
        RefoldError::TooLong => {
            Refusal::new(Code::HistoryTooLong, "This row has more events than can be told at once.")
        }
    }
}
