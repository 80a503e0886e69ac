//! What an opened event says that is folded, in one place for whoever folds: views, and what a person takes along.

use events::Event;
use keys::{ConnectionId, DeviceId, ExportId, KeyHolder, UserRef};
use schemas::{DeviceReport, Summary};

use crate::connection::ConnectionChange;
use crate::device::DeviceChange;
use crate::export::{ExportChange, ReadyExport};

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregateChange {
    /// A day's summary.
    Summary(Summary),
    /// What happened to a device.
    Device(DeviceId, DeviceChange),
    /// What a device said of itself.
    Report(KeyHolder, DeviceReport),
    /// What happened to a connection.
    Connection(ConnectionId, ConnectionChange),
    /// What happened to an export.
    Export(ExportId, ExportChange),
    /// Nothing that is folded into anything of one user's: a delivery, whose reading is the worker's, or an event in clear.
    NoChange,
}

/// What of an event can't be read, though it opens. Its user's events wait from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadChangeError {
    /// The summary in it.
    #[error("its summary can't be read")]
    Summary,
    /// The report in it.
    #[error("its report can't be read")]
    Report,
    /// Something else of what it says.
    #[error("its content is not that of a known event")]
    Content,
}

impl AggregateChange {
    /// What this event says.
    pub fn from_event(event: Event) -> Result<Self, ReadChangeError> {
        Ok(match event {
            Event::SummaryReceived(received) => {
                let summary = Summary::parse_accepted(received.body.as_bytes());
                Self::Summary(summary.map_err(|_| ReadChangeError::Summary)?)
            }
            Event::DeviceEnrolled(enrolled) => {
                Self::Device(enrolled.device, DeviceChange::Enrolled(enrolled.key_id))
            }
            Event::DeviceRevoked(revoked) => Self::Device(revoked.device, DeviceChange::Revoked),
            Event::DeviceReported(reported) => {
                let report = DeviceReport::parse_accepted(&reported.body).ok_or(ReadChangeError::Report)?;
                Self::Report(reported.signing_key_id.holder(), report)
            }
            Event::ConnectionRequested(requested) => {
                let (provider, redirect_uri) = (requested.provider, requested.redirect_uri);
                let change = ConnectionChange::Requested { provider, redirect_uri };
                Self::Connection(requested.connection_id, change)
            }
            Event::ConnectionAuthorized(authorized) => {
                Self::Connection(authorized.connection_id, ConnectionChange::Authorized)
            }
            Event::ConnectionReauthRequested(requested) => {
                Self::Connection(requested.connection_id, ConnectionChange::ReauthRequested)
            }
            Event::ConnectionRevocationRequested(requested) => {
                Self::Connection(requested.connection_id, ConnectionChange::RevocationRequested)
            }
            Event::ConnectionActivated(activated) => {
                let user = activated.provider_user_ref.map(|user| user.parse::<UserRef>()).transpose();
                let provider_user = user.map_err(|_| ReadChangeError::Content)?;
                let (scopes, access_until) = (activated.scopes, activated.access_until);
                let change = ConnectionChange::Activated { scopes, provider_user, access_until };
                Self::Connection(activated.connection_id, change)
            }
            Event::ConnectionReauthNeeded(needed) => {
                Self::Connection(needed.connection_id, ConnectionChange::ReauthNeeded(needed.reason))
            }
            Event::ConnectionRevoked(revoked) => {
                Self::Connection(revoked.connection_id, ConnectionChange::Revoked(revoked.at_provider))
            }
            Event::ExportRequested(requested) => Self::Export(requested.export_id, ExportChange::Requested),
            Event::ExportReady(made) => {
                let ready =
                    ReadyExport { position: made.position, bytes: made.bytes, deleted_at: made.deleted_at };
                Self::Export(made.export_id, ExportChange::Ready(ready))
            }
            Event::ExportFailed(failed) => Self::Export(failed.export_id, ExportChange::Failed(failed.code)),
            Event::WebhookReceived(_)
            | Event::Erasure(_)
            | Event::BreakGlass(_)
            | Event::AccessRecorded(_)
            | Event::EventDiscarded(_)
            | Event::RetentionApplied(_) => Self::NoChange,
        })
    }
}
