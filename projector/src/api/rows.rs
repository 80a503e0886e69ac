//! `GET /v1/summaries/{date}`, its `/history`, and `GET /v1/summaries?from=&to=`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use http::{HeaderMap, StatusCode, header};
use http_edge::{ApiError, Scope};
use jiff::civil::Date;
use schemas::{ProblemCode, RowDocument, parse_date};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::errors::{not_found, to_api_error};
use super::path_parameter::{RawPathParameter, parse_path_date};
use super::state::ApiState;

/// Dates of one range.
const RANGE_DAYS_MAX: i32 = 366;

pub(super) async fn get_row(
    State(api): State<ApiState>,
    date: RawPathParameter,
    request: Request,
) -> Response {
    api.authenticate_and_run(request, &[Scope::SyncRead], async |caller, headers| {
        let row = api
            .queries
            .row(caller.user, parse_path_date(date)?)
            .await
            .map_err(|error| to_api_error(&error))?;
        Ok(with_etag(&headers, row.ok_or_else(|| not_found("row"))?))
    })
    .await
}

/// `GET /v1/summaries/{date}/history`.
pub(super) async fn get_history(
    State(api): State<ApiState>,
    date: RawPathParameter,
    request: Request,
) -> Response {
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

/// What a query may say.
#[derive(Deserialize)]
pub(super) struct RangeQuery {
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn get_rows(
    State(api): State<ApiState>,
    query: Result<Query<RangeQuery>, QueryRejection>,
    request: Request,
) -> Response {
    api.authenticate_and_run(request, &[Scope::SyncRead], async |caller, _| {
        let (from, to) = parse_range(query.ok().map(|Query(query)| query))?;
        api.queries.rows(caller.user, from, to).await.map(Json).map_err(|error| to_api_error(&error))
    })
    .await
}

fn parse_range(query: Option<RangeQuery>) -> Result<(Date, Date), ApiError> {
    let refuse = |detail: &str| ApiError::new(ProblemCode::InvalidParameter, detail);
    let form = || refuse("The query must be from=YYYY-MM-DD&to=YYYY-MM-DD.");
    let query = query.ok_or_else(form)?;
    let date = |text: Option<String>| parse_date(&text?);
    let (from, to) = (date(query.from).ok_or_else(form)?, date(query.to).ok_or_else(form)?);
    if from > to {
        return Err(refuse("from must not be after to."));
    }
    let days = to.since(from).map_or(i32::MAX, |span| span.get_days().saturating_add(1));
    if days > RANGE_DAYS_MAX {
        return Err(refuse("The range must be at most 366 days."));
    }
    Ok((from, to))
}

/// The tag is of the row alone: the position beside it moves with every event of anybody, so the tag is a weak one.
fn with_etag(headers: &HeaderMap, row: RowDocument) -> Response {
    let tagged = serde_json::to_vec(&RowDocument { position: None, ..row.clone() });
    let digest = Sha256::digest(tagged.unwrap_or_else(|_| unreachable!("BUG: a row is JSON")));
    let tag = format!("\"{}\"", HEXLOWER.encode(&digest[..16]));
    let etag = [(header::ETAG, format!("W/{tag}")), (header::CACHE_CONTROL, "private, no-cache".to_owned())];
    if if_none_match_contains(headers, &tag) {
        (StatusCode::NOT_MODIFIED, etag).into_response()
    } else {
        (etag, Json(row)).into_response()
    }
}

/// Whether If-None-Match names the tag, by weak comparison (RFC 9110, section 13.1.2).
fn if_none_match_contains(headers: &HeaderMap, tag: &str) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
