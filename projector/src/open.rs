//! From an event as recorded to what can be folded.

use std::sync::Arc;

use aggregates::export::ExportChange;
use aggregates::{Said, Unreadable};
use events::{
    Envelope, ErasureEvent, Event, EventDiscarded, EventKind, Head, OpenEventError, OutcomeAddress,
    RecordedEvent,
};
use jiff::Timestamp;
use keys::{
    ConnectionId, DataKey, DeviceId, ExportId, KeyClient, KeyError, KeyHolder, Pseudonymizer, UserRef, Year,
};
use schemas::{DeviceReport, Sequence, Summary};

use crate::connection::ConnectionChange;
use crate::device::DeviceChange;
use crate::poison::Poison;
use crate::row::Origin;
use crate::view::Discarded;

/// An event whose content is known, of a kind that is folded.
pub(crate) enum Opened {
    Summary(OpenedEvent<Summary>),
    Device(OpenedEvent<(DeviceId, DeviceChange)>),
    Connection(OpenedEvent<(ConnectionId, ConnectionChange)>),
    Report(OpenedEvent<(KeyHolder, DeviceReport)>),
    Export(OpenedEvent<(ExportId, ExportChange)>),
    Discard(Discarded),
    /// A step of an account's end, by somebody who may say so.
    Erasure(Head, ErasureEvent),
    /// Everything of the years before this one is destroyed.
    Retention(Year),
}

impl Opened {
    /// Whose state it changes.
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

    /// The summary, where it is one.
    pub(crate) fn into_summary(self) -> Option<OpenedEvent<Summary>> {
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

/// An event, and what it says.
pub(crate) struct OpenedEvent<S> {
    pub(crate) head: Head,
    pub(crate) sequence: Sequence,
    pub(crate) said: S,
    pub(crate) stored_at: Timestamp,
    pub(crate) outcome_to: Option<OutcomeAddress>,
    /// What it is sealed under, and what the entry that it is folded into will be.
    pub(crate) key: Arc<DataKey>,
}

impl OpenedEvent<Summary> {
    /// What the row's values remember of it.
    pub(crate) fn origin(&self) -> Origin {
        let generated_at = self.said.generated_at;
        Origin { generated_at, sequence: self.sequence, event_id: self.head.id }
    }
}

impl OpenedEvent<()> {
    fn saying<S>(self, said: S) -> OpenedEvent<S> {
        let Self { head, sequence, said: (), stored_at, outcome_to, key } = self;
        OpenedEvent { head, sequence, said, stored_at, outcome_to, key }
    }
}

/// Why an event was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFailure {
    /// The keys can't be reached. Try again.
    #[error("the keys can't be reached")]
    Unavailable,
    /// Something is wrong with the event that trying again does not mend.
    #[error(transparent)]
    Poison(#[from] Poison),
}

/// Opens events, and judges what vouches for those in clear.
#[derive(Clone)]
pub(crate) struct Opener {
    pub(crate) keys: KeyClient,
    pub(crate) pseudonyms: Pseudonymizer,
}

impl Opener {
    /// Opens one event. `None` for one that there is nothing to fold of: an event of an erased user, which nobody can open
    /// and that is as it should be, or one that is about no data of the user.
    pub(crate) async fn open(&self, event: &RecordedEvent) -> Result<Option<Opened>, OpenFailure> {
        let sequence = event.sequence();
        let envelope = Envelope::read(event.bytes()).map_err(|error| Poison::malformed(event, error))?;
        let head = envelope.head.clone();
        if !event.is_filed_under(&head.user) {
            return Err(Poison::misfiled(event, &envelope).into());
        }
        if EventKind::ERASURES.contains(&head.kind) {
            let said = Event::vouched_erasure(&envelope, &self.pseudonyms);
            let said = said.map_err(|error| Poison::sealed(event, error))?;
            return Ok((head.user != UserRef::SYSTEM).then_some(Opened::Erasure(head, said)));
        }
        let Some(key_id) = head.key_id else {
            let content = Event::read_clear(&envelope).map_err(|error| Poison::sealed(event, error))?;
            return Ok(in_clear(&content, head.user, sequence));
        };
        let key = match self.keys.get(&head.user, key_id).await {
            Ok(Some(key)) => key,
            Ok(None) => return Err(Poison::key_missing(event, key_id).into()),
            Err(KeyError::Erased) => return Ok(None),
            Err(KeyError::Unavailable) => return Err(OpenFailure::Unavailable),
            Err(KeyError::Unwrap(error)) => return Err(Poison::key_damaged(event, error).into()),
        };
        let content = Event::open(envelope, &key).map_err(|error| Poison::sealed(event, error))?;
        let (stored_at, outcome_to) = (event.stored_at(), event.outcome_to());
        Ok(said(OpenedEvent { head, sequence, said: (), stored_at, outcome_to, key }, content, event)?)
    }
}

/// What a sealed content says.
fn said(opened: OpenedEvent<()>, content: Event, event: &RecordedEvent) -> Result<Option<Opened>, Poison> {
    let said = Said::of(content).map_err(|unreadable| match unreadable {
        Unreadable::Summary => Poison::summary(event),
        Unreadable::Report => Poison::report(event),
        Unreadable::Content => Poison::sealed(event, OpenEventError::Content(opened.head.id)),
    })?;
    Ok(Some(match said {
        Said::Summary(summary) => Opened::Summary(opened.saying(summary)),
        Said::Device(id, change) => Opened::Device(opened.saying((id, change))),
        Said::Report(holder, report) => Opened::Report(opened.saying((holder, report))),
        Said::Connection(id, change) => Opened::Connection(opened.saying((id, change))),
        Said::Export(id, change) => Opened::Export(opened.saying((id, change))),
        Said::Nothing => return Ok(None),
    }))
}

/// What an event in clear asks of the view. Only what stands under the user ref of zeros may ask for anything, since
/// nobody but the projector can append there.
fn in_clear(content: &Event, filed_under: UserRef, by: Sequence) -> Option<Opened> {
    match content {
        Event::RetentionApplied(applied) if filed_under == UserRef::SYSTEM => {
            Some(Opened::Retention(applied.before_year))
        }
        Event::EventDiscarded(EventDiscarded { sequence, user_ref, .. })
            if filed_under == UserRef::SYSTEM && *sequence < by =>
        {
            Some(Opened::Discard(Discarded { sequence: *sequence, user: user_ref.parse().ok()?, by }))
        }
        Event::EventDiscarded(_)
        | Event::RetentionApplied(_)
        | Event::Erasure(_)
        | Event::ExportRequested(_)
        | Event::ExportReady(_)
        | Event::ExportFailed(_)
        | Event::BreakGlass(_)
        | Event::AccessRecorded(_)
        | Event::SummaryReceived(_)
        | Event::DeviceEnrolled(_)
        | Event::DeviceRevoked(_)
        | Event::DeviceReported(_)
        | Event::ConnectionRequested(_)
        | Event::ConnectionAuthorized(_)
        | Event::ConnectionReauthRequested(_)
        | Event::ConnectionRevocationRequested(_)
        | Event::ConnectionActivated(_)
        | Event::ConnectionReauthNeeded(_)
        | Event::ConnectionRevoked(_)
        | Event::WebhookReceived(_) => None,
    }
}
