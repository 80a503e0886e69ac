//! Parameters in the path.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use http_edge::ApiError;
use jiff::civil::Date;
use schemas::{ProblemCode, parse_date};

/// Part of the path. A client may send bytes that are not UTF-8.
pub(super) type RawPathParameter = Result<Path<String>, PathRejection>;

pub(super) fn parse_path_date(text: RawPathParameter) -> Result<Date, ApiError> {
    text.ok().and_then(|Path(text)| parse_date(&text)).ok_or_else(|| {
        ApiError::new(ProblemCode::InvalidParameter, "The date in the path must be YYYY-MM-DD.")
    })
}
