//! The JSON Schema of a summary, with the default bounds. The reader is hand-made to report everything at once, so
//! its schema is too; a test holds the two together.

use serde_json::{Value, json};

use super::{Scalar, SummaryBounds, ValueRange};

/// The schema, as a document of its own or as a part of another.
pub(crate) fn summary(alone: bool) -> Value {
    let bounds = SummaryBounds::default();
    let mut schema = json!({
        "title": "Summary",
        "description": "One user's day, as a phone reports it. `null` means the same as absent.",
        "type": "object",
        "additionalProperties": false,
        "required": ["date", "generated_at"],
        "anyOf": Scalar::ALL.iter().map(|scalar| json!({
            "required": [scalar.name()],
            "properties": { scalar.name(): { "not": { "type": "null" } } },
        })).chain([json!({
            "required": ["workouts"],
            "properties": { "workouts": { "type": "array", "minItems": 1 } },
        })]).collect::<Vec<_>>(),
        "properties": {
            "date": {
                "type": "string", "format": "date",
                "description": "Civil date of the user, from 2010-01-01 to the latest date it is anywhere on Earth.",
            },
            "generated_at": {
                "type": "string", "format": "date-time",
                "description": "RFC 3339 with an offset, up to nanoseconds; at most 10 minutes ahead of the server, \
                                not before the date begins anywhere on Earth.",
            },
            "workouts": {
                "type": ["array", "null"], "maxItems": bounds.workouts_max,
                "description": "No two with the same type and start.",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["type", "start_time", "duration"],
                    "properties": {
                        "type": { "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$" },
                        "start_time": {
                            "type": "string", "format": "date-time",
                            "description": "RFC 3339 with an offset; within the date, give or take one day.",
                        },
                        "duration": number(&["number"], &bounds.duration, "minutes"),
                        "calories": number(&["number", "null"], &bounds.calories, "kilocalories"),
                    },
                },
            },
        },
    });
    for scalar in Scalar::ALL {
        let kind = if scalar == Scalar::Steps { "integer" } else { "number" };
        schema["properties"][scalar.name()] = number(&[kind, "null"], &bounds.scalars[scalar], scalar.unit());
    }
    if alone {
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    }
    schema
}

fn number(types: &[&str], bound: &ValueRange, unit: &str) -> Value {
    let low = if bound.is_low_excluded { "exclusiveMinimum" } else { "minimum" };
    let types = if let [only] = types { json!(only) } else { json!(types) };
    json!({ "type": types, low: bound.low, "maximum": bound.high, "description": format!("In {unit}.") })
}
