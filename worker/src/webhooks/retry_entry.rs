//! A message that a receiver did not take: when it is due again, or that it is parked.
//!
//! Stored under `retry.<endpoint id>.<change's sequence>`; version 1 is JSON on one line:
//!
//! ```json
//! {"version":1,"change":{…},"attempts":3,"since":"…","last":"answered 500","state":{"waiting":{"due":"…"}}}
//! {"version":1,"change":{…},"attempts":10,"since":"…","last":"answered 500","state":{"parked":{"at":"…"}}}
//! ```
//!
//! It holds the change as the stream had it, sealed, as it may stay for longer than the stream keeps it. `bare`: it was first
//! sent without what it is about, whose key was missing, and goes on being sent so.

use events::ChangeNotification;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::retry_schedule::{RETRY_WINDOW, RetrySchedule};

const VERSION: u8 = 1;
/// What the last answer of a message is that was never sent.
const NOT_ATTEMPTED: &str = "not tried: nothing else was taken for 3 days";

/// Whether a message is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RetryState {
    /// It is.
    Waiting {
        /// When.
        due: Timestamp,
    },
    /// Not before an operator says so.
    Parked {
        /// Since when.
        at: Timestamp,
    },
}

impl RetryState {
    pub(super) fn is_parked(self) -> bool {
        match self {
            Self::Parked { .. } => true,
            Self::Waiting { .. } => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryEntry {
    version: u8,
    pub(super) change: ChangeNotification,
    /// Counts since `since`.
    pub(super) attempts: u32,
    /// When it was first tried, or last taken out of the parked ones.
    pub(super) since: Timestamp,
    /// What came of the last attempt.
    pub(super) last: String,
    pub(super) state: RetryState,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) bare: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl RetryEntry {
    /// Of a change that was not sent yet.
    pub(super) fn new(change: ChangeNotification, now: Timestamp, bare: bool) -> Self {
        let state = RetryState::Waiting { due: now };
        Self {
            version: VERSION,
            change,
            attempts: 0,
            since: now,
            last: NOT_ATTEMPTED.to_owned(),
            state,
            bare,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("BUG: an entry is JSON"))
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let entry: Self = serde_json::from_slice(bytes).ok()?;
        // A change tells its version only to its own reader.
        let is_known =
            entry.version == VERSION && ChangeNotification::decode(&entry.change.encode()).is_some();
        is_known.then_some(entry)
    }

    /// After an attempt that failed.
    #[must_use]
    pub(super) fn after_failure(
        mut self,
        why: String,
        retry_after: Option<SignedDuration>,
        schedule: &RetrySchedule,
        now: Timestamp,
        jitter: u8,
    ) -> Self {
        (self.attempts, self.last) = (self.attempts.saturating_add(1), why);
        let due = schedule.next_attempt_at(self.attempts, self.since, now, retry_after, jitter);
        self.state = due.map_or(RetryState::Parked { at: now }, |due| RetryState::Waiting { due });
        self
    }

    /// After an attempt that was answered with 410.
    #[must_use]
    pub(super) fn after_gone(mut self, now: Timestamp) -> Self {
        (self.attempts, self.last) = (self.attempts.saturating_add(1), "answered 410".to_owned());
        self.into_parked(now)
    }

    #[must_use]
    pub(super) fn into_parked(mut self, now: Timestamp) -> Self {
        self.state = RetryState::Parked { at: now };
        self
    }

    /// Is tried again, as if for the first time.
    #[must_use]
    pub(super) fn into_waiting(mut self, now: Timestamp) -> Self {
        (self.attempts, self.since, self.state) = (0, now, RetryState::Waiting { due: now });
        self
    }

    /// When its time is over.
    pub(super) fn retry_until(&self) -> Timestamp {
        self.since.saturating_add(RETRY_WINDOW).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use events::ChangeKind;
    use keys::UserRef;
    use proptest::prelude::*;
    use schemas::{EventId, Sequence};

    use super::*;

    const CHANGE: &str = r#"{"version":1,"kind":"summary.changed","user_ref":"aeaqcaibaeaqcaibaeaqcaibae","event_id":"019c68e5-51e8-7707-8707-070707070707","sequence":1,"time":"2026-02-16T23:59:46Z"}"#;

    fn now() -> Timestamp {
        "2026-02-17T00:00:00Z".parse().unwrap()
    }

    fn entry() -> RetryEntry {
        let change = ChangeNotification::new(
            ChangeKind::SummaryChanged,
            UserRef::from_bytes([1; 16]),
            EventId::new(1_771_286_385_128, [7; 10]),
            Sequence::FIRST,
            "2026-02-16T23:59:46Z".parse().unwrap(),
        );
        RetryEntry::new(change, now(), false)
    }

    fn failed(entry: RetryEntry, at: Timestamp) -> RetryEntry {
        let schedule = RetrySchedule::from_seconds(vec![10]).unwrap();
        entry.after_failure("answered 500".to_owned(), None, &schedule, at, 255)
    }

    #[test]
    fn golden_bytes() {
        let head = format!(
            r#"{{"version":1,"change":{CHANGE},"attempts":1,"since":"2026-02-17T00:00:00Z","last":"answered 500","state":"#
        );
        let waiting = failed(entry(), now());
        let golden = format!(r#"{head}{{"waiting":{{"due":"2026-02-17T00:00:11Z"}}}}}}"#);
        assert_eq!(String::from_utf8(waiting.encode()).unwrap(), golden);
        assert_eq!(RetryEntry::decode(golden.as_bytes()), Some(waiting.clone()));
        let parked = RetryEntry { bare: true, ..waiting.into_parked(now()) };
        let golden = format!(r#"{head}{{"parked":{{"at":"2026-02-17T00:00:00Z"}}}},"bare":true}}"#);
        assert_eq!(String::from_utf8(parked.encode()).unwrap(), golden);
        assert_eq!(RetryEntry::decode(golden.as_bytes()), Some(parked));
    }

    #[test]
    fn what_is_no_entry() {
        let text = String::from_utf8(entry().encode()).unwrap();
        for wrong in [
            text.replacen("\"version\":1", "\"version\":2", 1),
            text.replace("{\"version\":1,\"kind\"", "{\"version\":2,\"kind\""),
            text.replace("waiting", "sleeping"),
            text.replace("\"attempts\"", "\"attempt\""),
            text.replace("\"attempts\":0", "\"attempts\":-1"),
            String::new(),
        ] {
            assert_eq!(RetryEntry::decode(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_message_is_tried_parked_and_tried_anew() {
        let parked = failed(failed(entry(), now()), now());
        assert_eq!((parked.attempts, parked.state), (2, RetryState::Parked { at: now() }));
        let later = "2026-03-01T00:00:00Z".parse().unwrap();
        let again = parked.into_waiting(later);
        assert_eq!((again.attempts, again.state), (0, RetryState::Waiting { due: later }));
        assert_eq!(failed(again, later).attempts, 1, "from the first pause on");
    }

    proptest! {
        #[test]
        fn an_entry_reads_back(attempts: u32, last in "\\PC{0,60}", second in 0i64..4_000_000_000, is_parked: bool, bare: bool) {
            let at = Timestamp::from_second(second).unwrap();
            let state = if is_parked { RetryState::Parked { at } } else { RetryState::Waiting { due: at } };
            let entry = RetryEntry { attempts, since: at, last, state, bare, ..entry() };
            prop_assert_eq!(RetryEntry::decode(&entry.encode()), Some(entry));
        }
    }
}
