//! The contents of events.

mod break_glass;
mod connection;
mod device;
mod erasure;
mod export;
mod operator_actions;
mod redacted_json;
mod sealed_content;
mod signed_request;
mod webhook;

#[cfg(test)]
mod tests;

pub use break_glass::{BreakGlassStatement, BreakGlassStatementKind, BreakGlassStep};
pub use connection::{
    ConnectionActivated, ConnectionAuthorized, ConnectionReauthNeeded, ConnectionReauthRequested,
    ConnectionRequested, ConnectionRevocationRequested, ConnectionRevoked,
};
pub use device::{DeviceEnrolled, DeviceRevoked};
pub use erasure::{ErasedCounts, ErasureChange, ErasureEvent};
pub use export::{ExportFailed, ExportReady, ExportRequested};
pub use operator_actions::{AccessRecorded, Actor, EventDiscarded, RetentionApplied};
pub use sealed_content::SealedContent;
pub use signed_request::SignedRequest;
pub use webhook::WebhookReceived;

use keys::{DataKey, OpenError, Pseudonymizer};
use schemas::EventId;

use crate::envelope::{Envelope, EventKind};

/// What happened, opened. Old versions are lifted to the newest one here and nowhere else.
pub enum Event {
    /// A phone's summary was accepted.
    SummaryReceived(SignedRequest),
    /// A device was given its signing key.
    DeviceEnrolled(DeviceEnrolled),
    /// A device's signing key was revoked.
    DeviceRevoked(DeviceRevoked),
    /// A device told of itself.
    DeviceReported(SignedRequest),
    /// A user wants a connection to a provider.
    ConnectionRequested(ConnectionRequested),
    /// The app brought what the provider handed back.
    ConnectionAuthorized(ConnectionAuthorized),
    /// The app asked for another authorisation.
    ConnectionReauthRequested(ConnectionReauthRequested),
    /// The user wants the connection gone.
    ConnectionRevocationRequested(ConnectionRevocationRequested),
    /// There are tokens.
    ConnectionActivated(ConnectionActivated),
    /// There are no tokens that are good.
    ConnectionReauthNeeded(ConnectionReauthNeeded),
    /// The tokens are destroyed.
    ConnectionRevoked(ConnectionRevoked),
    /// A provider delivered something.
    WebhookReceived(WebhookReceived),
    /// A user wants an export.
    ExportRequested(ExportRequested),
    /// An export can be downloaded.
    ExportReady(ExportReady),
    /// An export can't be made.
    ExportFailed(ExportFailed),
    /// What happened to an account on its way out, believed by nobody yet ([`Event::verify_erasure`]).
    Erasure(ErasureEvent),
    /// A step of breaking the glass; which one is the event's kind.
    BreakGlass(BreakGlassStep),
    /// An operator or auditor was shown contents.
    AccessRecorded(AccessRecorded),
    /// An operator had an event that can't be folded left out.
    EventDiscarded(EventDiscarded),
    /// An operator had everything of past years destroyed.
    RetentionApplied(RetentionApplied),
}

/// Why an event does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenEventError {
    /// Not sealed under this key, or changed since.
    #[error("event {0} does not open under its user's data key")]
    Sealed(EventId, #[source] OpenError),
    /// It opens, but its content is not that of its kind.
    #[error("the content of event {0} is not that of its kind")]
    Content(EventId),
}

