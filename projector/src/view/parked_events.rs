//! What waits, and what is left out.
//!
//! | key | value |
//! |---|---|
//! | `03` user ref (16) sequence (8) | format `1`, the kind's number ([`ParkReason`]), what is wrong in words |
//! | `04` sequence (8) | format `1`, the user ref (16), the sequence of the event that says so (8) |
//!
//! A user has one parked event at most, the first: what comes behind it waits without an entry of its own. Only what is
//! filed under nobody can have several.

use keys::UserRef;
use schemas::Sequence;

use super::keys::KeyKind;
use crate::parked_event::{ParkReason, ParkedEvent};

const FORMAT: u8 = 1;

/// The key of a parked event.
pub(super) fn encode_parked_key(user: &UserRef, sequence: Sequence) -> [u8; 25] {
    let mut key = [KeyKind::Parked as u8; 25];
    key[1..17].copy_from_slice(user.as_bytes());
    key[17..].copy_from_slice(&sequence.get().to_be_bytes());
    key
}

pub(super) fn encode_parked_value(poison: &ParkedEvent) -> Vec<u8> {
    [&[FORMAT, poison.reason as u8], poison.detail.as_bytes()].concat()
}

pub(super) fn decode_parked(key: &[u8], value: &[u8]) -> Option<ParkedEvent> {
    let key: &[u8; 25] = key.try_into().ok()?;
    let user: [u8; 16] = key[1..17].try_into().ok()?;
    let sequence = u64::from_be_bytes(key[17..].try_into().ok()?);
    let [FORMAT, kind, detail @ ..] = value else { return None };
    Some(ParkedEvent {
        sequence: Sequence::new(sequence)?,
        user: UserRef::from_bytes(user),
        reason: ParkReason::from_u8(*kind)?,
        detail: String::from_utf8(detail.to_vec()).ok()?,
    })
}

/// An event that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DiscardedEvent {
    pub(crate) sequence: Sequence,
    pub(crate) user: UserRef,
    /// The event that says so.
    pub(crate) discarded_by: Sequence,
}

impl DiscardedEvent {
    pub(super) fn encode_key(&self) -> [u8; 9] {
        let mut key = [KeyKind::Discarded as u8; 9];
        key[1..].copy_from_slice(&self.sequence.get().to_be_bytes());
        key
    }

    pub(super) fn encode_value(&self) -> Vec<u8> {
        [&[FORMAT], self.user.as_bytes().as_slice(), &self.discarded_by.get().to_be_bytes()].concat()
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let sequence = u64::from_be_bytes(key.get(1..)?.try_into().ok()?);
        let value: &[u8; 25] = value.try_into().ok()?;
        let user: [u8; 16] = value[1..17].try_into().ok()?;
        let by = u64::from_be_bytes(value[17..].try_into().ok()?);
        (value[0] == FORMAT).then_some(Self {
            sequence: Sequence::new(sequence)?,
            user: UserRef::from_bytes(user),
            discarded_by: Sequence::new(by)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn golden_bytes() {
        let poison = ParkedEvent {
            sequence: Sequence::new(4711).unwrap(),
            user: UserRef::from_bytes([0xab; 16]),
            reason: ParkReason::Sealed,
            detail: "no".to_owned(),
        };
        let (key, value) = (encode_parked_key(&poison.user, poison.sequence), encode_parked_value(&poison));
        assert_eq!(HEXLOWER.encode(&key), format!("03{}0000000000001267", "ab".repeat(16)));
        assert_eq!(HEXLOWER.encode(&value), "01056e6f");
        assert_eq!(decode_parked(&key, &value), Some(poison.clone()));
        assert_eq!(decode_parked(&key, &[1, 99]), None);
        assert_eq!(decode_parked(&key, &[2, 5]), None);
        let discarded = DiscardedEvent {
            sequence: poison.sequence,
            user: poison.user,
            discarded_by: Sequence::new(5).unwrap(),
        };
        assert_eq!(HEXLOWER.encode(&discarded.encode_key()), "040000000000001267");
        assert_eq!(
            HEXLOWER.encode(&discarded.encode_value()),
            format!("01{}0000000000000005", "ab".repeat(16))
        );
        assert_eq!(
            DiscardedEvent::decode(&discarded.encode_key(), &discarded.encode_value()),
            Some(discarded)
        );
        assert_eq!(DiscardedEvent::decode(&discarded.encode_key(), &[2; 25]), None);
    }
}
