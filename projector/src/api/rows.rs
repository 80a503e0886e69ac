//! `GET /v1/summaries/{date}` and `GET /v1/summaries?from=&to=`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use edge::{Refusal, Scope};
use http::{HeaderMap, StatusCode, header};
use jiff::civil::Date;
use schemas::{Code, RowDocument, RowsDocument, parse_date};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use vault::UserRef;

use super::{Reader, answered, date_in_path, not_found, number, refuse_open, refuse_view};
use crate::batch::read_row;
use crate::follow::blocking;
use crate::row::document;
use crate::view::RowKey;

/// Dates of one range.
const RANGE_DAYS_MAX: i32 = 366;

pub(super) async fn get_row(
    State(reader): State<Arc<Reader>>,
    Path(date): Path<String>,
    request: Request,
) -> Response {
    let caller = match reader.enter(&request, &[Scope::SyncRead]) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let (parts, _) = request.into_parts();
    let answer = async {
        let date = date_in_path(&date)?;
        let row = reader.row(caller.user, date).await?.ok_or_else(|| not_found("row"))?;
        Ok(with_etag(&parts.headers, row))
    };
    answered(&caller, answer.await)
}

/// What a query may say. Absent and doubled parameters are told apart by our own check.
#[derive(Deserialize)]
pub(super) struct RangeQuery {
    from: Option<String>,
    to: Option<String>,
}

pub(super) async fn get_rows(
    State(reader): State<Arc<Reader>>,
    query: Result<Query<RangeQuery>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Response {
    let caller = match reader.enter(&request, &[Scope::SyncRead]) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    let answer = async {
        let (from, to) = range(query.ok().map(|Query(query)| query))?;
        reader.rows(caller.user, from, to).await.map(Json)
    };
    answered(&caller, answer.await)
}

impl Reader {
    /// One row with its position.
    async fn row(&self, user: UserRef, date: Date) -> Result<Option<RowDocument>, Refusal> {
        let key = RowKey { user, date };
        let view = self.view()?;
        let (sealed, position) =
            blocking(move || view.row(&key)).await.map_err(|error| refuse_view(&error))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let row = read_row(&key, &sealed, &self.keys).await.map_err(|failure| refuse_open(&failure))?;
        Ok(Some(RowDocument { position: Some(number(position)), ..document(date, &row) }))
    }

    /// The rows of a range, with one position for all.
    pub(crate) async fn rows(&self, user: UserRef, from: Date, to: Date) -> Result<RowsDocument, Refusal> {
        let view = self.view()?;
        let (sealed, position) =
            blocking(move || view.rows(user, from, to)).await.map_err(|error| refuse_view(&error))?;
        let mut summaries = Vec::with_capacity(sealed.len());
        for (date, sealed) in sealed {
            let row = read_row(&RowKey { user, date }, &sealed, &self.keys).await;
            summaries.push(document(date, &row.map_err(|failure| refuse_open(&failure))?));
        }
        Ok(RowsDocument { summaries, position: number(position) })
    }
}

fn range(query: Option<RangeQuery>) -> Result<(Date, Date), Refusal> {
    let refuse = |detail: &str| Refusal::new(Code::InvalidParameter, detail);
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
    if names(headers, &tag) {
        (StatusCode::NOT_MODIFIED, etag).into_response()
    } else {
        (etag, Json(row)).into_response()
    }
}

/// Whether If-None-Match names the tag, by weak comparison (RFC 9110, section 13.1.2).
fn names(headers: &HeaderMap, tag: &str) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
