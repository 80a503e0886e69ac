//! What a view says of itself.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format of the view, `2` |
//! | 1 | 4 | fold version, big-endian |
//! | 5 | 32 | the leaf hash of the event at the position, zeros for none |
//! | 37 | 32 | the sum of the entries' hashes ([`crate::view_digest`]) |
//! | 69 | 2 | how many bytes the frontier has, big-endian |
//! | 71 | n | the frontier of the tree over everything folded ([`tlog::Frontier`]); its size is the position |
//! | 71 + n | m | the log's identity, text |
//!
//! Format 1 knew neither tree nor sum, and both take a pass over the whole log: such a view is folded anew.

use std::path::Path;

use aggregates::FOLD_VERSION;
use events::LogState;
use schemas::Sequence;
use tlog::{Frontier, Hash};

use super::error::ViewError;
use super::format::VIEW_FORMAT;
use crate::view_digest::DigestSum;

/// The last event that a view has folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) sequence: Sequence,
    pub(crate) leaf: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ViewMeta {
    /// The leaf hash of the last event folded, where there is one.
    pub(super) leaf: Option<Hash>,
    pub(super) tree: Frontier,
    pub(super) sum: DigestSum,
    pub(super) log: String,
}

impl ViewMeta {
    pub(super) fn new(log: String) -> Self {
        Self { leaf: None, tree: Frontier::default(), sum: DigestSum::default(), log }
    }

    pub(super) fn tip(&self) -> Option<Tip> {
        Some(Tip { sequence: Sequence::new(self.tree.size())?, leaf: self.leaf? })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VIEW_FORMAT];
        bytes.extend_from_slice(&FOLD_VERSION.to_be_bytes());
        bytes.extend_from_slice(
            self.leaf.as_ref().map_or([0; 32].as_slice(), |leaf| leaf.as_bytes().as_slice()),
        );
        bytes.extend_from_slice(&self.sum.to_bytes());
        let tree = self.tree.encode();
        let length = u16::try_from(tree.len()).unwrap_or_else(|_| unreachable!("BUG: 64 hashes at most"));
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&tree);
        bytes.extend_from_slice(self.log.as_bytes());
        bytes
    }

    /// The stored bytes, if they are those of a view that this log and these rules can go on with.
    pub(super) fn decode_for_log(bytes: &[u8], log: &LogState, folder: &Path) -> Result<Self, ViewError> {
        let folder = folder.display().to_string();
        let decoded = Self::decode(bytes);
        let version = bytes.split_first().and_then(|(format, rest)| {
            rest.first_chunk::<4>().map(|fold| (*format, u32::from_be_bytes(*fold)))
        });
        let (format, fold) = version.unwrap_or_default();
        let Some(meta) = decoded.filter(|_| (format, fold) == (VIEW_FORMAT, FOLD_VERSION)) else {
            return Err(ViewError::VersionMismatch { format, fold, folder });
        };
        if meta.log != log.identity.as_str() {
            return Err(ViewError::LogMismatch {
                found: meta.log,
                expected: log.identity.as_str().to_owned(),
                folder,
            });
        }
        if meta.tree.size() > log.last.map_or(0, Sequence::get) {
            let last = log.last.map_or(0, Sequence::get);
            return Err(ViewError::AheadOfLog { position: meta.tree.size(), last, folder });
        }
        Ok(meta)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&VIEW_FORMAT, rest) = bytes.split_first()? else { return None };
        let (_fold, rest) = rest.split_first_chunk::<4>()?;
        let (leaf, rest) = rest.split_first_chunk::<32>()?;
        let (sum, rest) = rest.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (tree, log) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let tree = Frontier::decode(tree)?;
        let leaf = (tree.size() > 0).then(|| Hash::from_bytes(*leaf));
        let log = String::from_utf8(log.to_vec()).ok()?;
        Some(Self { leaf, tree, sum: DigestSum::from_bytes(sum), log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let mut tree = Frontier::default();
        let leaf = Hash::from_bytes([0xab; 32]);
        tree.push(leaf);
        let meta =
            ViewMeta { leaf: Some(leaf), tree, sum: DigestSum::from_bytes(&[7; 32]), log: "2026".to_owned() };
        let (leaf, sum) = ("ab".repeat(32), "07".repeat(32));
        let golden = ["02", "00000001", &leaf, &sum, "0028", "0000000000000001", &leaf, "32303236"];
        assert_eq!(data_encoding::HEXLOWER.encode(&meta.encode()), golden.concat());
        assert_eq!(ViewMeta::decode(&meta.encode()), Some(meta));
        let empty = ViewMeta::new("2026".to_owned());
        assert_eq!((ViewMeta::decode(&empty.encode()), empty.tip()), (Some(empty.clone()), None));
        assert_eq!(ViewMeta::decode(&[2, 0, 0]), None);
    }

    #[test]
    fn format_1_is_told_by_its_number() {
        // A view as the version before wrote it.
        let old = data_encoding::HEXLOWER
            .decode(b"01000000010000000000001267019c68e551e37fffbfffffffffffffff32303236")
            .unwrap();
        let log = LogState { identity: "2026".into(), last: Sequence::new(5_000) };
        let refused = ViewMeta::decode_for_log(&old, &log, Path::new("view"));
        assert!(matches!(refused, Err(ViewError::VersionMismatch { format: 1, fold: 1, .. })), "{refused:?}");
    }
}
