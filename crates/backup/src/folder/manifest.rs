//! What a backup is: `backup.json`, one line.
//!
//! ```text
//! {"syncwell_backup":1,"created_at":"…","log":"<identity>","files":[{"name":"events.ndjson","lines":3,"sha256":"…"},…]}
//! ```

use events::LogIdentity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FILES;
use crate::export::line::json;
use crate::written::FileSum;

/// The format of the folder.
const FORMAT: u64 = 1;

/// A backup that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
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
    pub(crate) fn new(name: &str, sum: FileSum) -> Self {
        Self { name: name.to_owned(), lines: sum.lines, sha256: sum.sha256 }
    }
}

/// Why a manifest can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadManifest {
    NotInForm,
    /// Of a format that is not known here.
    Version(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    syncwell_backup: u64,
    created_at: Timestamp,
    log: String,
    files: [BackupFile; 3],
}

#[derive(Deserialize)]
struct Versioned {
    syncwell_backup: u64,
}

impl Backup {
    /// The line, without its line feed.
    pub(crate) fn render(&self) -> Vec<u8> {
        json(&Line {
            syncwell_backup: FORMAT,
            created_at: self.created_at,
            log: self.log.as_str().to_owned(),
            files: self.files.clone(),
        })
    }

    pub(crate) fn parse(line: &[u8]) -> Result<Self, BadManifest> {
        let versioned: Versioned = serde_json::from_slice(line).map_err(|_| BadManifest::NotInForm)?;
        if versioned.syncwell_backup != FORMAT {
            return Err(BadManifest::Version(versioned.syncwell_backup));
        }
        let parsed: Line = serde_json::from_slice(line).map_err(|_| BadManifest::NotInForm)?;
        let log = LogIdentity::from(parsed.log.as_str());
        let backup = Self { created_at: parsed.created_at, log, files: parsed.files };
        let has_files = backup.files.iter().map(|file| file.name.as_str()).eq(FILES);
        if has_files && backup.render() == line { Ok(backup) } else { Err(BadManifest::NotInForm) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"syncwell_backup":1,"created_at":"2026-02-17T00:00:00Z","log":"2026-01-01T00:00:00Z","files":[{"name":"events.ndjson","lines":3,"sha256":"aa"},{"name":"keys.ndjson","lines":2,"sha256":"bb"},{"name":"checkpoints.ndjson","lines":1,"sha256":"cc"}]}"#;

    #[test]
    fn golden_manifest() {
        let file =
            |name, lines, sha256: &str| BackupFile::new(name, FileSum { lines, sha256: sha256.to_owned() });
        let backup = Backup {
            created_at: "2026-02-17T00:00:00Z".parse().unwrap(),
            log: LogIdentity::from("2026-01-01T00:00:00Z"),
            files: [
                file("events.ndjson", 3, "aa"),
                file("keys.ndjson", 2, "bb"),
                file("checkpoints.ndjson", 1, "cc"),
            ],
        };
        assert_eq!(String::from_utf8(backup.render()).unwrap(), GOLDEN);
        assert_eq!(Backup::parse(GOLDEN.as_bytes()), Ok(backup));
    }

    #[test]
    fn others_are_refused() {
        for (from, to, error) in [
            ("backup\":1", "backup\":2", BadManifest::Version(2)),
            ("syncwell_backup", "backup", BadManifest::NotInForm),
            ("keys.ndjson", "../keys.ndjson", BadManifest::NotInForm),
            ("\"lines\":3", "\"lines\": 3", BadManifest::NotInForm),
            (r#","sha256":"cc"}]"#, r#","sha256":"cc"},{}]"#, BadManifest::NotInForm),
        ] {
            assert_eq!(Backup::parse(GOLDEN.replace(from, to).as_bytes()), Err(error), "{to}");
        }
    }
}
