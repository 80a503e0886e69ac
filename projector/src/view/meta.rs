//! What a view says of itself.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format of the view |
//! | 1 | 4 | fold version, big-endian |
//! | 5 | 8 | position, big-endian, 0 for none |
//! | 13 | 16 | the id of the event at that position, zeros for none |
//! | 29 | n | the log's identity, text |

use std::path::Path;

use events::LogState;
use schemas::{EventId, Sequence};

use super::ViewError;
use crate::fold::FOLD_VERSION;

pub(super) const FORMAT: u8 = 1;

/// The last event that a view has folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) sequence: Sequence,
    pub(crate) event_id: EventId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) tip: Option<Tip>,
    pub(super) log: String,
}

impl Meta {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&FOLD_VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.tip.map_or(0, |tip| tip.sequence.get()).to_be_bytes());
        bytes.extend_from_slice(self.tip.as_ref().map_or(&[0; 16], |tip| tip.event_id.as_bytes()));
        bytes.extend_from_slice(self.log.as_bytes());
        bytes
    }

    /// Reads it, and demands that the view fits the log.
    pub(super) fn fitting(bytes: &[u8], log: &LogState, folder: &Path) -> Result<Self, ViewError> {
        let folder = folder.display().to_string();
        let Some((format, fold, meta)) = Self::decode(bytes) else {
            return Err(ViewError::OtherVersion {
                format: bytes.first().copied().unwrap_or(0),
                fold: 0,
                folder,
            });
        };
        if (format, fold) != (FORMAT, FOLD_VERSION) {
            return Err(ViewError::OtherVersion { format, fold, folder });
        }
        if meta.log != log.identity.as_str() {
            return Err(ViewError::OtherLog {
                found: meta.log,
                expected: log.identity.as_str().to_owned(),
                folder,
            });
        }
        if meta.tip.map(|tip| tip.sequence) > log.last {
            let number = |sequence: Option<Sequence>| sequence.map_or(0, Sequence::get);
            return Err(ViewError::Ahead {
                position: number(meta.tip.map(|tip| tip.sequence)),
                last: number(log.last),
                folder,
            });
        }
        Ok(meta)
    }

    fn decode(bytes: &[u8]) -> Option<(u8, u32, Self)> {
        let (format, rest) = bytes.split_first()?;
        let (fold, rest) = rest.split_first_chunk::<4>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let (event_id, log) = rest.split_first_chunk::<16>()?;
        let tip = match Sequence::new(u64::from_be_bytes(*position)) {
            Some(sequence) => Some(Tip { sequence, event_id: EventId::from_bytes(*event_id)? }),
            None => None,
        };
        let log = String::from_utf8(log.to_vec()).ok()?;
        Some((*format, u32::from_be_bytes(*fold), Self { tip, log }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let event_id = EventId::new(1_771_286_385_123, [0xff; 10]);
        let tip = Tip { sequence: Sequence::new(4711).unwrap(), event_id };
        let meta = Meta { tip: Some(tip), log: "2026".to_owned() };
        let golden = ["01", "00000001", "0000000000001267", "019c68e551e37fffbfffffffffffffff", "32303236"];
        assert_eq!(data_encoding::HEXLOWER.encode(&meta.encode()), golden.concat());
        assert_eq!(Meta::decode(&meta.encode()), Some((1, 1, meta)));
        assert_eq!(Meta::decode(&[1, 0, 0]), None);
    }
}
