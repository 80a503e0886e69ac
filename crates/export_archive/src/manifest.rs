//! `manifest.json`, format 1: what the export is of, and the sums of its files.

use jiff::Timestamp;
use schemas::Sequence;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;

/// What an export is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveMetadata {
    /// Its name.
    pub export_id: String,
    /// Whose, by pseudonym.
    pub user_ref: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The identity of the log.
    pub log: String,
    /// All of it is as of this position of the log.
    pub position: Sequence,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveManifest {
    syncwell_export: u8,
    /// The export's name.
    pub export_id: String,
    /// Whose, by pseudonym.
    pub user_ref: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The identity of the log.
    pub log: String,
    /// All of it is as of this position of the log.
    pub position: Sequence,
    /// Whether an event could not be folded, and what came behind it is in no row.
    pub stale: bool,
    /// Every other file, in order.
    pub files: Vec<ArchiveManifestFile>,
}

/// A file of the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveManifestFile {
    /// Its name.
    pub name: String,
    /// How long it is, unpacked.
    pub bytes: u64,
    /// The SHA-256 of its bytes, unpacked: 64 characters of lowercase hex.
    pub sha256: String,
}

impl ArchiveManifest {
    pub(crate) fn new(about: &ArchiveMetadata, stale: bool, files: Vec<ArchiveManifestFile>) -> Self {
        let ArchiveMetadata { export_id, user_ref, created_at, log, position } = about.clone();
        Self { syncwell_export: FORMAT, export_id, user_ref, created_at, log, position, stale, files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_manifest() {
        let about = ArchiveMetadata {
            export_id: "e".to_owned(),
            user_ref: "u".to_owned(),
            created_at: "2026-11-25T00:00:00Z".parse().unwrap(),
            log: "2026-01-01T00:00:00Z".to_owned(),
            position: Sequence::new(7).unwrap(),
        };
        let file = ArchiveManifestFile { name: "devices.json".to_owned(), bytes: 3, sha256: "ab".to_owned() };
        let golden = concat!(
            r#"{"syncwell_export":1,"export_id":"e","user_ref":"u","created_at":"2026-11-25T00:00:00Z","#,
            r#""log":"2026-01-01T00:00:00Z","position":7,"stale":false,"files":[{"name":"devices.json","bytes":3,"sha256":"ab"}]}"#
        );
        let manifest = ArchiveManifest::new(&about, false, vec![file]);
        assert_eq!(serde_json::to_string(&manifest).unwrap(), golden);
        assert_eq!(serde_json::from_str::<ArchiveManifest>(golden).unwrap(), manifest);
    }
}
