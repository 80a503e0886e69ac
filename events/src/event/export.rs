//! A person takes their data along.

use jiff::Timestamp;
use keys::ExportId;
use schemas::{ExportFailure, Sequence};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::sealed_content::SealedContent;
use crate::event_kind::EventKind;

/// A user wants an export. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRequested {
    /// Which.
    pub export_id: ExportId,
    /// The token's `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// An export can be downloaded. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportReady {
    /// Which.
    pub export_id: ExportId,
    /// The position of the log that it is of.
    pub position: Sequence,
    /// Bytes of the file.
    pub bytes: u64,
    /// When it is deleted.
    pub deleted_at: Timestamp,
}

/// An export can't be made. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportFailed {
    /// Which.
    pub export_id: ExportId,
    /// Why.
    pub code: ExportFailure,
}

/// A change of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportEvent {
    /// A user requested it.
    Requested(ExportRequested),
    /// It can be downloaded.
    Ready(ExportReady),
    /// It failed for good.
    Failed(ExportFailed),
}

impl ExportEvent {
    /// The export.
    pub fn export_id(&self) -> ExportId {
        match self {
            Self::Requested(event) => event.export_id,
            Self::Ready(event) => event.export_id,
            Self::Failed(event) => event.export_id,
        }
    }

    pub(super) fn to_redacted_json(&self) -> Value {
        match self {
            Self::Requested(event) => json!(event),
            Self::Ready(event) => json!(event),
            Self::Failed(event) => json!(event),
        }
    }
}

impl SealedContent for ExportRequested {
    const KIND: EventKind = EventKind::ExportRequestedV1;
}

impl SealedContent for ExportReady {
    const KIND: EventKind = EventKind::ExportReadyV1;
}

impl SealedContent for ExportFailed {
    const KIND: EventKind = EventKind::ExportFailedV1;
}
