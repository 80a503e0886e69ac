//! Outcome of one publish, read from the server's acknowledgement. Pure.

use serde::Deserialize;

/// "wrong last sequence" of a message, and the same within a batch.
const ERR_WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];

/// Outcome of publishing a message or an atomic batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublishOutcome {
    Stored {
        last: u64,
        count: u64,
    },
    /// This attempt stored nothing.
    Refused {
        code: u64,
        description: String,
        duplicate_of: Option<u64>,
    },
    Unavailable,
    Unknown,
}

impl PublishOutcome {
    /// Parses an acknowledgement.
    pub(super) fn from_ack(payload: &[u8]) -> Self {
        match serde_json::from_slice::<PubAck>(payload) {
            Ok(PubAck { error: Some(error), .. }) => {
                Self::Refused { code: error.err_code, description: error.description, duplicate_of: None }
            }
            Ok(PubAck { seq, duplicate: true, .. }) if seq > 0 => {
                Self::Refused { code: 0, description: "duplicate".to_owned(), duplicate_of: Some(seq) }
            }
            Ok(PubAck { seq, count, .. }) if seq > 0 => Self::Stored { last: seq, count },
            Ok(_) | Err(_) => Self::Unknown,
        }
    }
}

/// Tells whether a refusal's code means that the expected sequence was wrong.
pub(super) fn is_conflict(code: u64) -> bool {
    ERR_WRONG_LAST_SEQUENCE.contains(&code)
}

/// An acknowledgement in the server's encoding.
#[derive(Deserialize)]
struct PubAck {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    /// Members of a batch.
    #[serde(default)]
    count: u64,
    error: Option<PubAckError>,
}

#[derive(Deserialize)]
struct PubAckError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_tells_stored_duplicate_and_refused_apart() {
        let refused = |code, description: &str, duplicate_of| PublishOutcome::Refused {
            code,
            description: description.to_owned(),
            duplicate_of,
        };
        for (ack, outcome) in [
            (r#"{"stream":"S","seq":7}"#, PublishOutcome::Stored { last: 7, count: 0 }),
            (r#"{"stream":"S","seq":7,"batch":"b","count":3}"#, PublishOutcome::Stored { last: 7, count: 3 }),
            (r#"{"stream":"S","seq":7,"duplicate":true}"#, refused(0, "duplicate", Some(7))),
            (
                r#"{"error":{"code":400,"err_code":10071,"description":"no"},"seq":0}"#,
                refused(10_071, "no", None),
            ),
            (r#"{"error":{"code":503},"seq":7}"#, refused(0, "", None)),
        ] {
            assert_eq!(PublishOutcome::from_ack(ack.as_bytes()), outcome, "{ack}");
        }
        assert!(is_conflict(10_071) && is_conflict(10_164) && !is_conflict(10_201));
    }

    #[test]
    fn anything_else_says_nothing_about_the_message() {
        for ack in ["", "{}", "[]", "OK", r#"{"seq":0}"#, r#"{"seq":0,"duplicate":true}"#, r#"{"seq":-1}"#] {
            assert_eq!(PublishOutcome::from_ack(ack.as_bytes()), PublishOutcome::Unknown, "{ack}");
        }
    }
}
