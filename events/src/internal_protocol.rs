//! What other roles ask the projector over the broker: ingest, which reads neither log nor view itself, and the worker.

use jiff::Timestamp;
use schemas::{ConnectionDocument, Sequence};
use serde::{Deserialize, Serialize};

/// Where the projector is asked about one connection.
pub const CONNECTION_LOOKUP_SUBJECT: &str = "view.v1.connection";

/// Which connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionLookupRequest {
    /// Whose.
    pub user_ref: String,
    /// Its name.
    pub connection_id: String,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionLookupResponse {
    /// As its owner sees it, and where the provider sends the user back to.
    Found {
        /// As its owner sees it.
        connection: Box<ConnectionDocument>,
        /// Where the provider sends the user back to.
        redirect_uri: String,
    },
    /// There is none of this user.
    Unknown,
    /// The account was erased.
    Erased,
    /// It can't be told now.
    Unavailable,
}

/// Where the projector is told that nothing of an account may be left in any view.
pub const ERASE_USER_SUBJECT: &str = "view.v1.erase";

/// Whose account ends, and where that begins in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseUserRequest {
    /// Whose.
    pub user_ref: String,
    /// The event that says that the account is marked.
    pub sequence: Sequence,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseUserResponse {
    /// Nothing is left.
    Cleared {
        /// How many views were looked through.
        views: u64,
    },
    /// Not yet: ask again.
    Unavailable,
}

/// Where the projector is asked how a user's exports stand.
pub const LATEST_EXPORT_SUBJECT: &str = "view.v1.export";

/// Whose exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestExportRequest {
    /// Whose.
    pub user_ref: String,
}

/// How they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatestExportResponse {
    /// When the latest was asked for that did not fail, and whether it is being made still.
    Latest {
        /// When; `null` where there is none.
        requested_at: Option<Timestamp>,
        /// Whether it is being made.
        is_pending: bool,
    },
    /// The account was erased.
    Erased,
    /// It can't be told now.
    Unavailable,
}

/// Where the worker is asked how far an export is; the question is its id, the answer an `ExportProgress` as JSON.
pub const EXPORT_PROGRESS_SUBJECT: &str = "exports.v1.progress";

/// Where the projector is told that a receiver of the change feed came or went; the question is empty.
pub const RELOAD_CHANGE_FEED_SUBJECT: &str = "view.v1.feed";

/// What the projector has seen, looking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadChangeFeedResponse {
    /// Whether changes are told from here on; `null` where it could not look.
    pub wanted: Option<bool>,
}
