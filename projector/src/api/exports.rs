//! `GET /v1/exports/{export_id}`, and its `/download`: with a link, by whoever has it.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use export_store::{Link, LinkError, ObjectName, Opened};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use http_edge::{Gate, Observed, Refusal, Scope, Verification, noted};
use jiff::{SignedDuration, Timestamp};
use keys::{ExportId, KeyError};
use schemas::{Code, ExportStatus};

use super::{Api, PathText, not_found, refuse};
use crate::blocking::blocking;

/// How long a link is good.
const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

pub(super) async fn get_export(State(api): State<Api>, id: PathText, request: Request) -> Response {
    api.answer(request, &[Scope::AccountManage], async |caller, headers| {
        let id = export_id(id).ok_or_else(|| not_found("export"))?;
        let now = (api.gate.clock)();
        let found = api.reader.export(caller.user, id, now).await.map_err(|error| refuse(&error))?;
        let mut export = found.ok_or_else(|| not_found("export"))?;
        if export.status == ExportStatus::Ready {
            let until = now.saturating_add(LINK_LIFETIME).unwrap_or(now);
            let until = export.deleted_at.map_or(until, |deleted| deleted.min(until));
            let name = ObjectName { user: caller.user, export: id };
            let link = api.objects.link(name, until, now, &api.pseudonyms).await.map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "a link can't be made");
                Refusal::new(Code::ViewUnavailable, "The link can't be made now. Try again.")
            })?;
            export.download_url = Some(api.absolute(&headers, link));
            export.expires_at = Some(until);
        }
        // Whoever has the link can fetch the export: nothing on the way may keep it.
        Ok(([(header::CACHE_CONTROL, "no-store")], Json(export)))
    })
    .await
}

pub(super) async fn download(State(api): State<Api>, id: PathText, request: Request) -> Response {
    let peer = Gate::peer(&request);
    let (parts, _) = request.into_parts();
    let mut observed = Observed::default();
    let answering = async {
        api.gate.count_address(peer, &parts.headers)?;
        let id = export_id(id).ok_or_else(no_link)?;
        let (query, now) = (parts.uri.query().unwrap_or_default(), (api.gate.clock)());
        let link = Link::verify(id, query, &api.pseudonyms, now).map_err(|error| match error {
            LinkError::Wrong => no_link(),
            LinkError::Expired => {
                Refusal::new(Code::LinkExpired, "The link has ended. Ask for the export again.")
            }
        })?;
        (observed.user, observed.verification) = (Some(link.name.user), Verification::Passed);
        api.check_account(&link.name.user)?;
        api.fetch(link.name, now).await
    };
    let answered: Result<Response, Refusal> = answering.await;
    noted(answered.unwrap_or_else(IntoResponse::into_response), observed)
}

fn export_id(id: PathText) -> Option<ExportId> {
    id.ok().and_then(|Path(id)| id.parse().ok())
}

/// What was never given, or is not there any more, is told apart for nobody.
fn no_link() -> Refusal {
    Refusal::new(Code::NotFound, "There is no export behind this link.")
}

fn broken(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(error = error.to_string(), "an export can't be read");
    Refusal::new(Code::ViewUnavailable, "The export can't be read now. Try again.")
}

impl Api {
    /// Opened while it streams.
    async fn fetch(&self, name: ObjectName, now: Timestamp) -> Result<Response, Refusal> {
        let export = self.reader.export(name.user, name.export, now).await.map_err(|error| refuse(&error))?;
        if export.is_none_or(|export| export.status != ExportStatus::Ready) {
            return Err(no_link());
        }
        let objects = self.objects.clone();
        let found = blocking(move || objects.find(&name)).await.map_err(|error| broken(&error))?;
        let (key_id, length) = found.ok_or_else(no_link)?;
        let key = match self.reader.keys().get(&name.user, key_id).await {
            Ok(Some(key)) => key,
            Err(KeyError::Erased) => return Err(no_link()),
            Ok(None) => return Err(broken(&KeyError::Unavailable)),
            Err(error @ (KeyError::Unavailable | KeyError::Unwrap(_))) => return Err(broken(&error)),
        };
        let objects = self.objects.clone();
        let opened =
            blocking(move || objects.open_object(name, key)).await.map_err(|error| broken(&error))?;
        let chunks = stream::try_unfold(opened.ok_or_else(no_link)?, next);
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
    fn absolute(&self, headers: &HeaderMap, link: String) -> String {
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

async fn next(mut opened: Opened) -> std::io::Result<Option<(Bytes, Opened)>> {
    blocking(move || Ok(opened.next_chunk()?.map(|chunk| (chunk, opened)))).await
}
