//! Why a row is what it is (contract, section 6).

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EventId, FirstReported, Outcome, Quantity, Sequence, WorkoutKey};

/// A row's events in order, and where each of its values came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryDocument {
    /// The civil date of the user.
    #[schemars(with = "String", extend("format" = "date"))]
    pub date: Date,
    /// The row's events, in the log's order.
    pub events: Vec<HistoryEvent>,
    /// Every value of the row with the event it came from.
    pub row: RowSources,
    /// The sequence up to which the view had folded.
    pub position: u64,
}

/// One event and what became of what it offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEvent {
    /// The event's name.
    pub event_id: EventId,
    /// The event's position in the log.
    pub sequence: Sequence,
    /// When ingest received it.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub received_at: Timestamp,
    /// When the phone made the summary.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub generated_at: Timestamp,
    /// What the event did to the row.
    pub outcome: Outcome,
    /// What it offered, by field.
    pub fields: OfferedFields,
}

/// The fields that an event carried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedFields {
    /// Steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<OfferedScalar>,
    /// Beats per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resting_hr: Option<OfferedScalar>,
    /// Hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep_hours: Option<OfferedScalar>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hrv: Option<OfferedScalar>,
    /// Workouts, in the row's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workouts: Vec<OfferedWorkout>,
}

/// A value that an event carried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedScalar {
    /// The value.
    pub offered: Quantity,
    /// Whether the row took it: after this event the row's value came from this event.
    pub taken: bool,
}

/// A workout that an event carried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedWorkout {
    /// What makes it this workout.
    #[serde(flatten)]
    pub key: WorkoutKey,
    /// Minutes.
    pub duration: OfferedScalar,
    /// Kilocalories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calories: Option<OfferedScalar>,
}

/// Every value of the row with its source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowSources {
    /// Steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<ValueSource>,
    /// Beats per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resting_hr: Option<ValueSource>,
    /// Hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep_hours: Option<ValueSource>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hrv: Option<ValueSource>,
    /// By `start_time`, then `type`.
    pub workouts: Vec<WorkoutSources>,
}

/// A value and the event it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueSource {
    /// The value.
    pub value: Quantity,
    /// The event it came from.
    pub event_id: EventId,
    /// That event's position in the log.
    pub sequence: Sequence,
    /// When that event's summary was made: the value's clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub generated_at: Timestamp,
}

/// A workout of the row with the sources of its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkoutSources {
    /// What makes it this workout.
    #[serde(flatten)]
    pub key: WorkoutKey,
    /// Minutes.
    pub duration: ValueSource,
    /// Kilocalories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calories: Option<ValueSource>,
    /// Where it was first heard of.
    pub first_reported: FirstReported,
}
