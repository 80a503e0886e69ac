//! Contents that are sealed as JSON, so that an auditor with the key needs no tool of ours.

use keys::DataKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::envelope::EventHeader;
use crate::event_kind::EventKind;

/// The content of one kind of events.
pub trait SealedContent: Serialize + DeserializeOwned {
    /// Which kind.
    const KIND: EventKind;

    /// The event's stored bytes.
    fn seal(&self, head: &EventHeader, key: &DataKey) -> Vec<u8> {
        assert_eq!(head.kind, Self::KIND, "BUG: the head is of another kind");
        let content = serde_json::to_vec(self);
        let content = Zeroizing::new(content.unwrap_or_else(|_| unreachable!("BUG: a content is JSON")));
        head.seal(key, &content)
    }
}

/// Strict: an unknown field is another version.
pub(super) fn decode_json<T: DeserializeOwned>(content: &[u8]) -> Option<T> {
    serde_json::from_slice(content).ok()
}
