//! State of the read API's handlers, and authentication.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use export_store::ExportStore;
use http::HeaderMap;
use http_edge::{
    AccessLogFields, ApiError, Authenticator, Caller, Scope, Verification, attach_access_log_fields,
};
use keys::{Pseudonymizer, UserRef};

use super::errors::to_api_error;
use crate::query_service::QueryService;

/// State of every handler.
#[derive(Clone)]
pub(super) struct ApiState {
    pub(super) gate: Arc<Authenticator>,
    pub(super) queries: Arc<QueryService>,
    pub(super) pseudonyms: Pseudonymizer,
    pub(super) export_store: ExportStore,
    /// Base URL of links, if the operator configured one.
    pub(super) link_base: Option<String>,
    pub(super) is_tls: bool,
}

/// Store of the exports, and the base of links to them.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// Store of the exports.
    pub export_store: ExportStore,
    /// Base URL of links; without it, the address of the request.
    pub link_base: Option<String>,
    /// Requests to that address use TLS.
    pub is_tls: bool,
}

impl ApiState {
    /// Authenticates the caller, runs the handler, and attaches the user to the access log.
    pub(super) async fn authenticate_and_run<T: IntoResponse>(
        &self,
        request: Request,
        scopes: &[Scope],
        work: impl AsyncFnOnce(Caller, HeaderMap) -> Result<T, ApiError>,
    ) -> Response {
        let peer = Authenticator::peer_address(&request);
        let headers = request.into_parts().0.headers;
        match self.gate.authenticate(peer, &headers, scopes).await {
            Err(refusal) => refusal.into_response(),
            Ok(caller) => {
                let observed = AccessLogFields {
                    user: Some(caller.user),
                    verification: Verification::Passed,
                    ..AccessLogFields::default()
                };
                let answered = match self.check_account(&caller.user) {
                    Ok(()) => work(caller, headers).await,
                    Err(refusal) => Err(refusal),
                };
                attach_access_log_fields(answered.into_response(), observed)
            }
        }
    }

    /// Refuses an account that is being erased, or was.
    pub(super) fn check_account(&self, user: &UserRef) -> Result<(), ApiError> {
        match self.queries.is_account_closed(user) {
            Ok(false) => Ok(()),
            Ok(true) => Err(ApiError::account_erased()),
            Err(failure) => Err(to_api_error(&failure)),
        }
    }
}
