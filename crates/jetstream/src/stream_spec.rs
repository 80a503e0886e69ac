//! The specification of a stream: what setup creates and what its readers verify.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Broker, ReadError, Stream, StreamInfo};

/// What to do after an incident that only a copy of the broker's files mends.
pub const INCIDENT_ADVICE: &str = "Stop, keep the broker's files, restore from a mirror or a backup";

/// What a full stream drops: a stream is full when a subject has its maximum of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// It refuses new messages.
    New,
    /// It drops its oldest messages.
    Old,
}

/// What a stream must be. All streams have these in common: retention by limits, storage in files, one subject filter,
/// direct gets, no roll-up.
#[derive(Debug)]
pub struct StreamSpec {
    /// The stream's name.
    pub name: &'static str,
    /// The name under which roles import its account's `$JS.API`.
    pub api_prefix: &'static str,
    /// For people who look at the broker.
    pub description: &'static str,
    /// The one subject filter.
    pub subjects: &'static str,
    /// What a full stream drops.
    pub discard: Discard,
    /// Messages of one subject; -1 for any number.
    pub max_msgs_per_subject: i64,
    /// Lifetime of a message; zero for ever.
    pub max_age: Duration,
    /// How long the server drops a second message of the same id; its own default (2 minutes) without one.
    pub duplicate_window: Option<Duration>,
    /// Whether no message can be deleted.
    pub deny_delete: bool,
    /// Whether the stream can't be purged.
    pub deny_purge: bool,
    /// Whether atomic batches are accepted.
    pub allow_atomic: bool,
    /// Whether a message may carry a lifetime of its own.
    pub allow_msg_ttl: bool,
    /// Keys of the configuration that are verified, each with what goes wrong if it differs.
    pub verified: &'static [(&'static str, &'static str)],
}

/// A stream is configured otherwise than specified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stream {stream} can't be trusted: its `{key}` is {found}, not {expected}: {why}")]
pub struct StreamConfigMismatch {
    /// The stream's name.
    pub stream: &'static str,
    /// The key of the configuration.
    pub key: &'static str,
    /// The specified value.
    pub expected: String,
    /// The server's value.
    pub found: String,
    /// What would go wrong.
    pub why: &'static str,
}

/// Why a stream can't be used.
#[derive(Debug, thiserror::Error)]
pub enum VerifyStreamError {
    /// The stream can't be read now.
    #[error("the stream {stream} can't be read")]
    Read {
        /// The stream's name.
        stream: &'static str,
        /// Why.
        source: ReadError,
    },
    /// The stream does not exist.
    #[error("there is no stream {0} here; the owner creates it with `syncwell setup`")]
    Missing(&'static str),
    /// The stream is configured otherwise than specified.
    #[error(transparent)]
    Mismatch(#[from] StreamConfigMismatch),
}

impl StreamSpec {
    /// The specification of a stream that keeps everything: nothing can be deleted or purged, nothing is dropped.
    pub const fn new(
        name: &'static str,
        api_prefix: &'static str,
        subjects: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            name,
            api_prefix,
            description,
            subjects,
            discard: Discard::New,
            max_msgs_per_subject: -1,
            max_age: Duration::ZERO,
            duplicate_window: None,
            deny_delete: true,
            deny_purge: true,
            allow_atomic: true,
            allow_msg_ttl: false,
            verified: &[],
        }
    }

    /// The stream over this connection, which must have the permissions for what is asked of it.
    pub fn stream(&'static self, broker: Broker) -> Stream {
        Stream::new(broker, self)
    }

    /// The subject filter without its wildcard: the keys of a bucket follow it.
    pub fn subject_prefix(&self) -> &'static str {
        self.subjects.trim_end_matches('>')
    }

    /// The configuration that setup creates. Durations are in nanoseconds.
    pub fn config(&self, replicas: u8) -> Value {
        let mut config = json!({
            "name": self.name,
            "description": self.description,
            "subjects": [self.subjects],
            "retention": "limits",
            "storage": "file",
            "discard": match self.discard {
                Discard::New => "new",
                Discard::Old => "old",
            },
            "num_replicas": replicas,
            "max_consumers": -1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msgs_per_subject": self.max_msgs_per_subject,
            "max_age": nanoseconds(self.max_age),
            "deny_delete": self.deny_delete,
            "deny_purge": self.deny_purge,
            "allow_rollup_hdrs": false,
            "allow_atomic": self.allow_atomic,
            "allow_direct": true,
            "allow_msg_ttl": self.allow_msg_ttl,
        });
        if let Some(window) = self.duplicate_window {
            config["duplicate_window"] = nanoseconds(window).into();
        }
        config
    }

    /// Compares the verified keys with the server's configuration.
    pub fn verify(&self, info: &StreamInfo) -> Result<(), StreamConfigMismatch> {
        let specified = self.config(1);
        for (key, why) in self.verified {
            let found = &info.config[*key];
            if let Some(expected) = mismatch(key, found, &specified[*key]) {
                return Err(StreamConfigMismatch {
                    stream: self.name,
                    key,
                    expected,
                    found: found.to_string(),
                    why,
                });
            }
        }
        Ok(())
    }
}

/// The value that should be there in place of the one found, as text; `None` if the one found will do.
fn mismatch(key: &str, found: &Value, specified: &Value) -> Option<String> {
    match key {
        // A longer window drops more second messages.
        "duplicate_window" => (found.as_u64() < specified.as_u64()).then(|| format!("{specified} or more")),
        "persist_mode" => (found == "async").then(|| "\"default\"".to_owned()),
        _ => {
            // The server leaves out what is false, null or unlimited.
            let is_left_out = |value: &Value| value.is_null() || value == false;
            let is_default = is_left_out(specified) || specified == 0 || specified == -1;
            (found != specified && !(is_left_out(found) && is_default)).then(|| specified.to_string())
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}

#[cfg(test)]
mod tests;
