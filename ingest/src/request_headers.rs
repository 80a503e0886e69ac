//! The headers of a signed post, read (contract, section 4).

use std::time::Duration;

use http::{HeaderMap, header};
use http_edge::{ApiError, single_header};
use jiff::Timestamp;
use keys::RequestSignature;
use schemas::{ProblemCode, parse_timestamp};

/// Signatures of one request: more than one only while keys rotate.
const SIGNATURES_MAX: usize = 4;
/// The longest that a post may wait for its outcome.
const OUTCOME_WAIT_MAX: Duration = Duration::from_secs(10);

/// The signed timestamp: as spelled, which is what was signed, and as an instant.
pub(crate) fn signed_timestamp(headers: &HeaderMap) -> Result<(&str, Timestamp), ApiError> {
    const NAME: &str = "X-Sync-Timestamp";
    let spelled =
        single_header(headers, NAME)?.ok_or_else(|| ApiError::invalid_header(NAME, "is missing"))?;
    let instant = parse_header_timestamp(spelled);
    let form =
        || ApiError::invalid_header(NAME, "must be unix seconds, unix milliseconds (13 digits) or RFC 3339");
    Ok((spelled, instant.ok_or_else(form)?))
}

fn parse_header_timestamp(spelled: &str) -> Option<Timestamp> {
    if !spelled.bytes().all(|byte| byte.is_ascii_digit()) {
        return parse_timestamp(spelled);
    }
    let number = spelled.parse().ok()?;
    match spelled.len() {
        13 => Timestamp::from_millisecond(number).ok(),
        1..=11 => Timestamp::from_second(number).ok(),
        _ => None,
    }
}

/// The signatures. One that is not in our form is not an error of the header: it is a signature that is not right.
pub(crate) fn parse_signatures(headers: &HeaderMap) -> Result<Vec<RequestSignature>, ApiError> {
    const NAME: &str = "X-Sync-Signature";
    let missing = || ApiError::new(ProblemCode::InvalidSignature, "The header X-Sync-Signature is missing.");
    let listed = single_header(headers, NAME)?.ok_or_else(missing)?;
    let listed: Vec<_> = listed.split(',').map(str::trim).collect();
    if listed.len() > SIGNATURES_MAX {
        return Err(ApiError::invalid_header(NAME, "must carry at most 4 signatures"));
    }
    let read = |text: &&str| RequestSignature::from_hex(text.strip_prefix("v1=").unwrap_or(text));
    Ok(listed.iter().filter_map(read).collect())
}

/// Demands the body's bytes as they are.
pub(crate) fn check_content_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    match single_header(headers, "content-encoding")? {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            Err(ApiError::new(ProblemCode::UnsupportedMediaType, "The body must not be encoded."))
        }
        None | Some(_) => Ok(()),
    }
}

/// Demands JSON as it is.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    check_content_encoding(headers)?;
    let content_type = single_header(headers, header::CONTENT_TYPE.as_str())?.unwrap_or_default();
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let parameters = parameters.trim();
    let is_utf_8 = parameters.is_empty()
        || parameters.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("charset")
                && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        });
    if media_type.trim().eq_ignore_ascii_case("application/json") && is_utf_8 {
        Ok(())
    } else {
        Err(ApiError::new(ProblemCode::UnsupportedMediaType, "The content type must be application/json."))
    }
}

/// How long to wait for the outcome (RFC 7240): `wait=N`, or not at all for `respond-async`. What can't be read is
/// ignored, as that RFC says.
pub(crate) fn preferred_wait(headers: &HeaderMap, default: Duration) -> Duration {
    let preferences = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut wait = None;
    let mut respond_async = false;
    for preference in preferences {
        let preference = preference.split(';').next().unwrap_or_default().trim();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        if name.trim().eq_ignore_ascii_case("respond-async") {
            respond_async = true;
        } else if name.trim().eq_ignore_ascii_case("wait") && wait.is_none() {
            wait = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    match wait {
        Some(wait) => wait.min(OUTCOME_WAIT_MAX),
        None if respond_async => Duration::ZERO,
        None => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, http::HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn timestamps_in_three_spellings() {
        for spelled in
            ["1771286385", "1771286385000", "2026-02-16T23:59:45Z", "2026-02-17T00:59:45.000+01:00"]
        {
            let headers = headers("x-sync-timestamp", &[spelled.as_bytes()]);
            let (kept, instant) = signed_timestamp(&headers).unwrap();
            assert_eq!((kept, instant.as_second()), (spelled, 1_771_286_385));
        }
        for wrong in
            ["", "177128638500", "17712863850000", "-1771286385", "1771286385.5", "now", "2026-02-16"]
        {
            let refused = signed_timestamp(&headers("x-sync-timestamp", &[wrong.as_bytes()])).unwrap_err();
            assert_eq!(refused.code(), ProblemCode::InvalidHeader, "{wrong}");
        }
        assert_eq!(signed_timestamp(&HeaderMap::new()).unwrap_err().code(), ProblemCode::InvalidHeader);
        assert_eq!(
            signed_timestamp(&headers("x-sync-timestamp", &[b"1", b"1"])).unwrap_err().code(),
            ProblemCode::InvalidHeader
        );
        assert_eq!(
            signed_timestamp(&headers("x-sync-timestamp", &["１".as_bytes()])).unwrap_err().code(),
            ProblemCode::InvalidHeader
        );
    }

    #[test]
    fn up_to_four_signatures() {
        let hex = "ab".repeat(32);
        let count = |value: &str| {
            parse_signatures(&headers("x-sync-signature", &[value.as_bytes()])).map(|found| found.len())
        };
        assert_eq!(count(&hex).unwrap(), 1);
        assert_eq!(count(&format!("v1={hex}, {hex},v1={hex},v2=unknown")).unwrap(), 3);
        assert_eq!(count("nonsense").unwrap(), 0);
        assert_eq!(count(&hex.to_uppercase()).unwrap(), 0);
        assert_eq!(count(&[hex.as_str(); 5].join(",")).unwrap_err().code(), ProblemCode::InvalidHeader);
        assert_eq!(parse_signatures(&HeaderMap::new()).unwrap_err().code(), ProblemCode::InvalidSignature);
    }

    #[test]
    fn only_plain_json() {
        for good in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert!(check_content_type(&headers("content-type", &[good.as_bytes()])).is_ok(), "{good}");
        }
        for wrong in ["", "text/plain", "application/json-patch+json", "application/json; charset=utf-16"] {
            assert!(check_content_type(&headers("content-type", &[wrong.as_bytes()])).is_err(), "{wrong}");
        }
        let mut encoded = headers("content-type", &[b"application/json"]);
        encoded.insert("content-encoding", http::HeaderValue::from_static("gzip"));
        assert_eq!(check_content_type(&encoded).unwrap_err().code(), ProblemCode::UnsupportedMediaType);
    }

    #[test]
    fn preferences() {
        let seconds = |value: &str| {
            preferred_wait(&headers("prefer", &[value.as_bytes()]), Duration::from_secs(2)).as_secs()
        };
        assert_eq!(seconds("wait=5"), 5);
        assert_eq!(seconds("wait=60"), 10);
        assert_eq!(seconds("wait=0"), 0);
        assert_eq!(seconds("respond-async"), 0);
        assert_eq!(seconds("Respond-Async, Wait=3"), 3);
        assert_eq!(seconds("wait=soon"), 2);
        assert_eq!(seconds("return=minimal"), 2);
    }
}
