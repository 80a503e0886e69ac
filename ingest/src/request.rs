//! Reading a request and answering it: what all handlers have in common before and after their own work.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use http_edge::{
    AccessLogFields, ApiError, Authenticator, CorrelationId, PeerAddress, attach_access_log_fields, read_body,
};

use crate::state::IngestState;

/// The id in a path, not yet parsed.
pub(crate) type PathId = Result<Path<String>, PathRejection>;

/// A request without its body.
pub(crate) struct RequestParts {
    pub(crate) headers: HeaderMap,
    pub(crate) peer_address: PeerAddress,
    pub(crate) correlation_id: Option<CorrelationId>,
}

impl RequestParts {
    /// Splits a request into its parts and its body.
    pub(crate) fn from_request(request: Request) -> (Self, Body) {
        let peer = Authenticator::peer_address(&request);
        let (mut parts, body) = request.into_parts();
        let correlation_id = parts.extensions.remove();
        (Self { headers: parts.headers, peer_address: peer, correlation_id }, body)
    }
}

impl IngestState {
    /// Splits a request and reads its body, at most `bytes_max` bytes.
    pub(crate) async fn read_request(
        &self,
        request: Request,
        bytes_max: usize,
    ) -> Result<(RequestParts, Bytes, AccessLogFields), ApiError> {
        let (asked, body) = RequestParts::from_request(request);
        let body = read_body(&asked.headers, body, bytes_max, self.settings.body_timeout).await?;
        let observed = AccessLogFields { body_bytes: Some(body.len()), ..AccessLogFields::default() };
        Ok((asked, body, observed))
    }
}

/// Turns a handler's result into a response that carries the fields for the access log.
pub(crate) fn respond_with_access_log(
    answered: Result<Response, ApiError>,
    observed: AccessLogFields,
) -> Response {
    attach_access_log_fields(answered.unwrap_or_else(IntoResponse::into_response), observed)
}
