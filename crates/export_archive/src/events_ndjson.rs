//! `events.ndjson`: a line for each event.

use events::EventHeader;
use serde_json::{Value, json};

use crate::source::{SourceEvent, SourceEventContent};

/// The line, with its line feed.
pub(crate) fn render(event: &SourceEvent) -> Vec<u8> {
    let mut line = json!({ "sequence": event.sequence, "user_ref": event.user.to_string() });
    let mut told = |head: &EventHeader| {
        line["event_id"] = json!(head.id);
        line["type"] = head.kind.as_str().into();
        line["received_at"] = json!(head.time);
    };
    let (opened, why) = match &event.content {
        SourceEventContent::Opened(head, opened) => {
            told(head);
            (opened.to_redacted_json(), None)
        }
        SourceEventContent::KeyDestroyed(head) => {
            told(head);
            (Value::Null, Some("its key was destroyed"))
        }
        SourceEventContent::Unreadable(head, why) => {
            head.iter().for_each(told);
            (Value::Null, Some(*why))
        }
    };
    line["opened"] = opened;
    if let Some(why) = why {
        line["why"] = why.into();
    }
    if event.is_discarded {
        line["left_out"] = true.into();
    }
    let mut bytes = line.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}