impl Event {
    /// Opens a sealed event.
    pub fn open(envelope: Envelope<'_>, key: &DataKey) -> Result<Self, OpenEventError> {
        let (id, kind) = (envelope.header.id, envelope.header.kind);
        let content = envelope.open(key).map_err(|error| OpenEventError::Sealed(id, error))?;
        let event = match kind {
            EventKind::SummaryReceivedV1 => SignedRequest::from_v1(&content).map(Self::SummaryReceived),
            EventKind::DeviceReportedV1 => SignedRequest::from_v1(&content).map(Self::DeviceReported),
            EventKind::ConnectionRequestedV1 => {
                sealed_content::decode(&content).map(Self::ConnectionRequested)
            }
            EventKind::ConnectionAuthorizedV1 => {
                sealed_content::decode(&content).map(Self::ConnectionAuthorized)
            }
            EventKind::ConnectionReauthRequestedV1 => {
                sealed_content::decode(&content).map(Self::ConnectionReauthRequested)
            }
            EventKind::ConnectionRevocationRequestedV1 => {
                sealed_content::decode(&content).map(Self::ConnectionRevocationRequested)
            }
            EventKind::ConnectionActivatedV1 => {
                sealed_content::decode(&content).map(Self::ConnectionActivated)
            }
            EventKind::ConnectionReauthNeededV1 => {
                sealed_content::decode(&content).map(Self::ConnectionReauthNeeded)
            }
            EventKind::ConnectionRevokedV1 => sealed_content::decode(&content).map(Self::ConnectionRevoked),
            EventKind::WebhookReceivedV1 => sealed_content::decode(&content).map(Self::WebhookReceived),
            EventKind::ExportRequestedV1 => sealed_content::decode(&content).map(Self::ExportRequested),
            EventKind::ExportReadyV1 => sealed_content::decode(&content).map(Self::ExportReady),
            EventKind::ExportFailedV1 => sealed_content::decode(&content).map(Self::ExportFailed),
            EventKind::DeviceEnrolledV1 => DeviceEnrolled::from_v1(&content).map(Self::DeviceEnrolled),
            EventKind::DeviceRevokedV1 => DeviceRevoked::from_v1(&content).map(Self::DeviceRevoked),
            EventKind::ErasureRequestedV1
            | EventKind::ErasureCancelledV1
            | EventKind::ErasureStepDoneV1
            | EventKind::AccountErasedV1
            | EventKind::BreakGlassRequestedV1
            | EventKind::BreakGlassApprovedV1
            | EventKind::BreakGlassLookedUpV1
            | EventKind::BreakGlassRefusedV1
            | EventKind::AccessRecordedV1
            | EventKind::EventDiscardedV1
            | EventKind::RetentionAppliedV1 => None,
        };
        event.ok_or(OpenEventError::Content(id))
    }

    /// Reads an event whose content is in clear.
    pub fn read_plaintext(envelope: &Envelope<'_>) -> Result<Self, OpenEventError> {
        let content = envelope.plaintext();
        let event = match envelope.header.kind {
            EventKind::BreakGlassRequestedV1
            | EventKind::BreakGlassApprovedV1
            | EventKind::BreakGlassLookedUpV1
            | EventKind::BreakGlassRefusedV1 => {
                content.and_then(BreakGlassStep::from_v1).map(Self::BreakGlass)
            }
            EventKind::AccessRecordedV1 => {
                content.and_then(AccessRecorded::from_v1).map(Self::AccessRecorded)
            }
            EventKind::EventDiscardedV1 => {
                content.and_then(EventDiscarded::from_v1).map(Self::EventDiscarded)
            }
            EventKind::RetentionAppliedV1 => {
                content.and_then(RetentionApplied::from_v1).map(Self::RetentionApplied)
            }
            kind @ (EventKind::ErasureRequestedV1
            | EventKind::ErasureCancelledV1
            | EventKind::ErasureStepDoneV1
            | EventKind::AccountErasedV1) => {
                content.and_then(|content| ErasureEvent::from_v1(kind, content)).map(Self::Erasure)
            }
            EventKind::SummaryReceivedV1
            | EventKind::DeviceEnrolledV1
            | EventKind::DeviceRevokedV1
            | EventKind::DeviceReportedV1
            | EventKind::ConnectionRequestedV1
            | EventKind::ConnectionAuthorizedV1
            | EventKind::ConnectionReauthRequestedV1
            | EventKind::ConnectionRevocationRequestedV1
            | EventKind::ConnectionActivatedV1
            | EventKind::ConnectionReauthNeededV1
            | EventKind::ConnectionRevokedV1
            | EventKind::WebhookReceivedV1
            | EventKind::ExportRequestedV1
            | EventKind::ExportReadyV1
            | EventKind::ExportFailedV1 => None,
        };
        event.ok_or(OpenEventError::Content(envelope.header.id))
    }

    /// Reads a step of an erasure, and believes it only where somebody who holds the pseudonym secret appended it.
    pub fn verify_erasure(
        envelope: &Envelope<'_>,
        secret: &Pseudonymizer,
    ) -> Result<ErasureEvent, OpenEventError> {
        let forged = OpenEventError::Content(envelope.header.id);
        let Self::Erasure(erasure) = Self::read_plaintext(envelope)? else { return Err(forged) };
        let content = envelope.plaintext().ok_or(forged)?;
        if erasure.has_valid_mac(&envelope.header, content, secret) { Ok(erasure) } else { Err(forged) }
    }
}
