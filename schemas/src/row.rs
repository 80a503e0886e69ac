//! The view's answers (contract, section 6).

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EventId, Quantity, WorkoutKey};

/// One user's day as the view sees it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowDocument {
    /// The civil date of the user.
    #[schemars(with = "String", extend("format" = "date"))]
    pub date: Date,
    /// Steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Quantity>,
    /// Beats per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resting_hr: Option<Quantity>,
    /// Hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep_hours: Option<Quantity>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hrv: Option<Quantity>,
    /// By `start_time`, then `type`.
    pub workouts: Vec<WorkoutDocument>,
    /// The latest of all the row's events.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub generated_at: Timestamp,
    /// An event of this user can't be folded, so it and everything behind it waits: the row is as it was before. Left
    /// out where that is not so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// The sequence up to which the view had folded; in a range it stands once, beside the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

/// A workout of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkoutDocument {
    /// What makes it this workout.
    #[serde(flatten)]
    pub key: WorkoutKey,
    /// Minutes.
    pub duration: Quantity,
    /// Kilocalories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calories: Option<Quantity>,
    /// Where it was first heard of.
    pub first_reported: FirstReported,
}

/// The earliest event that reported a workout: the smallest `generated_at`, at equal ones the lower sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FirstReported {
    /// When that event's summary was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub generated_at: Timestamp,
    /// That event.
    pub event_id: EventId,
}

/// A range of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowsDocument {
    /// Ascending by date.
    pub summaries: Vec<RowDocument>,
    /// The sequence up to which the view had folded.
    pub position: u64,
}
