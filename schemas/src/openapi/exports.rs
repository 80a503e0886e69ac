//! `/v1/exports`.

use serde_json::{Value, json};

use super::operation::{Operation, Tag};
use super::{AUTHENTICATED_ERRORS, CHANGE_ERRORS, parameters};
use crate::ProblemCode;

pub(super) fn request() -> Value {
    let own = [
        ProblemCode::InvalidJson,
        ProblemCode::RequestTimeout,
        ProblemCode::BodyTooLarge,
        ProblemCode::InvalidRequest,
        ProblemCode::ViewUnavailable,
    ];
    Operation::new(Tag::Exports, "requestExport", "Export all data of the account")
        .description(
            "Without a body, or with an empty object. One at a time, and one a day unless the operator says otherwise: \
             `rate_limited`, with `Retry-After`.",
        )
        .scopes(&["account:manage"])
        .body("ExportRequest", false)
        .json("202", "The export will be made", "ExportAccepted")
        .header("202", "Location", "The export.")
        .links(&["202"], &[("Export", "getExport", "export_id", "export_id")])
        .errors(&[own.as_slice(), &CHANGE_ERRORS].concat())
        .build()
}

pub(super) fn get() -> Value {
    Operation::new(Tag::Exports, "getExport", "Progress of an export, and a download link once it is ready")
        .description("The link is valid for an hour. Each request makes another link.")
        .scopes(&["account:manage"])
        .parameters([export_id()])
        .json("200", "The export", "ExportDocument")
        .errors(&[&[ProblemCode::NotFound], AUTHENTICATED_ERRORS.as_slice()].concat())
        .build()
}

pub(super) fn download() -> Value {
    let [user, expires, signature] = parameters::link();
    Operation::new(Tag::Exports, "downloadExport", "Download an export by its link")
        .description(
            "For exports in a folder; S3 has its own links. The link is bound to user, export and expiry: a changed link is \
             `not_found`, an expired one `link_expired`.",
        )
        .parameters([export_id(), user, expires, signature])
        .content(
            "200",
            "The export: a zip file with a manifest, a readable page, JSON and CSV",
            "application/zip",
            &json!({ "type": "string", "format": "binary" }),
        )
        .errors(&[
            ProblemCode::LinkExpired,
            ProblemCode::NotFound,
            ProblemCode::AccountErased,
            ProblemCode::RateLimited,
            ProblemCode::Internal,
            ProblemCode::ViewUnavailable,
            ProblemCode::TooManyConnections,
        ])
        .build()
}

fn export_id() -> Value {
    parameters::own_id("export_id", "The export.")
}
