//! `GET /v1/erasures/{erasure_id}`: read with the receipt token alone, since no token of an erased account is accepted.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header;
use http_edge::{
    AccessLogFields, ApiError, Authenticator, Verification, attach_access_log_fields, bearer_token,
};
use keys::{ErasureId, ReceiptToken};
use schemas::{ErasureDocument, ProblemCode};

use super::errors::{not_found, to_api_error};
use super::path_parameter::RawPathParameter;
use super::state::ApiState;

pub(super) async fn get_erasure(
    State(api): State<ApiState>,
    id: RawPathParameter,
    request: Request,
) -> Response {
    let peer = Authenticator::peer_address(&request);
    let headers = request.into_parts().0.headers;
    let mut observed = AccessLogFields::default();
    let answering = async {
        api.gate.check_address_rate(peer, &headers)?;
        let token: ReceiptToken = bearer_token(&headers)?.parse().map_err(|_| {
            ApiError::new(ProblemCode::InvalidToken, "The token is no receipt token of an erasure.")
        })?;
        let id: Option<ErasureId> = id.ok().and_then(|axum::extract::Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("erasure"))?;
        let user = token.verify(&api.pseudonyms, id).ok_or_else(|| not_found("erasure"))?;
        (observed.user, observed.verification) = (Some(user), Verification::Passed);
        let erasure = api.queries.erasure(user, id).await.map_err(|error| to_api_error(&error))?;
        erasure.ok_or_else(|| not_found("erasure"))
    };
    let answered: Result<ErasureDocument, ApiError> = answering.await;
    let respond = |erasure| ([(header::CACHE_CONTROL, "no-store")], Json(erasure)).into_response();
    attach_access_log_fields(answered.map_or_else(IntoResponse::into_response, respond), observed)
}
