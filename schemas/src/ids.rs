//! Names of things in the log.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event's position in the log: 1, 2, 3, … without gaps. "Nothing yet" is `None`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sequence(NonZeroU64);

impl Sequence {
    /// The first event of a log.
    pub const FIRST: Self = Self(NonZeroU64::MIN);
    /// Behind every event that a log will ever have.
    pub const MAX: Self = Self(NonZeroU64::MAX);

    /// A sequence, unless `number` is zero.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The plain number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The sequence after `position`: the first one where there is no position yet.
    pub fn after(position: Option<Self>) -> Self {
        Self(position.map_or(NonZeroU64::MIN, |position| position.0.saturating_add(1)))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's name: a UUID version 7 (RFC 9562) whose time is the one that the phone signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventId(Uuid);

impl EventId {
    /// Builds the name from a unix time in milliseconds (48 bits are kept) and 74 bits of `tail`.
    pub fn new(unix_ms: u64, tail: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &tail).into_uuid())
    }

    /// The unix time inside, in milliseconds.
    pub fn unix_ms(self) -> u64 {
        let bytes = self.0.as_bytes();
        bytes[..6].iter().fold(0, |ms, byte| ms << 8 | u64::from(*byte))
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The name with these 16 bytes, if they are a UUID version 7.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let uuid = Uuid::from_bytes(bytes);
        (uuid.get_version_num() == 7).then_some(Self(uuid))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Characters of a hyphenated UUID.
const HYPHENATED_CHARS: usize = 36;

/// The text is not a hyphenated lowercase UUID version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseEventIdError;

impl fmt::Display for ParseEventIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a hyphenated UUID of version 7")
    }
}

impl std::error::Error for ParseEventIdError {}

impl FromStr for EventId {
    type Err = ParseEventIdError;

    fn from_str(text: &str) -> Result<Self, ParseEventIdError> {
        // One form: braces, URNs and the unhyphenated form parse too, but they are not names we gave, and no other is as
        // long as ours.
        if text.len() != HYPHENATED_CHARS {
            return Err(ParseEventIdError);
        }
        let uuid = Uuid::try_parse(text).map_err(|_| ParseEventIdError)?;
        Self::from_bytes(uuid.into_bytes()).ok_or(ParseEventIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_start_at_one() {
        assert_eq!(Sequence::new(0), None);
        assert_eq!(Sequence::after(None), Sequence::FIRST);
        assert_eq!(Sequence::after(Sequence::new(41)).get(), 42);
    }

    #[test]
    fn an_event_id_carries_its_time() {
        let id = EventId::new(1_771_286_385_123, [0xff; 10]);
        assert_eq!(id.unix_ms(), 1_771_286_385_123);
        assert_eq!(id.to_string(), "019c68e5-51e3-7fff-bfff-ffffffffffff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(EventId::from_bytes(*id.as_bytes()), Some(id));
    }

    #[test]
    fn other_uuids_are_no_event_ids() {
        for text in ["", "7", "00000000-0000-4000-8000-000000000000", "019c68e551e37fffbfffffffffffffff"] {
            assert_eq!(text.parse::<EventId>(), Err(ParseEventIdError), "{text}");
        }
    }
}
