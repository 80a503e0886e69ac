//! Around every request: a correlation id, a log line, metrics, and the body of an error.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use keys::UserRef;
use schemas::ProblemCode;
use tracing::{Instrument, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use crate::ApiError;
use crate::trace_context::TraceParent;

const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// A request's name in the logs.
#[derive(Debug, Clone)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a handler tells of its request for the log line. Travels with the response.
#[derive(Debug, Clone, Default)]
pub struct AccessLogFields {
    /// Whose request, by pseudonym.
    pub user: Option<UserRef>,
    /// Bytes of the body.
    pub body_bytes: Option<usize>,
    /// The signed timestamp as the header spells it, once it was read as one.
    pub sync_timestamp: Option<String>,
    /// How far the request was verified.
    pub verification: Verification,
    /// What came of it.
    pub outcome: Option<&'static str>,
}

/// Whether a request is what it claims to be: its token, and where it must be signed, its signature and what it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verification {
    /// There was nothing to verify, or not all of it has been.
    #[default]
    Incomplete,
    /// All of it holds.
    Passed,
}

/// Adds what a handler tells to its response.
pub fn attach_access_log_fields(mut response: Response, observed: AccessLogFields) -> Response {
    response.extensions_mut().insert(observed);
    response
}

/// The outermost layer of every route.
pub async fn access_log_middleware(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let parent = TraceParent::from_headers(request.headers());
    let id = CorrelationId(match &parent {
        Some(parent) => parent.trace_id(),
        None => Uuid::new_v4().simple().to_string(),
    });
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = method_label(request.method());
    request.extensions_mut().insert(id.clone());

    // Whatever is logged on the way carries the request's name.
    let span = tracing::info_span!(
        "request",
        correlation_id = id.0,
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.response.status_code = field::Empty,
        user = field::Empty,
        outcome = field::Empty,
        error_code = field::Empty,
    );
    if let Some(parent) = &parent {
        // It can only fail where nothing is exported, or once the span was entered.
        let _ = span.set_parent(parent.parent_context());
    }
    let mut response = next.run(request).instrument(span.clone()).await;
    let refusal = extract_api_error(&mut response);
    if let Some(refusal) = &refusal {
        write_problem_body(&mut response, refusal, &id);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_CORRELATION_ID, value);
    }
    let observed = response.extensions_mut().remove::<AccessLogFields>().unwrap_or_default();
    let latency = started.elapsed();
    let status = response.status().as_u16();
    let labels = [("method", method.to_owned()), ("route", route.clone()), ("status", status.to_string())];
    metrics::counter!("syncwell_http_requests_total", &labels).increment(1);
    metrics::histogram!("syncwell_http_request_duration_seconds", "route" => route.clone())
        .record(latency.as_secs_f64());
    if let Some(refusal) = &refusal {
        metrics::counter!("syncwell_http_errors_total", "code" => refusal.code().as_str()).increment(1);
    }
    let reason = refusal.as_ref().map(|refusal| refusal.code().as_str());
    let verification = verification_label(observed.verification, refusal.as_ref().map(ApiError::code));
    let user = observed.user.or(refusal.as_ref().and_then(ApiError::user));
    span.record("http.response.status_code", status);
    span.record("user", user.map(field::display));
    span.record("outcome", observed.outcome);
    span.record("error_code", reason);
    tracing::info!(
        correlation_id = id.0,
        method,
        route,
        status,
        user = user.map(field::display),
        body_bytes = observed.body_bytes,
        sync_timestamp = observed.sync_timestamp,
        verification,
        error_code = reason,
        outcome = observed.outcome,
        latency_ms = latency.as_secs_f64() * 1_000.0,
        "answered"
    );
    response
}

/// What the log says of the verification; nothing where none took place.
fn verification_label(verified: Verification, refusal: Option<ProblemCode>) -> Option<&'static str> {
    match (verified, refusal) {
        (Verification::Passed, _) => Some("passed"),
        (Verification::Incomplete, None) => None,
        (Verification::Incomplete, Some(code)) => match code {
            ProblemCode::InvalidHeader
            | ProblemCode::InvalidToken
            | ProblemCode::InsufficientScope
            | ProblemCode::StaleTimestamp
            | ProblemCode::InvalidSignature
            | ProblemCode::KeyRevoked => Some("failed"),
            // Looked at only once it is known who sent it.
            ProblemCode::InvalidJson
            | ProblemCode::InvalidSummary
            | ProblemCode::InvalidRequest
            | ProblemCode::InvalidState
            | ProblemCode::InvalidIssuer
            | ProblemCode::WrongStatus
            | ProblemCode::DeviceCompromised
            | ProblemCode::UnsupportedMediaType
            | ProblemCode::AccountErased
            | ProblemCode::LinkExpired => Some("passed"),
            ProblemCode::InvalidParameter
            | ProblemCode::NotFound
            | ProblemCode::ProofPending
            | ProblemCode::MethodNotAllowed
            | ProblemCode::RequestTimeout
            | ProblemCode::BodyTooLarge
            | ProblemCode::HistoryTooLong
            | ProblemCode::RateLimited
            | ProblemCode::Internal
            | ProblemCode::LogUnavailable
            | ProblemCode::OutcomeUnknown
            | ProblemCode::ViewUnavailable
            | ProblemCode::IssuerUnavailable
            | ProblemCode::TooManyConnections => None,
        },
    }
}

/// A method is any token that a client makes up; what is counted by must be one of a few.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The refusal behind an error; also for errors that the framework answers by itself, without a body of ours.
fn extract_api_error(response: &mut Response) -> Option<ApiError> {
    if let Some(refusal) = response.extensions_mut().remove::<ApiError>() {
        return Some(refusal);
    }
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Some(ApiError::new(
            ProblemCode::MethodNotAllowed,
            "Allow names the methods that this resource answers to.",
        )),
        _ => None,
    }
}

fn write_problem_body(response: &mut Response, refusal: &ApiError, id: &CorrelationId) {
    let body = serde_json::to_vec(&refusal.problem(&id.0))
        .unwrap_or_else(|_| unreachable!("BUG: a problem is JSON"));
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = Body::from(body);
}
