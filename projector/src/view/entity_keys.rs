//! The keys of what is known by an id of its own: `02` of a device, `05` of a connection, `08` of an export, then user ref
//! (16), id (16).

use std::fmt::Display;
use std::hash::Hash;

use keys::{ConnectionId, DeviceId, ExportId, UserRef};

use super::keys::{EntryKey, KeyKind, split_user, user_prefix};

/// An id of 16 bytes.
pub(crate) trait EntityId: Copy + Ord + Hash + Display {
    /// The kind of the keys of what it names.
    const KIND: KeyKind;

    fn id_bytes(&self) -> &[u8; 16];

    fn from_id_bytes(bytes: [u8; 16]) -> Self;
}

impl EntityId for DeviceId {
    const KIND: KeyKind = KeyKind::Device;

    fn id_bytes(&self) -> &[u8; 16] {
        self.as_bytes()
    }

    fn from_id_bytes(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }
}

impl EntityId for ConnectionId {
    const KIND: KeyKind = KeyKind::Connection;

    fn id_bytes(&self) -> &[u8; 16] {
        self.as_bytes()
    }

    fn from_id_bytes(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }
}

impl EntityId for ExportId {
    const KIND: KeyKind = KeyKind::Export;

    fn id_bytes(&self) -> &[u8; 16] {
        self.as_bytes()
    }

    fn from_id_bytes(bytes: [u8; 16]) -> Self {
        Self::from_bytes(bytes)
    }
}

/// Which one of which user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntityKey<I> {
    pub(crate) user: UserRef,
    pub(crate) id: I,
}

/// Which device.
pub(crate) type DeviceKey = EntityKey<DeviceId>;

/// Which connection.
pub(crate) type ConnectionKey = EntityKey<ConnectionId>;

/// Which export.
pub(crate) type ExportKey = EntityKey<ExportId>;

impl<I: EntityId> EntryKey for EntityKey<I> {
    const KIND: KeyKind = I::KIND;

    fn user(&self) -> UserRef {
        self.user
    }

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn encode(&self) -> Vec<u8> {
        [user_prefix(I::KIND, self.user).as_slice(), self.id.id_bytes()].concat()
    }

    fn decode(key: &[u8]) -> Option<Self> {
        let (user, id) = split_user(I::KIND, key)?;
        Some(Self { user, id: I::from_id_bytes(id.try_into().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden<I: EntityId + std::fmt::Debug>(number: &str) {
        let key = EntityKey { user: UserRef::from_bytes([0xab; 16]), id: I::from_id_bytes([0xcd; 16]) };
        let encoded = data_encoding::HEXLOWER.encode(&key.encode());
        assert_eq!(encoded, format!("{number}{}{}", "ab".repeat(16), "cd".repeat(16)));
        assert_eq!(EntityKey::decode(&key.encode()), Some(key));
        for wrong in [&[1; 33][..], &key.encode()[..32], &[key.encode(), vec![0]].concat()] {
            assert_eq!(EntityKey::<I>::decode(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn golden_keys() {
        golden::<DeviceId>("02");
        golden::<ConnectionId>("05");
        golden::<ExportId>("08");
    }

    #[test]
    fn keys_sort_by_user_then_id() {
        let key = |user, id| DeviceKey {
            user: UserRef::from_bytes([user; 16]),
            id: DeviceId::from_id_bytes([id; 16]),
        };
        let sorted = [key(1, 2), key(1, 3), key(2, 0), key(2, 1)];
        assert!(sorted.windows(2).all(|pair| pair[0].encode() < pair[1].encode() && pair[0] < pair[1]));
    }
}
