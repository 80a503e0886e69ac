//! The records of the keys' stream: one line each, each subject once, by sequence.
//!
//! The stream keeps one message of a subject, and a record that is replaced while the stream is read moves to its end:
//! it is read where it was, where it is, or both, and where it is counts.

mod copy;

use data_encoding::BASE64;
use keys::UserRef;
use serde::{Deserialize, Serialize};

use crate::json_line::to_json_line;
use crate::subject;

pub(super) use copy::copy_keys;

/// Everything in the keys' stream.
const ALL_KEYS_FILTER: &str = "$KV.keys.>";
const KEYS_SUBJECT_PREFIX: &str = "$KV.keys.";
/// What stands in place of a key's id for a user who was erased.
const ERASED_TOKEN: &str = "erased";
/// The same for one who is being erased.
const ERASING_TOKEN: &str = "erasing";
/// The record of a key that was destroyed: format 1, kind 2 (`vault`).
const TOMBSTONE_RECORD: [u8; 2] = [1, 2];

/// A record and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    pub(crate) subject: String,
    pub(crate) record: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRecordLine {
    subject: String,
    record_base64: String,
}

impl KeyRecord {
    pub(crate) fn render(&self) -> Vec<u8> {
        to_json_line(&KeyRecordLine {
            subject: self.subject.clone(),
            record_base64: BASE64.encode(&self.record),
        })
    }

    /// `None` for a line that is not in form.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let parsed: KeyRecordLine = serde_json::from_slice(line).ok()?;
        let record = BASE64.decode(parsed.record_base64.as_bytes()).ok()?;
        let record = Self { subject: parsed.subject, record };
        (record.has_valid_subject() && record.render() == line).then_some(record)
    }

    /// Whether a message can stand there, in the keys' stream.
    fn has_valid_subject(&self) -> bool {
        subject::is_literal_under(KEYS_SUBJECT_PREFIX, &self.subject)
    }

    /// The user whose data key this is, or was. Checks of the KEK and revoked devices are no user's keys.
    fn user(&self) -> Option<UserRef> {
        let (user, key) = self.subject.strip_prefix(KEYS_SUBJECT_PREFIX)?.split_once('.')?;
        if key.contains('.') { None } else { user.parse().ok() }
    }

    /// Whether it says that something was erased: a mark, or a tombstone.
    pub(crate) fn is_erasure(&self) -> bool {
        let is_mark = self.subject.strip_prefix(KEYS_SUBJECT_PREFIX).and_then(|rest| rest.split_once('.'));
        self.user().is_some()
            && (is_mark.is_some_and(|(_, key)| key == ERASED_TOKEN || key == ERASING_TOKEN)
                || is_tombstone(&self.record))
    }

    /// Where it would stand that the user was erased.
    pub(crate) fn erasure_mark_subject(&self) -> Option<String> {
        self.user().map(|user| format!("{KEYS_SUBJECT_PREFIX}{user}.{ERASED_TOKEN}"))
    }
}

/// Whether the record is that of a key that was destroyed.
pub(crate) fn is_tombstone(record: &[u8]) -> bool {
    record == TOMBSTONE_RECORD
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(rest: &str, record: &[u8]) -> KeyRecord {
        KeyRecord { subject: format!("{KEYS_SUBJECT_PREFIX}{rest}"), record: record.to_vec() }
    }

    #[test]
    fn golden_line() {
        let line = br#"{"subject":"$KV.keys.kek.1","record_base64":"AQMAAAAB"}"#;
        let check = record("kek.1", &[1, 3, 0, 0, 0, 1]);
        assert_eq!(check.render(), line);
        assert_eq!(KeyRecord::parse(line), Some(check));
        for other in [
            &br#"{"subject":"$KV.keys.kek.1","record_base64":"AQMAAAAB" }"#[..],
            br#"{"subject":"$KV.keys.kek.1","record_base64":"AQMAAAA"}"#,
            br#"{"subject":"$KV.keys.kek.1","record_base64":"AQMAAAAB","more":1}"#,
            br#"{"subject":"events.v1.7.x","record_base64":"AQMAAAAB"}"#,
            br#"{"subject":"$KV.keys.>","record_base64":"AQMAAAAB"}"#,
        ] {
            assert_eq!(KeyRecord::parse(other), None);
        }
    }

    #[test]
    fn erasures_are_told_from_the_rest() {
        let user = UserRef::from_bytes([1; 16]);
        let mark = format!("$KV.keys.{user}.erased");
        for (rest, bytes, of_user, is_erasure) in [
            (format!("{user}.abc"), &[1, 1, 0][..], true, false),
            (format!("{user}.abc"), &[1, 2], true, true),
            (format!("{user}.erased"), &[], true, true),
            (format!("{user}.erasing"), &[1, 6, 7], true, true),
            (format!("revoked.{user}.abc"), &[1, 4], false, false),
            (format!("revoked.{user}.erased"), &[1, 2], false, false),
            ("kek.1".to_owned(), &[1, 3], false, false),
            ("kek.erased".to_owned(), &[1, 2], false, false),
        ] {
            let record = record(&rest, bytes);
            assert_eq!(record.erasure_mark_subject(), of_user.then(|| mark.clone()), "{rest}");
            assert_eq!(record.is_erasure(), is_erasure, "{rest}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(token in "[a-z0-9\"π]{1,30}", bytes: Vec<u8>) {
            let record = record(&token, &bytes);
            prop_assert_eq!(KeyRecord::parse(&record.render()), Some(record));
        }
    }
}
