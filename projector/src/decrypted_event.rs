//! Events after decryption.

use std::sync::Arc;

use aggregates::EventMetadata;
use events::{ErasureEvent, EventHeader, OutcomeAddress};
use jiff::Timestamp;
use keys::{DataKey, UserRef, Year};
use schemas::{Sequence, Summary};

use crate::view::DiscardedEvent;
use crate::view_entry::EntryPayload;

/// Event as the projection folds it.
pub(crate) enum FoldableEvent {
    /// Folded into one entry.
    Entry(DecryptedEvent),
    Discard(DiscardedEvent),
    /// Verified step of an account's erasure.
    Erasure(EventHeader, ErasureEvent),
    /// Everything of the years before this one is deleted.
    Retention(Year),
}

impl FoldableEvent {
    /// User whose state the event changes.
    pub(crate) fn user(&self) -> UserRef {
        match self {
            Self::Entry(event) => event.header.user,
            Self::Discard(discarded) => discarded.user,
            Self::Erasure(header, _) => header.user,
            Self::Retention(_) => UserRef::SYSTEM,
        }
    }

    /// The summary, if the event is one.
    pub(crate) fn into_summary(self) -> Option<(EventMetadata, Summary)> {
        let Self::Entry(event) = self else { return None };
        let metadata = event.metadata();
        let EntryPayload::Row(summary) = event.payload else { return None };
        Some((metadata, summary))
    }
}

/// Decrypted event that is folded into one entry.
pub(crate) struct DecryptedEvent {
    pub(crate) header: EventHeader,
    pub(crate) sequence: Sequence,
    pub(crate) stored_at: Timestamp,
    pub(crate) outcome_to: Option<OutcomeAddress>,
    /// Data key of the event. The entry that it is folded into is sealed under it too.
    pub(crate) data_key: Arc<DataKey>,
    pub(crate) payload: EntryPayload,
}

impl DecryptedEvent {
    pub(crate) fn metadata(&self) -> EventMetadata {
        EventMetadata { event_id: self.header.id, sequence: self.sequence, time: self.header.time }
    }
}
