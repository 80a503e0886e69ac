//! What a log must be for everything above it to be true.

use std::time::Duration;

use jetstream::{INCIDENT_ADVICE, StreamConfigMismatch, StreamInfo, StreamSpec};
use schemas::Sequence;

use super::LogIdentity;

/// How long the server remembers an event's id and drops a second one. A signed request is valid for at most twice
/// the timestamp window, so this must be longer.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(900);

/// The log's stream.
pub static EVENTS_STREAM: StreamSpec = StreamSpec {
    duplicate_window: Some(DUPLICATE_WINDOW),
    verified: &[
        ("subjects", "events would be missed or be joined by others"),
        ("retention", "events would go once they are read"),
        ("storage", "events would go with the power"),
        ("discard", "old events would make room for new ones"),
        ("max_msgs", "events would be dropped"),
        ("max_bytes", "events would be dropped"),
        ("max_age", "events would be dropped"),
        ("max_msgs_per_subject", "events would be dropped"),
        ("deny_delete", "events could be deleted"),
        ("deny_purge", "events could be purged"),
        ("allow_rollup_hdrs", "a message could replace all others"),
        ("allow_atomic", "group commit would be refused"),
        ("allow_direct", "a user's events could not be read"),
        ("allow_msg_ttl", "an event could end by itself"),
        ("no_ack", "nothing would be confirmed"),
        ("sealed", "nothing could be appended"),
        ("mirror", "events would come from elsewhere"),
        ("sources", "events would come from elsewhere"),
        ("subject_transform", "events would be stored under other subjects"),
        ("persist_mode", "events would be confirmed before they are stored"),
        ("duplicate_window", "a replay could be stored twice"),
    ],
    ..StreamSpec::new("EVENTS", "LOG.API", "events.v1.>", "SyncWell: what happened")
};

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
    #[error(transparent)]
    Config(#[from] StreamConfigMismatch),
    /// Events are missing.
    #[error("INCIDENT: the log has holes: {0}. {advice}", advice = INCIDENT_ADVICE)]
    MissingEvents(String),
}

/// Verifies the stream's configuration, and that no event is missing.
pub(crate) fn verify(info: &StreamInfo) -> Result<LogState, LogVerificationError> {
    EVENTS_STREAM.verify(info)?;
    check_gaps(info)?;
    Ok(LogState { identity: LogIdentity(info.created.clone()), last: Sequence::new(info.state.last_seq) })
}

fn check_gaps(info: &StreamInfo) -> Result<(), LogVerificationError> {
    let state = &info.state;
    let hole = if state.num_deleted > 0 {
        Some(format!("{} events of {} are missing", state.num_deleted, EVENTS_STREAM.name))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A stream as the server would show the one that setup creates.
    fn info(change: impl FnOnce(&mut Value)) -> StreamInfo {
        let mut info = json!({
            "config": EVENTS_STREAM.config(1),
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
                matches!(&found, Err(LogVerificationError::Config(mismatch)) if mismatch.key == key),
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
