//! The JSON Schema of a summary, with the default bounds. The parser is written by hand to report every violation at once,
//! and so is its schema.

use serde_json::{Map, Value, json};

use super::{Scalar, SummaryBounds, ValueRange};

/// The schema, as a document of its own or as a component of the OpenAPI document, with [`workout`] as another.
pub(crate) fn summary(alone: bool) -> Value {
    let bounds = SummaryBounds::default();
    let items = if alone { workout() } else { json!({ "$ref": "#/components/schemas/Workout" }) };
    let mut schema = json!({
        "description": "One user's day, as a phone reports it. `null` means the same as absent. At least one value or workout \
                        is required.",
        "type": "object",
        "additionalProperties": false,
        "required": ["date", "generated_at"],
        "not": without_value(),
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
                "items": items,
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

/// The schema of a workout of a summary.
pub(crate) fn workout() -> Value {
    let bounds = SummaryBounds::default();
    json!({
        "description": "A workout of a summary.",
        "type": "object",
        "additionalProperties": false,
        "required": ["type", "start_time", "duration"],
        "properties": {
            "type": {
                "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$",
                "description": "The kind of workout, compared as written.",
            },
            "start_time": {
                "type": "string", "format": "date-time",
                "description": "RFC 3339 with an offset; within the date, give or take one day.",
            },
            "duration": number(&["number"], &bounds.duration, "minutes"),
            "calories": number(&["number", "null"], &bounds.calories, "kilocalories"),
        },
    })
}

/// The schema of a summary without any value. `not` of it says "at least one value": validators obey it, and client
/// generators, which make a union type of `anyOf`, skip it.
fn without_value() -> Value {
    let mut values: Map<_, _> =
        Scalar::ALL.iter().map(|scalar| (scalar.name().to_owned(), json!({ "type": "null" }))).collect();
    values.insert(
        "workouts".to_owned(),
        json!({ "anyOf": [{ "type": "null" }, { "type": "array", "maxItems": 0 }] }),
    );
    json!({ "properties": values })
}

fn number(types: &[&str], bound: &ValueRange, unit: &str) -> Value {
    let low = if bound.is_low_excluded { "exclusiveMinimum" } else { "minimum" };
    let types = if let [only] = types { json!(only) } else { json!(types) };
    json!({ "type": types, low: bound.low, "maximum": bound.high, "description": format!("In {unit}.") })
}
