//! How a fold's outcome finds the ingest that waits for it: over core NATS, to an address that travels with the event.

use std::fmt;
use std::str::FromStr;

use schemas::{EventId, Outcome, Sequence};
use serde::{Deserialize, Serialize};

/// An ingest's address for outcomes: `outcome.v1.<instance>`, where the instance is 32 characters of lowercase hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutcomeAddress(String);

const PREFIX: &str = "outcome.v1.";

impl OutcomeAddress {
    /// The address of the ingest with this instance number.
    pub fn from_instance(instance: u128) -> Self {
        Self(format!("{PREFIX}{instance:032x}"))
    }

    /// The subject.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OutcomeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OutcomeAddress {
    type Err = ();

    /// Only what [`OutcomeAddress::from_instance`] makes: an event can't send an outcome elsewhere.
    fn from_str(text: &str) -> Result<Self, ()> {
        let instance = text.strip_prefix(PREFIX).ok_or(())?;
        let holds =
            instance.len() == 32 && instance.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if holds { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventOutcome {
    /// Which event.
    pub event_id: EventId,
    /// Its position.
    pub sequence: Sequence,
    /// What it did to its row.
    pub outcome: Outcome,
}

/// The outcomes of one ingest's events that were folded together. Lives on the wire only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeMessage {
    /// In the log's order.
    pub folded: Vec<EventOutcome>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_addresses_are_addresses() {
        let address = OutcomeAddress::from_instance(7);
        assert_eq!(address.as_str().parse(), Ok(address.clone()));
        for wrong in
            ["", "outcome.v1.", "outcome.v1.x", "events.v1.0.x", &format!("{address}.x"), "outcome.v1.>"]
        {
            assert_eq!(wrong.parse::<OutcomeAddress>(), Err(()), "{wrong}");
        }
    }
}
