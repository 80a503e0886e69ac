//! What a backup is: `backup.json`, one line.
//!
//! ```text
//! {"syncwell_backup":1,"created_at":"…","log":"<identity>","files":[{"name":"events.ndjson","lines":3,"sha256":"…"},…]}
//! ```

use events::LogIdentity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::layout::FILES;
use crate::hashed_file::FileDigest;
use crate::json_line::to_json_line;

/// The format of the folder.
const FORMAT_VERSION: u64 = 1;

/// A backup that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupManifest {
    /// When it was begun.
    pub created_at: Timestamp,
    /// The identity of the log that it is of.
    pub log: LogIdentity,
    /// `events.ndjson`, `keys.ndjson` and `checkpoints.ndjson`, in this order.
    pub files: [BackupFile; 3],
}

/// One of a backup's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupFile {
    /// Its name in the folder.
    pub name: String,
    /// How many lines it has.
    pub lines: u64,
    /// Over all of it, in lowercase hexadecimal digits.
    pub sha256: String,
}

impl BackupFile {
    pub(crate) fn new(name: &str, sum: FileDigest) -> Self {
        Self { name: name.to_owned(), lines: sum.lines, sha256: sum.sha256 }
    }
}

/// Why a manifest can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParseManifestError {
    Malformed,
    /// Of a format that is not known here.
    UnsupportedVersion(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupManifestLine {
    syncwell_backup: u64,
    created_at: Timestamp,
    log: String,
    files: [BackupFile; 3],
}

#[derive(Deserialize)]
struct FormatVersionField {
    syncwell_backup: u64,
}

impl BackupManifest {
    /// The line, without its line feed.
    pub(crate) fn render(&self) -> Vec<u8> {
        to_json_line(&BackupManifestLine {
            syncwell_backup: FORMAT_VERSION,
            created_at: self.created_at,
            log: self.log.as_str().to_owned(),
            files: self.files.clone(),
        })
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, ParseManifestError> {
        let versioned: FormatVersionField =
            serde_json::from_slice(line).map_err(|_| ParseManifestError::Malformed)?;
        if versioned.syncwell_backup != FORMAT_VERSION {
            return Err(ParseManifestError::UnsupportedVersion(versioned.syncwell_backup));
        }
        let parsed: BackupManifestLine =
            serde_json::from_slice(line).map_err(|_| ParseManifestError::Malformed)?;
        let log = LogIdentity::from(parsed.log.as_str());
        let backup = Self { created_at: parsed.created_at, log, files: parsed.files };
        let has_files = backup.files.iter().map(|file| file.name.as_str()).eq(FILES);
        if has_files && backup.render() == line { Ok(backup) } else { Err(ParseManifestError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"syncwell_backup":1,"created_at":"2026-02-17T00:00:00Z","log":"2026-01-01T00:00:00Z","files":[{"name":"events.ndjson","lines":3,"sha256":"aa"},{"name":"keys.ndjson","lines":2,"sha256":"bb"},{"name":"checkpoints.ndjson","lines":1,"sha256":"cc"}]}"#;

    #[test]
    fn golden_manifest() {
        let file = |name, lines, sha256: &str| {
            BackupFile::new(name, FileDigest { lines, sha256: sha256.to_owned() })
        };
        let backup = BackupManifest {
            created_at: "2026-02-17T00:00:00Z".parse().unwrap(),
            log: LogIdentity::from("2026-01-01T00:00:00Z"),
            files: [
                file("events.ndjson", 3, "aa"),
                file("keys.ndjson", 2, "bb"),
                file("checkpoints.ndjson", 1, "cc"),
            ],
        };
        assert_eq!(String::from_utf8(backup.render()).unwrap(), GOLDEN);
        assert_eq!(BackupManifest::parse(GOLDEN.as_bytes()), Ok(backup));
    }

    #[test]
    fn others_are_refused() {
        for (from, to, error) in [
            ("backup\":1", "backup\":2", ParseManifestError::UnsupportedVersion(2)),
            ("syncwell_backup", "backup", ParseManifestError::Malformed),
            ("keys.ndjson", "../keys.ndjson", ParseManifestError::Malformed),
            ("\"lines\":3", "\"lines\": 3", ParseManifestError::Malformed),
            (r#","sha256":"cc"}]"#, r#","sha256":"cc"},{}]"#, ParseManifestError::Malformed),
        ] {
            assert_eq!(BackupManifest::parse(GOLDEN.replace(from, to).as_bytes()), Err(error), "{to}");
        }
    }
}
