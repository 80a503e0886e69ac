//! `events.ndjson`: a line for each event.

use serde_json::{Value, json};

use crate::writing::{Content, SourceEvent};

/// The line, with its line feed.
pub(crate) fn render(event: &SourceEvent) -> Vec<u8> {
    let mut line = json!({
        "sequence": event.sequence,
        "event_id": event.head.id,
        "type": event.head.kind.as_str(),
        "received_at": event.head.time,
        "user_ref": event.head.user.to_string(),
    });
    match &event.content {
        Content::Opened(opened) => line["opened"] = opened.to_json(),
        Content::Unopened(why) => (line["opened"], line["why"]) = (Value::Null, (*why).into()),
    }
    if event.left_out {
        line["left_out"] = true.into();
    }
    let mut bytes = line.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}
