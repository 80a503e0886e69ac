//! Lines of JSON, as exports and backups have them.

use serde::Serialize;

/// Renders one line, without its line feed.
pub(crate) fn to_json_line(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| unreachable!("BUG: a line is JSON"))
}
