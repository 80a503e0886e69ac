//! From error codes to HTTP. The only place that knows about status codes and problem bodies.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use keys::UserRef;
use schemas::{Code, Problem, Violation};

/// A request is answered with an error. Boxed: it is returned from everywhere and made rarely.
#[derive(Debug, Clone)]
pub struct Refusal(Box<Content>);

#[derive(Debug, Clone)]
struct Content {
    code: Code,
    status: u16,
    detail: String,
    server_time: Option<Timestamp>,
    user: Option<UserRef>,
    violations: Vec<Violation>,
    headers: HeaderMap,
}

impl Refusal {
    /// Whoever asks has no account any more.
    pub fn account_erased() -> Self {
        Self::new(Code::AccountErased, "The account was erased or is being erased.")
    }

    /// An error with a sentence for the one who reads it. Never a value that was sent.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let content = Content {
            code,
            status: code.status(),
            detail: detail.into(),
            server_time: None,
            user: None,
            violations: Vec::new(),
            headers: HeaderMap::new(),
        };
        let mut refusal = Self(Box::new(content));
        match code {
            Code::InvalidToken => refusal.set(header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#),
            Code::InsufficientScope => {
                refusal.set(header::WWW_AUTHENTICATE, r#"Bearer error="insufficient_scope""#)
            }
            Code::LogUnavailable | Code::OutcomeUnknown | Code::ViewUnavailable | Code::IssuerUnavailable => {
                refusal.set(header::RETRY_AFTER, "1")
            }
            Code::TooManyConnections | Code::ProofPending => refusal.set(header::RETRY_AFTER, "5"),
            Code::RequestTimeout | Code::BodyTooLarge => refusal.set(header::CONNECTION, "close"),
            Code::InvalidJson
            | Code::InvalidHeader
            | Code::InvalidParameter
            | Code::InvalidSignature
            | Code::KeyRevoked
            | Code::StaleTimestamp
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::AccountErased
            | Code::LinkExpired
            | Code::UnsupportedMediaType
            | Code::InvalidSummary
            | Code::InvalidRequest
            | Code::InvalidState
            | Code::InvalidIssuer
            | Code::WrongStatus
            | Code::DeviceCompromised
            | Code::HistoryTooLong
            | Code::RateLimited
            | Code::Internal => {}
        }
        refusal
    }

    /// A header is missing or can't be read.
    pub fn header(name: &str, why: &str) -> Self {
        Self::new(Code::InvalidHeader, format!("The header {name} {why}."))
    }

    /// The timestamp is outside the window; the phone can set its clock by the answer.
    pub fn stale(window_seconds: u64, now: Timestamp) -> Self {
        let detail = format!("X-Sync-Timestamp must be within {window_seconds} seconds of server_time.");
        let mut refusal = Self::new(Code::StaleTimestamp, detail);
        refusal.0.server_time = Some(now);
        refusal
    }

    /// The body does not hold: [`Code::InvalidSummary`], or [`Code::InvalidRequest`] where it is no summary.
    pub fn violations(code: Code, violations: Vec<Violation>) -> Self {
        let detail = match violations.len() {
            1 => "One thing does not hold; errors names it.".to_owned(),
            number => format!("{number} things do not hold; errors lists them all."),
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

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Whose request it was, where that was known by then: for the log, not for the answer.
    #[must_use]
    pub fn of_user(mut self, user: UserRef) -> Self {
        self.0.user = Some(user);
        self
    }

    pub(crate) fn user(&self) -> Option<UserRef> {
        self.0.user
    }

    /// Which error.
    pub fn code(&self) -> Code {
        self.0.code
    }

    fn set(&mut self, name: HeaderName, value: &str) {
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
            server_time: content.server_time.map(|time| time.to_string()),
            errors: content.violations.clone(),
        }
    }
}

impl IntoResponse for Refusal {
    /// The body is written further out, by [`crate::observed`], which knows the correlation id.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.0.headers.clone()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The one value of a header as ASCII text; `None` where it is absent.
pub fn single_header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::header(name, "must stand once"));
    }
    value.to_str().map(Some).map_err(|_| Refusal::header(name, "must be ASCII"))
}
