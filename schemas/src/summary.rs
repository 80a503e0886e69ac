//! One user's day, as a phone reports it (contract, section 2).

mod bounds;
pub(crate) mod json_schema;
mod parser;
mod scalars;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

pub use bounds::{SummaryBounds, ValueRange};
pub use scalars::{PerScalar, Scalar};

use crate::Quantity;

/// The largest body of a summary, in bytes.
pub const SUMMARY_BODY_BYTES_MAX: usize = 64 * 1024;

/// One user's day. At least one scalar or workout is present in a summary that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The civil date of the user.
    pub date: Date,
    /// When the phone made this summary.
    pub generated_at: Timestamp,
    /// The day's single values.
    pub scalars: PerScalar<Option<Quantity>>,
    /// The day's workouts, in the order reported, no two with one key.
    pub workouts: Vec<Workout>,
}

/// One workout of a summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Workout {
    /// What makes it this workout and no other.
    #[serde(flatten)]
    pub key: WorkoutKey,
    /// Minutes.
    pub duration: Quantity,
    /// Kilocalories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calories: Option<Quantity>,
}

/// A workout is known by its start (the instant, whatever offset it was written in) and its type, in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct WorkoutKey {
    /// When it started.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub start_time: Timestamp,
    /// What kind of workout, 1 to 64 characters of `A-Z a-z 0-9 _ . -`, compared as written.
    #[serde(rename = "type")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]{1,64}$"))]
    pub kind: String,
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("date", &self.date)?;
        for scalar in Scalar::ALL {
            if let Some(value) = self.scalars[scalar] {
                map.serialize_entry(scalar.name(), &value)?;
            }
        }
        if !self.workouts.is_empty() {
            map.serialize_entry("workouts", &self.workouts)?;
        }
        map.serialize_entry("generated_at", &self.generated_at)?;
        map.end()
    }
}
