//! `GET /v1/exports/{export_id}`, and its `/download`: with a link, by whoever has it.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use export_store::{DownloadLink, DownloadLinkError, ExportObjectReader, ObjectName};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use http_edge::{AccessLogFields, ApiError, Authenticator, Scope, Verification, attach_access_log_fields};
use jiff::{SignedDuration, Timestamp};
use keys::{ExportId, KeyError};
use runtime::run_blocking;
use schemas::{ExportStatus, ProblemCode};

use super::errors::{not_found, to_api_error};
use super::path_parameter::RawPathParameter;
use super::state::ApiState;

/// How long a link is good.
const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

pub(super) async fn get_export(
    State(api): State<ApiState>,
    id: RawPathParameter,
    request: Request,
) -> Response {
    api.authenticate_and_run(request, &[Scope::AccountManage], async |caller, headers| {
        let id = parse_export_id(id).ok_or_else(|| not_found("export"))?;
        let now = (api.gate.clock)();
        let found = api.queries.export(caller.user, id, now).await.map_err(|error| to_api_error(&error))?;
        let mut export = found.ok_or_else(|| not_found("export"))?;
        if export.status == ExportStatus::Ready {
            let until = now.saturating_add(LINK_LIFETIME).unwrap_or(now);
            let until = export.deleted_at.map_or(until, |deleted| deleted.min(until));
            let name = ObjectName { user: caller.user, export: id };
            let link =
                api.export_store.download_url(name, until, now, &api.pseudonyms).await.map_err(|error| {
                    tracing::error!(error = &error as &dyn std::error::Error, "a link can't be made");
                    ApiError::new(ProblemCode::ViewUnavailable, "The link can't be made now. Try again.")
                })?;
            export.download_url = Some(api.absolute_url(&headers, link));
            export.expires_at = Some(until);
        }
        // Whoever has the link can fetch the export: nothing on the way may keep it.
        Ok(([(header::CACHE_CONTROL, "no-store")], Json(export)))
    })
    .await
}

pub(super) async fn get_export_download(
    State(api): State<ApiState>,
    id: RawPathParameter,
    request: Request,
) -> Response {
    let peer = Authenticator::peer_address(&request);
    let (parts, _) = request.into_parts();
    let mut observed = AccessLogFields::default();
    let answering = async {
        api.gate.check_address_rate(peer, &parts.headers)?;
        let id = parse_export_id(id).ok_or_else(link_not_found)?;
        let (query, now) = (parts.uri.query().unwrap_or_default(), (api.gate.clock)());
        let link = DownloadLink::verify(id, query, &api.pseudonyms, now).map_err(|error| match error {
            DownloadLinkError::Invalid => link_not_found(),
            DownloadLinkError::Expired => {
                ApiError::new(ProblemCode::LinkExpired, "The link has ended. Ask for the export again.")
            }
        })?;
        (observed.user, observed.verification) = (Some(link.object.user), Verification::Passed);
        api.check_account(&link.object.user)?;
        api.stream_export(link.object, now).await
    };
    let answered: Result<Response, ApiError> = answering.await;
    attach_access_log_fields(answered.unwrap_or_else(IntoResponse::into_response), observed)
}

fn parse_export_id(id: RawPathParameter) -> Option<ExportId> {
    id.ok().and_then(|Path(id)| id.parse().ok())
}

/// What was never given, or is not there any more, is told apart for nobody.
fn link_not_found() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "There is no export behind this link.")
}

fn export_unreadable(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(error = error.to_string(), "an export can't be read");
    ApiError::new(ProblemCode::ViewUnavailable, "The export can't be read now. Try again.")
}

impl ApiState {
    /// Opened while it streams.
    async fn stream_export(&self, name: ObjectName, now: Timestamp) -> Result<Response, ApiError> {
        let export =
            self.queries.export(name.user, name.export, now).await.map_err(|error| to_api_error(&error))?;
        if export.is_none_or(|export| export.status != ExportStatus::Ready) {
            return Err(link_not_found());
        }
        let objects = self.export_store.clone();
        let found =
            run_blocking(move || objects.metadata(&name)).await.map_err(|error| export_unreadable(&error))?;
        let (key_id, length) = found.ok_or_else(link_not_found)?;
        let key = match self.queries.keys().get(&name.user, key_id).await {
            Ok(Some(key)) => key,
            Err(KeyError::Erased) => return Err(link_not_found()),
            Ok(None) => return Err(export_unreadable(&KeyError::Unavailable)),
            Err(error @ (KeyError::Unavailable | KeyError::Unwrap(_))) => {
                return Err(export_unreadable(&error));
            }
        };
        let objects = self.export_store.clone();
        let opened = run_blocking(move || objects.open_reader(name, key))
            .await
            .map_err(|error| export_unreadable(&error))?;
        let chunks = stream::try_unfold(opened.ok_or_else(link_not_found)?, next_chunk);
        let disposition = format!("attachment; filename=\"syncwell-{}.zip\"", name.export);
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
            (header::CONTENT_LENGTH, HeaderValue::from(length)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (
                header::CONTENT_DISPOSITION,
                disposition.parse().unwrap_or_else(|_| unreachable!("BUG: an export's id is ASCII")),
            ),
        ];
        Ok((headers, Body::from_stream(chunks)).into_response())
    }

    /// A link of ours from the address that the operator names, or from the one that was asked.
    fn absolute_url(&self, headers: &HeaderMap, link: String) -> String {
        if !link.starts_with('/') {
            return link;
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match (&self.link_base, host) {
            (Some(base), _) => format!("{}{link}", base.trim_end_matches('/')),
            (None, Some(host)) => format!("{}://{host}{link}", if self.is_tls { "https" } else { "http" }),
            (None, None) => link,
        }
    }
}

async fn next_chunk(mut opened: ExportObjectReader) -> std::io::Result<Option<(Bytes, ExportObjectReader)>> {
    run_blocking(move || Ok(opened.next_chunk()?.map(|chunk| (chunk, opened)))).await
}
