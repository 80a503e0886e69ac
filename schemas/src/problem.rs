//! Errors as clients see them (RFC 9457; contract, section 5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every error that the API answers with. The names are stable: clients match on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Code")]
pub enum ProblemCode {
    /// The body is not one JSON text.
    InvalidJson,
    /// A header is missing, doubled, not ASCII or not in its form.
    InvalidHeader,
    /// A path or query parameter can't be read or is out of range.
    InvalidParameter,
    /// The JWT is missing, expired or invalid.
    InvalidToken,
    /// No signature of the request is right.
    InvalidSignature,
    /// The signing key is that of a device that was revoked.
    KeyRevoked,
    /// The signed timestamp is too far from the server's time.
    StaleTimestamp,
    /// The token does not carry the scope.
    InsufficientScope,
    /// There is no such thing, or it is not the caller's.
    NotFound,
    /// No checkpoint covers the event yet; a few seconds later one does.
    ProofPending,
    /// The resource does not answer to this method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// The account was erased or is being erased.
    AccountErased,
    /// A download link that has ended.
    LinkExpired,
    /// The body is larger than this resource takes.
    BodyTooLarge,
    /// The content type is another one, or the content is encoded.
    UnsupportedMediaType,
    /// The summary's schema or bounds do not hold.
    InvalidSummary,
    /// The body of a request that is no summary does not hold.
    InvalidRequest,
    /// An authorisation state that is not of this connection, has ended or was used.
    InvalidState,
    /// An authorisation response of another issuer than the provider's.
    InvalidIssuer,
    /// The status of what is asked about does not allow this.
    WrongStatus,
    /// The device reported that its system is compromised, and the operator refuses such devices.
    DeviceCompromised,
    /// More events than can be explained in one answer.
    HistoryTooLong,
    /// A rate limit.
    RateLimited,
    /// A bug of ours.
    Internal,
    /// The log can't be reached: nothing was stored.
    LogUnavailable,
    /// The log did not confirm in time: the event may have been stored.
    OutcomeUnknown,
    /// The view can't be read now.
    ViewUnavailable,
    /// The issuer's keys are not known yet.
    IssuerUnavailable,
    /// All connections are taken.
    TooManyConnections,
}

impl ProblemCode {
    /// Every code, for the document and its tests.
    pub const ALL: [Self; 30] = [
        Self::InvalidJson,
        Self::InvalidHeader,
        Self::InvalidParameter,
        Self::InvalidToken,
        Self::InvalidSignature,
        Self::KeyRevoked,
        Self::StaleTimestamp,
        Self::InsufficientScope,
        Self::NotFound,
        Self::ProofPending,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::AccountErased,
        Self::LinkExpired,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidSummary,
        Self::InvalidRequest,
        Self::InvalidState,
        Self::InvalidIssuer,
        Self::WrongStatus,
        Self::DeviceCompromised,
        Self::HistoryTooLong,
        Self::RateLimited,
        Self::Internal,
        Self::LogUnavailable,
        Self::OutcomeUnknown,
        Self::ViewUnavailable,
        Self::IssuerUnavailable,
        Self::TooManyConnections,
    ];

    /// The word on the wire, the HTTP status, a title for people, and what may succeed afterwards.
    const fn definition(self) -> (&'static str, u16, &'static str, Retry) {
        use Retry::{NewToken, No, SameBytes, SignAgain};
        match self {
            Self::InvalidJson => ("invalid_json", 400, "The body is not JSON", No),
            Self::InvalidHeader => ("invalid_header", 400, "A header can't be read", No),
            Self::InvalidParameter => ("invalid_parameter", 400, "A parameter can't be read", No),
            Self::InvalidToken => {
                ("invalid_token", 401, "The token is missing, expired or invalid", NewToken)
            }
            Self::InvalidSignature => ("invalid_signature", 401, "The signature is wrong", No),
            Self::KeyRevoked => ("key_revoked", 401, "The device's signing key was revoked", No),
            Self::StaleTimestamp => {
                ("stale_timestamp", 401, "The timestamp is outside the window", SignAgain)
            }
            Self::InsufficientScope => {
                ("insufficient_scope", 403, "The token does not carry the scope", NewToken)
            }
            Self::NotFound => ("not_found", 404, "Not found", No),
            Self::ProofPending => ("proof_pending", 404, "No checkpoint covers the event yet", SameBytes),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "The method is not allowed here", No),
            Self::RequestTimeout => ("request_timeout", 408, "The request did not arrive in time", SameBytes),
            Self::AccountErased => ("account_erased", 410, "The account was erased", No),
            Self::LinkExpired => ("link_expired", 403, "The link has ended", No),
            Self::BodyTooLarge => ("body_too_large", 413, "The body is too large", No),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", 415, "The content type is not supported", No)
            }
            Self::InvalidSummary => ("invalid_summary", 422, "The summary is invalid", No),
            Self::InvalidRequest => ("invalid_request", 422, "The request is invalid", No),
            Self::InvalidState => ("invalid_state", 422, "The state can't be used", No),
            Self::InvalidIssuer => ("invalid_issuer", 422, "The issuer is not the provider's", No),
            Self::WrongStatus => ("wrong_status", 409, "The status does not allow this", No),
            Self::DeviceCompromised => {
                ("device_compromised", 403, "The device's system is compromised", SignAgain)
            }
            Self::HistoryTooLong => ("history_too_long", 422, "Too many events to explain at once", No),
            Self::RateLimited => ("rate_limited", 429, "Too many requests", SameBytes),
            Self::Internal => ("internal", 500, "Something went wrong here", SameBytes),
            Self::LogUnavailable => ("log_unavailable", 503, "The log can't be reached", SameBytes),
            Self::OutcomeUnknown => ("outcome_unknown", 503, "The log did not confirm in time", SameBytes),
            Self::ViewUnavailable => ("view_unavailable", 503, "The view can't be read now", SameBytes),
            Self::IssuerUnavailable => {
                ("issuer_unavailable", 503, "The issuer's keys are not known yet", SameBytes)
            }
            Self::TooManyConnections => ("too_many_connections", 503, "Too many connections", SameBytes),
        }
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        self.definition().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.definition().1
    }

    /// A title for people, the same for every problem of this code.
    pub const fn title(self) -> &'static str {
        self.definition().2
    }

    /// What may succeed after this error.
    pub const fn retry(self) -> Retry {
        self.definition().3
    }
}

