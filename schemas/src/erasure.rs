//! Erasing an account (`/v1/erasures`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EventId, Sequence, patterns};

/// The steps of an erasure, in their order. The names are stored: add, never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasureStep {
    /// From here on everything for this account is answered 410.
    AccountMarked,
    /// Every provider was asked to revoke its tokens, and they are destroyed here.
    ConnectionsRevoked,
    /// No export of the account is left.
    ExportsDeleted,
    /// No view has a row, a device or anything else of the account.
    ViewsCleared,
    /// What remembered the account's devices is gone; tokens and signatures of it are refused.
    SessionsEnded,
    /// Every data key of the account is overwritten, and a tombstone stands in its place.
    KeysDestroyed,
}

impl ErasureStep {
    /// Every step, in order.
    pub const ALL: [Self; 6] = [
        Self::AccountMarked,
        Self::ConnectionsRevoked,
        Self::ExportsDeleted,
        Self::ViewsCleared,
        Self::SessionsEnded,
        Self::KeysDestroyed,
    ];

    /// The name on the wire and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountMarked => "account_marked",
            Self::ConnectionsRevoked => "connections_revoked",
            Self::ExportsDeleted => "exports_deleted",
            Self::ViewsCleared => "views_cleared",
            Self::SessionsEnded => "sessions_ended",
            Self::KeysDestroyed => "keys_destroyed",
        }
    }
}

/// Where an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasureStatus {
    /// Asked for, and not begun: it can be taken back while there is a grace period.
    Pending,
    /// Begun. Nothing stops it any more.
    Erasing,
    /// Nobody can read what the account sent any more.
    Erased,
    /// Taken back before it began.
    Cancelled,
}

/// What a request to erase says: the token's own user id, once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// The `sub` of the token, letter by letter.
    #[schemars(extend("pattern" = patterns::USER_ID))]
    pub user_id: String,
}

/// The answer to a request to erase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureAccepted {
    /// The erasure's name.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub erasure_id: String,
    /// What reads the erasure from here on, also when no token of the account is accepted any more. Keep it.
    pub receipt_token: String,
}

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureStepDone {
    /// Which.
    pub step: ErasureStep,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// The position of the event that says so.
    pub sequence: Sequence,
    /// What it destroyed, by name.
    pub counts: BTreeMap<String, u64>,
}

/// What the person keeps: that the account was erased, with a proof that needs nobody's word but the log's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureReceipt {
    /// Who: the account's pseudonym.
    pub user_ref: String,
    /// Which erasure.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub erasure_id: String,
    /// When it was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub requested_at: Timestamp,
    /// When the last key was gone.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub erased_at: Timestamp,
    /// What was destroyed, by name.
    pub destroyed: BTreeMap<String, u64>,
    /// The event that says so, and its position.
    pub event_id: EventId,
    /// Its position in the log.
    pub sequence: Sequence,
    /// The event's inclusion under a signed checkpoint (C2SP tlog-proof), with the event itself as its extra data. What
    /// stands beside it can be read there too, and `syncwell audit check-erasure` holds the one against the other.
    pub proof: String,
}

/// An erasure as whoever holds its receipt token sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasureDocument {
    /// Its name.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub erasure_id: String,
    /// Where it is.
    pub status: ErasureStatus,
    /// When it was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub requested_at: Timestamp,
    /// When it begins or began; until then it can be taken back.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub due_at: Timestamp,
    /// The steps that were done, in order.
    pub steps: Vec<ErasureStepDone>,
    /// Once it is erased and a checkpoint covers that; `null` before.
    pub receipt: Option<ErasureReceipt>,
    /// The position that this reflects.
    pub position: u64,
}
