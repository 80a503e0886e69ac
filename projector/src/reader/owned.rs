//! A user's devices and connections.

use keys::{ConnectionId, DeviceId, UserRef};
use schemas::{ConnectionDocument, ConnectionsDocument, DeviceDocument, DevicesDocument, Sequence};

use super::{ReadFailure, Reader, number};
use crate::batch::read_entry;
use crate::blocking::blocking;
use crate::connection::{self, Connection};
use crate::device::{self, Device};
use crate::entry::Entry;
use crate::view::{ConnectionKey, DeviceKey};

/// Devices, or connections, that one answer lists.
const LISTED_MAX: usize = 1_000;

impl Reader {
    /// One device with its position.
    pub(crate) async fn device(
        &self,
        user: UserRef,
        id: DeviceId,
    ) -> Result<Option<DeviceDocument>, ReadFailure> {
        let (device, position) = self.entry::<Device>(DeviceKey { user, id }).await?;
        let position = Some(number(position));
        Ok(device.map(|device| DeviceDocument { position, ..device::document(id, &device) }))
    }

    /// All devices, with one position.
    pub(crate) async fn devices(&self, user: UserRef) -> Result<DevicesDocument, ReadFailure> {
        let (devices, position) = self.entries::<Device>(user).await?;
        let devices = devices.iter().map(|(key, device)| device::document(key.id, device)).collect();
        Ok(DevicesDocument { devices, position: number(position) })
    }

    /// One connection with its position, and where the provider sends the user back to.
    pub(crate) async fn connection(
        &self,
        user: UserRef,
        id: ConnectionId,
    ) -> Result<Option<(ConnectionDocument, String)>, ReadFailure> {
        let (found, position) = self.entry::<Connection>(ConnectionKey { user, id }).await?;
        let position = Some(number(position));
        Ok(found.map(|found| {
            let document = ConnectionDocument { position, ..connection::document(id, &found) };
            (document, found.redirect_uri)
        }))
    }

    /// All connections, with one position.
    pub(crate) async fn connections(&self, user: UserRef) -> Result<ConnectionsDocument, ReadFailure> {
        let (found, position) = self.entries::<Connection>(user).await?;
        let connections = found.iter().map(|(key, found)| connection::document(key.id, found)).collect();
        Ok(ConnectionsDocument { connections, position: number(position) })
    }

    /// A user's entries of one kind, opened, as many as are listed, and the position that they reflect.
    pub(super) async fn entries<E: Entry<Key: Send + 'static>>(
        &self,
        user: UserRef,
    ) -> Result<(Vec<(E::Key, E)>, Option<Sequence>), ReadFailure> {
        let view = self.view()?;
        let (sealed, position) = blocking(move || view.entries_of::<E::Key>(user, LISTED_MAX)).await?;
        let mut entries = Vec::with_capacity(sealed.len());
        for (key, sealed) in sealed {
            let entry = read_entry(&key, &sealed, &self.opener.keys).await?;
            entries.push((key, entry));
        }
        Ok((entries, position))
    }
}
