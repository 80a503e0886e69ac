//! Reading a body: at most so many bytes, in at most so much time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use schemas::ProblemCode;

use crate::ApiError;

/// Reads the whole body. A declared length that is too large is refused before a byte is read.
pub async fn read_body(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    time_max: Duration,
) -> Result<Bytes, ApiError> {
    let too_large =
        || ApiError::new(ProblemCode::BodyTooLarge, format!("The body must be at most {bytes_max} bytes."));
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > bytes_max as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(time_max, Limited::new(body, bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::new(ProblemCode::InvalidJson, "The body broke off before its end.")),
        Err(_) => {
            let detail = format!("The body must arrive within {} seconds.", time_max.as_secs());
            Err(ApiError::new(ProblemCode::RequestTimeout, detail))
        }
    }
}
