//! A user's devices and connections.

use aggregates::connection::{self, ConnectionState};
use aggregates::device::{self, DeviceState};
use keys::{ConnectionId, DeviceId, UserRef};
use runtime::run_blocking;
use schemas::{ConnectionDocument, ConnectionsDocument, DeviceDocument, DevicesDocument, Sequence};

use super::{QueryError, QueryService, position_or_zero};
use crate::projection::read_entry;
use crate::view::{ConnectionKey, DeviceKey};
use crate::view_entry::ViewEntry;

/// Devices, or connections, that one answer lists.
const LISTED_MAX: usize = 1_000;

impl QueryService {
    /// One device with its position.
    pub(crate) async fn device(
        &self,
        user: UserRef,
        id: DeviceId,
    ) -> Result<Option<DeviceDocument>, QueryError> {
        let (device, position) = self.entry::<DeviceState>(DeviceKey { user, id }).await?;
        let position = Some(position_or_zero(position));
        Ok(device.map(|device| DeviceDocument { position, ..device::document(id, &device) }))
    }

    /// All devices, with one position.
    pub(crate) async fn devices(&self, user: UserRef) -> Result<DevicesDocument, QueryError> {
        let (devices, position) = self.entries::<DeviceState>(user).await?;
        let devices = devices.iter().map(|(key, device)| device::document(key.id, device)).collect();
        Ok(DevicesDocument { devices, position: position_or_zero(position) })
    }

    /// One connection with its position, and where the provider sends the user back to.
    pub(crate) async fn connection(
        &self,
        user: UserRef,
        id: ConnectionId,
    ) -> Result<Option<(ConnectionDocument, String)>, QueryError> {
        let (found, position) = self.entry::<ConnectionState>(ConnectionKey { user, id }).await?;
        let position = Some(position_or_zero(position));
        Ok(found.map(|found| {
            let document = ConnectionDocument { position, ..connection::document(id, &found) };
            (document, found.redirect_uri)
        }))
    }

    /// All connections, with one position.
    pub(crate) async fn connections(&self, user: UserRef) -> Result<ConnectionsDocument, QueryError> {
        let (found, position) = self.entries::<ConnectionState>(user).await?;
        let connections = found.iter().map(|(key, found)| connection::document(key.id, found)).collect();
        Ok(ConnectionsDocument { connections, position: position_or_zero(position) })
    }

    /// A user's entries of one kind, opened, as many as are listed, and the position that they reflect.
    pub(super) async fn entries<E: ViewEntry<Key: Send + 'static>>(
        &self,
        user: UserRef,
    ) -> Result<(Vec<(E::Key, E)>, Option<Sequence>), QueryError> {
        let view = self.view()?;
        let (sealed, position) =
            run_blocking(move || view.entries_of_user::<E::Key>(user, LISTED_MAX)).await?;
        let mut entries = Vec::with_capacity(sealed.len());
        for (key, sealed) in sealed {
            let entry = read_entry(&key, &sealed, &self.decryptor.keys).await?;
            entries.push((key, entry));
        }
        Ok((entries, position))
    }
}