/// What may succeed after an error, once the time in `Retry-After` has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same request, while its timestamp is accepted; afterwards the same body, signed again.
    SameBytes,
    /// The same body with a new timestamp and signature.
    SignAgain,
    /// The same request with another token.
    NewToken,
    /// Only a changed request. Clients read an unknown value as this one.
    #[serde(other)]
    No,
}

/// The body of every error, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:syncwell:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// A title, the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what to do. Never a value that was sent.
    pub detail: String,
    /// The stable, machine-readable name.
    pub code: ProblemCode,
    /// The request's name in the logs, also in `X-Correlation-Id`.
    pub correlation_id: String,
    /// What may succeed after this error.
    pub retry: Retry,
    /// For `stale_timestamp`, and where `generated_at` is ahead of it: the server's time, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_time: Option<String>,
    /// For `invalid_summary`, and for `invalid_request` where a field is invalid: the first 100 violations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
    /// Number of all violations, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors_total: Option<usize>,
}

/// One violation of a body's schema or bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// Where, as a JSON pointer (RFC 6901) into the body.
    pub pointer: String,
    /// The stable, machine-readable name.
    pub code: ViolationCode,
    /// What is wrong. Never the value that was sent.
    pub detail: String,
}

/// What can be wrong at one place of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ViolationCode {
    /// A required field is missing or null; the pointer says where it should stand.
    Required,
    /// A field that does not exist.
    UnknownField,
    /// A key that stands twice in one object.
    DuplicateKey,
    /// Another JSON type than the field's.
    WrongType,
    /// A number beyond every finite double.
    NotFinite,
    /// A value outside its range.
    OutOfRange,
    /// Text that is not in the field's form.
    InvalidFormat,
    /// More elements than allowed.
    TooMany,
    /// A second workout with the same type and start.
    DuplicateWorkout,
    /// A summary that says nothing.
    EmptySummary,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_on_the_wire_what_they_are_called() {
        for code in ProblemCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!((400..600).contains(&code.status()));
        }
    }

    /// The contract's table (section 5), copied: a code that is not named here must be `no`.
    #[test]
    fn retry_is_the_contracts() {
        let table = [
            (
                "same_bytes",
                "proof_pending request_timeout rate_limited internal log_unavailable outcome_unknown \
                 view_unavailable issuer_unavailable too_many_connections",
            ),
            ("sign_again", "stale_timestamp device_compromised"),
            ("new_token", "invalid_token insufficient_scope"),
            (
                "no",
                "invalid_json invalid_header invalid_parameter invalid_signature key_revoked not_found \
                 method_not_allowed account_erased link_expired body_too_large unsupported_media_type \
                 invalid_summary invalid_request invalid_state invalid_issuer wrong_status history_too_long",
            ),
        ];
        let mut listed = Vec::new();
        for (retry, codes) in table {
            for name in codes.split_whitespace() {
                let code: ProblemCode = serde_json::from_value(name.into()).unwrap();
                assert_eq!(serde_json::to_value(code.retry()).unwrap(), retry, "{name}");
                listed.push(code);
            }
        }
        assert_eq!(listed.len(), ProblemCode::ALL.len());
        assert!(ProblemCode::ALL.iter().all(|code| listed.contains(code)));
    }

    #[test]
    fn an_unknown_retry_reads_as_no() {
        assert_eq!(serde_json::from_value::<Retry>("next_week".into()).unwrap(), Retry::No);
    }
}
