//! What an opened event says that is folded here.

use events::Event;
use folds::connection::ConnectionChange;
use folds::device::DeviceChange;
use schemas::Summary;
use vault::{ConnectionId, DeviceId};

use crate::writing::{Content, SourceEvent};

pub(crate) enum Said {
    Summary(Box<Summary>),
    Device(DeviceId, DeviceChange),
    Connection(ConnectionId, ConnectionChange),
    /// It can't be folded, and what comes behind it waits.
    Unreadable,
}

/// `None` for what is folded nowhere here. An event that can't be opened because its key was destroyed holds nothing up.
pub(crate) fn said(event: &SourceEvent) -> Option<Said> {
    let Content::Opened(opened) = &event.content else { return None };
    Some(match &**opened {
        Event::SummaryReceived(received) => {
            let summary = Summary::read_accepted(received.body.as_bytes());
            summary.map_or(Said::Unreadable, |summary| Said::Summary(Box::new(summary)))
        }
        Event::DeviceEnrolled(enrolled) => {
            Said::Device(enrolled.device, DeviceChange::Enrolled(enrolled.key_id))
        }
        Event::DeviceRevoked(revoked) => Said::Device(revoked.device, DeviceChange::Revoked),
        Event::ConnectionRequested(requested) => {
            let (provider, redirect_uri) = (requested.provider.clone(), requested.redirect_uri.clone());
            Said::Connection(requested.connection_id, ConnectionChange::Requested { provider, redirect_uri })
        }
        Event::ConnectionAuthorized(content) => {
            Said::Connection(content.connection_id, ConnectionChange::Authorized)
        }
        Event::ConnectionReauthRequested(content) => {
            Said::Connection(content.connection_id, ConnectionChange::ReauthRequested)
        }
        Event::ConnectionRevocationRequested(content) => {
            Said::Connection(content.connection_id, ConnectionChange::RevocationRequested)
        }
        Event::ConnectionActivated(content) => {
            let (scopes, access_until) = (content.scopes.clone(), content.access_until);
            let provider_user = content.provider_user_ref.as_ref().and_then(|user| user.parse().ok());
            let change = ConnectionChange::Activated { scopes, provider_user, access_until };
            Said::Connection(content.connection_id, change)
        }
        Event::ConnectionReauthNeeded(content) => {
            Said::Connection(content.connection_id, ConnectionChange::ReauthNeeded(content.reason))
        }
        Event::ConnectionRevoked(content) => {
            Said::Connection(content.connection_id, ConnectionChange::Revoked(content.at_provider))
        }
        Event::DeviceReported(_)
        | Event::WebhookReceived(_)
        | Event::ExportRequested(_)
        | Event::ExportReady(_)
        | Event::ExportFailed(_)
        | Event::Erasure(_)
        | Event::BreakGlass(_)
        | Event::AccessRecorded(_)
        | Event::EventDiscarded(_)
        | Event::RetentionApplied(_) => return None,
    })
}
