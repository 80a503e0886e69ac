//! Exports of an account (`/v1/exports`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// Where an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportStatus {
    /// Asked for, and being made.
    Pending,
    /// It can be downloaded.
    Ready,
    /// It was there, and is deleted.
    Expired,
    /// There is none; `code` says why.
    Failed,
}

/// Why there is no export. The names are stored: add, never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFailure {
    /// It could not be made, again and again, for an hour. The operator's log says why; ask for another.
    NotMadeInTime,
}

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportProgress {
    /// Events that were gone through, each twice.
    pub done: u64,
    /// Of so many.
    pub of: u64,
}

/// A request whose body says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptyRequest;

/// The answer to a request for an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportAccepted {
    /// The export's name.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub export_id: String,
}

/// An export as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportDocument {
    /// Its name.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub export_id: String,
    /// Where it is.
    pub status: ExportStatus,
    /// When it was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub requested_at: Timestamp,
    /// While it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ExportProgress>,
    /// Where it can be fetched by whoever has this link, until `expires_at`. Ask again for another link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_url: Option<String>,
    /// When the link ends, an hour after it was given, or with the export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires_at: Option<Timestamp>,
    /// When the export itself is deleted, 3 days after it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub deleted_at: Option<Timestamp>,
    /// Bytes of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ExportFailure>,
    /// The position that this reflects.
    pub position: u64,
}
