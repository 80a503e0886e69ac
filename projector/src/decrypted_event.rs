//! Events after decryption.

use std::sync::Arc;

use aggregates::connection::ConnectionChange;
use aggregates::device::DeviceChange;
use aggregates::export::ExportChange;
use aggregates::row::ValueOrigin;
use events::{ErasureEvent, EventHeader, OutcomeAddress};
use jiff::Timestamp;
use keys::{ConnectionId, DataKey, DeviceId, ExportId, KeyHolder, UserRef, Year};
use schemas::{DeviceReport, Sequence, Summary};

use crate::view::DiscardedEvent;

/// Decrypted event of a kind that is folded.
pub(crate) enum FoldableEvent {
    Summary(DecryptedEvent<Summary>),
    Device(DecryptedEvent<(DeviceId, DeviceChange)>),
    Connection(DecryptedEvent<(ConnectionId, ConnectionChange)>),
    Report(DecryptedEvent<(KeyHolder, DeviceReport)>),
    Export(DecryptedEvent<(ExportId, ExportChange)>),
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
            Self::Summary(event) => event.head.user,
            Self::Device(event) => event.head.user,
            Self::Connection(event) => event.head.user,
            Self::Report(event) => event.head.user,
            Self::Export(event) => event.head.user,
            Self::Discard(discarded) => discarded.user,
            Self::Erasure(head, _) => head.user,
            Self::Retention(_) => UserRef::SYSTEM,
        }
    }

    /// The summary, if the event is one.
    pub(crate) fn into_summary(self) -> Option<DecryptedEvent<Summary>> {
        match self {
            Self::Summary(event) => Some(event),
            Self::Device(_)
            | Self::Connection(_)
            | Self::Report(_)
            | Self::Export(_)
            | Self::Discard(_)
            | Self::Erasure(..)
            | Self::Retention(_) => None,
        }
    }
}

/// Event with its decrypted payload.
pub(crate) struct DecryptedEvent<P> {
    pub(crate) head: EventHeader,
    pub(crate) sequence: Sequence,
    pub(crate) payload: P,
    pub(crate) stored_at: Timestamp,
    pub(crate) outcome_to: Option<OutcomeAddress>,
    /// Data key of the event. The entry that it is folded into is sealed under it too.
    pub(crate) data_key: Arc<DataKey>,
}

impl DecryptedEvent<Summary> {
    /// Provenance that the row's values store.
    pub(crate) fn origin(&self) -> ValueOrigin {
        let generated_at = self.payload.generated_at;
        ValueOrigin { generated_at, sequence: self.sequence, event_id: self.head.id }
    }
}

impl DecryptedEvent<()> {
    pub(crate) fn with_payload<P>(self, payload: P) -> DecryptedEvent<P> {
        let Self { head, sequence, payload: (), stored_at, outcome_to, data_key: key } = self;
        DecryptedEvent { head, sequence, payload, stored_at, outcome_to, data_key: key }
    }
}
