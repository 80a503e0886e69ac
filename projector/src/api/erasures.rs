//! `GET /v1/erasures/{erasure_id}`: read with the receipt token alone, since no token of an erased account is accepted.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header;
use http_edge::{Gate, Observed, Refusal, Verification, bearer, noted};
use keys::{ErasureId, ReceiptToken};
use schemas::{Code, ErasureDocument};

use super::{Api, PathText, not_found, refuse};

pub(super) async fn get_erasure(State(api): State<Api>, id: PathText, request: Request) -> Response {
    let peer = Gate::peer(&request);
    let headers = request.into_parts().0.headers;
    let mut observed = Observed::default();
    let answering = async {
        api.gate.count_address(peer, &headers)?;
        let token: ReceiptToken = bearer(&headers)?
            .parse()
            .map_err(|_| Refusal::new(Code::InvalidToken, "The token is no receipt token of an erasure."))?;
        let id: Option<ErasureId> = id.ok().and_then(|axum::extract::Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("erasure"))?;
        let user = token.verify(&api.pseudonyms, id).ok_or_else(|| not_found("erasure"))?;
        (observed.user, observed.verification) = (Some(user), Verification::Passed);
        let erasure = api.reader.erasure(user, id).await.map_err(|error| refuse(&error))?;
        erasure.ok_or_else(|| not_found("erasure"))
    };
    let answered: Result<ErasureDocument, Refusal> = answering.await;
    let respond = |erasure| ([(header::CACHE_CONTROL, "no-store")], Json(erasure)).into_response();
    noted(answered.map_or_else(IntoResponse::into_response, respond), observed)
}
