//! The answer to a posted summary (contract, section 4).

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EventId, Sequence};

/// What an event did to its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The event made the row.
    Created,
    /// The event changed a value of the row.
    Merged,
    /// No value changed.
    Unchanged,
}

impl Outcome {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Merged => "merged",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The event is on stable storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// What the event did; `null` while that is not known.
    pub outcome: Option<Outcome>,
    /// The summary's date.
    #[schemars(with = "String", extend("format" = "date"))]
    pub date: Date,
    /// The event's name.
    pub event_id: EventId,
    /// The event's position in the log.
    pub sequence: Sequence,
    /// Whether this very request had been accepted before.
    pub replayed: bool,
}
