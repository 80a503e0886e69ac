//! From an event as recorded to what can be folded.

use std::sync::Arc;

use events::{Envelope, Event, EventDiscarded, Head, OpenEventError, OutcomeAddress, RecordedEvent};
use folds::export::{ExportChange, Ready};
use jiff::Timestamp;
use schemas::{DeviceReport, Sequence, Summary};
use vault::{ConnectionId, DataKey, DeviceId, ExportId, KeyClient, KeyError, KeyHolder, UserRef, Year};

use crate::connection::ConnectionChange;
use crate::device::DeviceChange;
use crate::poison::Poison;
use crate::report;
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
    /// An account ends, as somebody says; whether that is to be believed is judged where it is folded.
    Erasure(UserRef),
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
            Self::Erasure(user) => *user,
            Self::Retention(_) => UserRef::NOBODY,
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

/// Opens one event. `None` for one that there is nothing to fold of: an event of an erased user, which nobody can open
/// and that is as it should be, or one that is about no data of the user.
pub(crate) async fn open(event: &RecordedEvent, keys: &KeyClient) -> Result<Option<Opened>, OpenFailure> {
    let sequence = event.sequence();
    let envelope = Envelope::read(event.bytes()).map_err(|error| Poison::malformed(event, error))?;
    let head = envelope.head.clone();
    if !event.is_filed_under(&head.user) {
        return Err(Poison::misfiled(event, &envelope).into());
    }
    let Some(key_id) = head.key_id else {
        let content = Event::read_clear(&envelope).map_err(|error| Poison::sealed(event, error))?;
        return Ok(in_clear(&content, head.user, sequence));
    };
    let key = match keys.get(&head.user, key_id).await {
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

/// What a sealed content says.
fn said(opened: OpenedEvent<()>, content: Event, event: &RecordedEvent) -> Result<Option<Opened>, Poison> {
    let (connection, change) = match content {
        Event::SummaryReceived(received) => {
            let summary =
                Summary::read_accepted(received.body.as_bytes()).map_err(|_| Poison::summary(event))?;
            return Ok(Some(Opened::Summary(opened.saying(summary))));
        }
        Event::DeviceEnrolled(enrolled) => {
            let said = (enrolled.device, DeviceChange::Enrolled(enrolled.key_id));
            return Ok(Some(Opened::Device(opened.saying(said))));
        }
        Event::DeviceRevoked(revoked) => {
            return Ok(Some(Opened::Device(opened.saying((revoked.device, DeviceChange::Revoked)))));
        }
        Event::DeviceReported(reported) => {
            let report = report::read(&reported.body).ok_or_else(|| Poison::report(event))?;
            return Ok(Some(Opened::Report(opened.saying((reported.signing_key.holder(), report)))));
        }
        Event::ConnectionRequested(requested) => {
            let (provider, redirect_uri) = (requested.provider, requested.redirect_uri);
            (requested.connection_id, ConnectionChange::Requested { provider, redirect_uri })
        }
        Event::ConnectionAuthorized(authorized) => (authorized.connection_id, ConnectionChange::Authorized),
        Event::ConnectionReauthRequested(requested) => {
            (requested.connection_id, ConnectionChange::ReauthRequested)
        }
        Event::ConnectionRevocationRequested(requested) => {
            (requested.connection_id, ConnectionChange::RevocationRequested)
        }
        Event::ConnectionActivated(activated) => {
            let user = activated.provider_user_ref.map(|user| user.parse::<UserRef>()).transpose();
            let provider_user =
                user.map_err(|_| Poison::sealed(event, OpenEventError::Content(opened.head.id)))?;
            let (scopes, access_until) = (activated.scopes, activated.access_until);
            (activated.connection_id, ConnectionChange::Activated { scopes, provider_user, access_until })
        }
        Event::ConnectionReauthNeeded(needed) => {
            (needed.connection_id, ConnectionChange::ReauthNeeded(needed.reason))
        }
        Event::ConnectionRevoked(revoked) => {
            (revoked.connection_id, ConnectionChange::Revoked(revoked.at_provider))
        }
        // A delivery is the worker's to look at: nothing of it is read here.
        Event::WebhookReceived(_) => return Ok(None),
        Event::ExportRequested(requested) => {
            let said = (requested.export_id, ExportChange::Requested);
            return Ok(Some(Opened::Export(opened.saying(said))));
        }
        Event::ExportReady(made) => {
            let ready = Ready { position: made.position, bytes: made.bytes, deleted_at: made.deleted_at };
            return Ok(Some(Opened::Export(opened.saying((made.export_id, ExportChange::Ready(ready))))));
        }
        Event::ExportFailed(failed) => {
            let said = (failed.export_id, ExportChange::Failed(failed.code));
            return Ok(Some(Opened::Export(opened.saying(said))));
        }
        Event::BreakGlass(_)
        | Event::AccessRecorded(_)
        | Event::EventDiscarded(_)
        | Event::RetentionApplied(_)
        | Event::Erasure(_) => {
            unreachable!("BUG: an event in clear is not sealed")
        }
    };
    Ok(Some(Opened::Connection(opened.saying((connection, change)))))
}

/// What an event in clear asks of the view. Only what stands under the user ref of zeros may ask for anything, since
/// nobody but the projector can append there; and a step of an erasure, which carries what vouches for it.
fn in_clear(content: &Event, filed_under: UserRef, by: Sequence) -> Option<Opened> {
    match content {
        Event::Erasure(_) if filed_under != UserRef::NOBODY => Some(Opened::Erasure(filed_under)),
        Event::RetentionApplied(applied) if filed_under == UserRef::NOBODY => {
            Some(Opened::Retention(applied.before_year))
        }
        Event::EventDiscarded(EventDiscarded { sequence, user_ref, .. })
            if filed_under == UserRef::NOBODY && *sequence < by =>
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
