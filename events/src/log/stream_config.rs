//! What a log must be for everything above it to be true.

use jetstream::StreamInfo;
use schemas::Sequence;
use serde_json::{Value, json};

use super::{DUPLICATE_WINDOW_SECONDS, EVENTS_STREAM, LogIdentity};

/// A log that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// Which log.
    pub identity: LogIdentity,
    /// The last event, `None` while there is none.
    pub last: Option<Sequence>,
}

/// The stream found is not a log that can be trusted. Nothing is appended to it or folded from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogVerificationError {
    /// The configuration breaks a promise.
    #[error("the stream's `{key}` is {found}, not {expected}: {why}")]
    Config {
        /// Which key.
        key: &'static str,
        /// What is promised.
        expected: String,
        /// What the server has.
        found: String,
        /// What would go wrong.
        why: &'static str,
    },
    /// Events are missing.
    #[error(
        "INCIDENT: the log has holes: {0}. Stop, keep the broker's files, restore from a mirror or a backup"
    )]
    MissingEvents(String),
}

/// Holds what the server says against what is promised.
pub(crate) fn verify(info: &StreamInfo) -> Result<LogState, LogVerificationError> {
    let exact = [
        ("subjects", json!(["events.v1.>"]), "events would be missed or be joined by others"),
        ("retention", json!("limits"), "events would go once they are read"),
        ("storage", json!("file"), "events would go with the power"),
        ("discard", json!("new"), "old events would make room for new ones"),
        ("max_msgs", json!(-1), "events would be dropped"),
        ("max_bytes", json!(-1), "events would be dropped"),
        ("max_age", json!(0), "events would be dropped"),
        ("max_msgs_per_subject", json!(-1), "events would be dropped"),
        ("deny_delete", json!(true), "events could be deleted"),
        ("deny_purge", json!(true), "events could be purged"),
        ("allow_rollup_hdrs", json!(false), "a message could replace all others"),
        ("allow_atomic", json!(true), "group commit would be refused"),
        ("allow_direct", json!(true), "a user's events could not be read"),
        ("allow_msg_ttl", json!(false), "an event could end by itself"),
        ("no_ack", json!(false), "nothing would be confirmed"),
        ("sealed", json!(false), "nothing could be appended"),
        ("mirror", Value::Null, "events would come from elsewhere"),
        ("sources", Value::Null, "events would come from elsewhere"),
        ("subject_transform", Value::Null, "events would be stored under other subjects"),
    ];
    for (key, expected, why) in exact {
        // The server leaves out what is false.
        let found = match info.config.get(key) {
            None if expected == json!(false) => json!(false),
            found => found.cloned().unwrap_or_default(),
        };
        if found != expected {
            return Err(config_mismatch(key, expected.to_string(), found.to_string(), why));
        }
    }
    if info.config.get("persist_mode").is_some_and(|mode| mode == "async") {
        return Err(config_mismatch(
            "persist_mode",
            "\"default\"".into(),
            "\"async\"".into(),
            "events would be confirmed before they are stored",
        ));
    }
    let window = info.config["duplicate_window"].as_u64().unwrap_or_default() / 1_000_000_000;
    if window < DUPLICATE_WINDOW_SECONDS {
        let expected = format!("{DUPLICATE_WINDOW_SECONDS} s or more");
        return Err(config_mismatch(
            "duplicate_window",
            expected,
            format!("{window} s"),
            "a replay could be stored twice",
        ));
    }
    check_gaps(info)?;
    Ok(LogState { identity: LogIdentity(info.created.clone()), last: Sequence::new(info.state.last_seq) })
}

fn check_gaps(info: &StreamInfo) -> Result<(), LogVerificationError> {
    let state = &info.state;
    let hole = if state.num_deleted > 0 {
        Some(format!("{} events of {EVENTS_STREAM} are missing", state.num_deleted))
    } else if let Some(lost) = &state.lost {
        Some(format!("the server reports loss: {lost}"))
    } else if state.messages != state.last_seq || state.messages > 0 && state.first_seq != 1 {
        Some(format!(
            "{} events stand at sequences {} to {}",
            state.messages, state.first_seq, state.last_seq
        ))
    } else {
        None
    };
    hole.map_or(Ok(()), |hole| Err(LogVerificationError::MissingEvents(hole)))
}

fn config_mismatch(
    key: &'static str,
    expected: String,
    found: String,
    why: &'static str,
) -> LogVerificationError {
    LogVerificationError::Config { key, expected, found, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Log;

    /// A stream as the server would show the one that setup creates.
    fn info(change: impl FnOnce(&mut Value)) -> StreamInfo {
        let mut info = json!({
            "config": Log::config(1),
            "created": "2026-02-16T00:00:00Z",
            "state": { "messages": 3, "first_seq": 1, "last_seq": 3 },
        });
        change(&mut info);
        serde_json::from_value(info).unwrap()
    }

    #[test]
    fn what_setup_creates_holds() {
        let state = verify(&info(|_| {})).unwrap();
        assert_eq!((state.identity.as_str(), state.last), ("2026-02-16T00:00:00Z", Sequence::new(3)));
        let empty = info(|info| info["state"] = json!({ "messages": 0, "first_seq": 0, "last_seq": 0 }));
        assert_eq!(verify(&empty).unwrap().last, None);
    }

    #[test]
    fn every_other_configuration_is_refused() {
        for (key, value) in [
            ("discard", json!("old")),
            ("max_age", json!(1)),
            ("max_msgs", json!(10)),
            ("deny_delete", json!(false)),
            ("deny_purge", json!(false)),
            ("storage", json!("memory")),
            ("retention", json!("workqueue")),
            ("subjects", json!(["events.>"])),
            ("allow_rollup_hdrs", json!(true)),
            ("duplicate_window", json!(120_000_000_000_u64)),
            ("persist_mode", json!("async")),
            ("mirror", json!({ "name": "OTHER" })),
            ("sources", json!([{ "name": "OTHER" }])),
            ("subject_transform", json!({ "src": "a", "dest": "b" })),
            ("max_bytes", json!(10)),
            ("max_msgs_per_subject", json!(1)),
            ("allow_atomic", json!(false)),
            ("allow_direct", json!(false)),
            ("allow_msg_ttl", json!(true)),
            ("no_ack", json!(true)),
            ("sealed", json!(true)),
        ] {
            let found = verify(&info(|info| info["config"][key] = value));
            assert!(
                matches!(&found, Err(LogVerificationError::Config { key: named, .. }) if *named == key),
                "{key}: {found:?}"
            );
        }
    }

    #[test]
    fn every_hole_is_an_incident() {
        for state in [
            json!({ "messages": 2, "first_seq": 1, "last_seq": 3, "num_deleted": 1 }),
            json!({ "messages": 2, "first_seq": 2, "last_seq": 3 }),
            json!({ "messages": 3, "first_seq": 1, "last_seq": 3, "lost": { "bytes": 9 } }),
            json!({ "messages": 0, "first_seq": 4, "last_seq": 3 }),
        ] {
            let found = verify(&info(|info| info["state"] = state));
            assert!(matches!(found, Err(LogVerificationError::MissingEvents(_))), "{found:?}");
        }
    }
}
