//! From error codes to HTTP. The only place that knows about status codes and problem bodies.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use keys::UserRef;
use schemas::{Problem, ProblemCode, Retry, VIOLATIONS_MAX, Violations};

/// A request is answered with an error. Boxed: it is returned from everywhere and made rarely.
#[derive(Debug, Clone)]
pub struct ApiError(Box<ApiErrorInner>);

#[derive(Debug, Clone)]
struct ApiErrorInner {
    code: ProblemCode,
    status: u16,
    detail: String,
    retry: Retry,
    server_time: Option<Timestamp>,
    user: Option<UserRef>,
    violations: Violations,
    headers: HeaderMap,
}

impl ApiError {
    /// Whoever asks has no account any more.
    pub fn account_erased() -> Self {
        Self::new(ProblemCode::AccountErased, "The account was erased or is being erased.")
    }

    /// An error with a sentence for the one who reads it. Never a value that was sent.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let content = ApiErrorInner {
            code,
            status: code.status(),
            detail: detail.into(),
            retry: code.retry(),
            server_time: None,
            user: None,
            violations: Violations::default(),
            headers: HeaderMap::new(),
        };
        let mut refusal = Self(Box::new(content));
        match code {
            ProblemCode::InvalidToken => {
                refusal.set_header(header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)
            }
            ProblemCode::InsufficientScope => {
                refusal.set_header(header::WWW_AUTHENTICATE, r#"Bearer error="insufficient_scope""#)
            }
            ProblemCode::LogUnavailable
            | ProblemCode::OutcomeUnknown
            | ProblemCode::ViewUnavailable
            | ProblemCode::IssuerUnavailable => refusal.set_header(header::RETRY_AFTER, "1"),
            ProblemCode::TooManyConnections | ProblemCode::ProofPending => {
                refusal.set_header(header::RETRY_AFTER, "5")
            }
            ProblemCode::RequestTimeout | ProblemCode::BodyTooLarge => {
                refusal.set_header(header::CONNECTION, "close")
            }
            ProblemCode::InvalidJson
            | ProblemCode::InvalidHeader
            | ProblemCode::InvalidParameter
            | ProblemCode::InvalidSignature
            | ProblemCode::KeyRevoked
            | ProblemCode::StaleTimestamp
            | ProblemCode::NotFound
            | ProblemCode::MethodNotAllowed
            | ProblemCode::AccountErased
            | ProblemCode::LinkExpired
            | ProblemCode::UnsupportedMediaType
            | ProblemCode::InvalidSummary
            | ProblemCode::InvalidRequest
            | ProblemCode::InvalidState
            | ProblemCode::InvalidIssuer
            | ProblemCode::WrongStatus
            | ProblemCode::DeviceCompromised
            | ProblemCode::HistoryTooLong
            | ProblemCode::RateLimited
            | ProblemCode::Internal => {}
        }
        refusal
    }

    /// A header is missing or can't be read.
    pub fn invalid_header(name: &str, why: &str) -> Self {
        Self::new(ProblemCode::InvalidHeader, format!("The header {name} {why}."))
    }

    /// The timestamp is outside the window; the phone can set its clock by the answer.
    pub fn stale_timestamp(window_seconds: u64, now: Timestamp) -> Self {
        let detail = format!("X-Sync-Timestamp must be within {window_seconds} seconds of server_time.");
        Self::new(ProblemCode::StaleTimestamp, detail).with_server_time(now)
    }

    /// The body is invalid. The code is [`ProblemCode::InvalidSummary`] for a summary, otherwise
    /// [`ProblemCode::InvalidRequest`].
    pub fn from_violations(code: ProblemCode, violations: Violations) -> Self {
        let detail = match violations.total {
            1 => "One field is invalid; see errors.".to_owned(),
            total if total <= VIOLATIONS_MAX => format!("{total} fields are invalid; see errors."),
            total => format!("{total} fields are invalid; errors lists the first {VIOLATIONS_MAX}."),
        };
        let mut refusal = Self::new(code, detail);
        refusal.0.violations = violations;
        refusal
    }

    /// Answers with another status than the code's. Only for senders who demand one, as some providers of webhooks do.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = status;
        self
    }

    /// Replaces the code's `retry`.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Adds the server's time, by which a phone can set its clock.
    #[must_use]
    pub fn with_server_time(mut self, now: Timestamp) -> Self {
        self.0.server_time = Some(now);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.set_header(name, value);
        self
    }

    /// Whose request it was, where that was known by then: for the log, not for the answer.
    #[must_use]
    pub fn with_user(mut self, user: UserRef) -> Self {
        self.0.user = Some(user);
        self
    }

    pub(crate) fn user(&self) -> Option<UserRef> {
        self.0.user
    }

    /// Which error.
    pub fn code(&self) -> ProblemCode {
        self.0.code
    }

    fn set_header(&mut self, name: HeaderName, value: &str) {
        let value = HeaderValue::from_str(value)
            .unwrap_or_else(|_| unreachable!("BUG: our own header values are ASCII"));
        self.0.headers.insert(name, value);
    }

    /// The body, once the request's correlation id is known.
    pub(crate) fn problem(&self, correlation_id: &str) -> Problem {
        let content = &self.0;
        Problem {
            kind: format!("urn:syncwell:problem:{}", content.code.as_str()),
            title: content.code.title().to_owned(),
            status: content.status,
            detail: content.detail.clone(),
            code: content.code,
            correlation_id: correlation_id.to_owned(),
            retry: content.retry,
            server_time: content.server_time.map(|time| time.to_string()),
            errors: content.violations.listed.clone(),
            errors_total: (!content.violations.is_empty()).then_some(content.violations.total),
        }
    }
}

impl IntoResponse for ApiError {
    /// Writes no body: [`crate::access_log_middleware`] writes it, because it knows the correlation id.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.0.headers.clone()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The one value of a header as ASCII text; `None` where it is absent.
pub fn single_header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::invalid_header(name, "must stand once"));
    }
    value.to_str().map(Some).map_err(|_| ApiError::invalid_header(name, "must be ASCII"))
}
