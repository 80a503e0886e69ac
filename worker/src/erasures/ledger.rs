//! Who was erased, kept apart from the broker and its backups: a restore from a backup that is older than an erasure learns
//! of it here, and brings nothing of it back.
//!
//! One object a user, `<user ref>.json`, never changed:
//!
//! ```json
//! {"syncwell_erased":1,"user_ref":"…","erasure_id":"…","at":"…"}
//! ```
//!
//! in a folder, or in S3 or what speaks like it. It says who was erased by pseudonym, and nothing else.

use std::fmt;
use std::sync::Arc;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use keys::{ErasureId, UserRef};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;

/// The ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ErasureLedgerError {
    /// Not where a ledger can be.
    #[error("a ledger of erasures can't be kept at {0}")]
    Location(String),
    /// The store did not do what was asked.
    #[error("the ledger of erasures can't be reached")]
    Store(#[from] object_store::Error),
    /// An entry is of no known format: an erasure must not be passed over because it can't be read.
    #[error("{0} in the ledger of erasures can't be read")]
    Malformed(String),
}

/// Somebody who was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasedUser {
    syncwell_erased: u8,
    user_ref: String,
    /// Which erasure.
    pub erasure_id: ErasureId,
    /// When the keys were about to be destroyed.
    pub at: Timestamp,
}

impl ErasedUser {
    /// Who.
    pub fn user(&self) -> Option<UserRef> {
        self.user_ref.parse().ok()
    }
}

/// The ledger. Clones are the same.
#[derive(Clone)]
pub struct ErasureLedger(Arc<dyn ObjectStore>);

impl ErasureLedger {
    /// Opens a folder, made if it is missing, or a URL such as `s3://bucket/prefix`; options as for tiles.
    pub fn open(
        location: &str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ErasureLedgerError> {
        let refused =
            |reason: &dyn fmt::Display| ErasureLedgerError::Location(format!("{location:?}: {reason}"));
        if !location.contains("://") {
            std::fs::create_dir_all(location).map_err(|error| refused(&error))?;
            let folder = LocalFileSystem::new_with_prefix(location).map_err(|error| refused(&error))?;
            return Ok(Self(Arc::new(folder.with_fsync(true))));
        }
        let url = location.parse().map_err(|error| refused(&error))?;
        let (objects, prefix) =
            object_store::parse_url_opts(&url, options).map_err(|error| refused(&error))?;
        Ok(Self(Arc::new(PrefixStore::new(objects, prefix))))
    }

    /// Writes down that a user is erased, and returns when that is on stable storage. Again is as good as once.
    pub async fn add(
        &self,
        user: &UserRef,
        erasure_id: ErasureId,
        at: Timestamp,
    ) -> Result<(), ErasureLedgerError> {
        let erased = ErasedUser { syncwell_erased: FORMAT, user_ref: user.to_string(), erasure_id, at };
        let bytes = serde_json::to_vec(&erased).unwrap_or_else(|_| unreachable!("BUG: an entry is JSON"));
        self.0.put(&Path::from(format!("{user}.json")), bytes.into()).await?;
        Ok(())
    }

    /// Everybody who was erased.
    pub async fn all(&self) -> Result<Vec<ErasedUser>, ErasureLedgerError> {
        let entries: Vec<_> = self.0.list(None).try_collect().await?;
        let mut erased = Vec::with_capacity(entries.len());
        for entry in entries {
            let bytes = self.0.get(&entry.location).await?.bytes().await?;
            let read = serde_json::from_slice::<ErasedUser>(&bytes).ok();
            let read = read.filter(|read| read.syncwell_erased == FORMAT && read.user().is_some());
            erased.push(read.ok_or_else(|| ErasureLedgerError::Malformed(entry.location.to_string()))?);
        }
        Ok(erased)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn golden_entry_and_nothing_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("not/there/yet");
        let ledger = ErasureLedger::open(location.to_str().unwrap(), []).unwrap();
        let (user, id) = (UserRef::from_bytes([1; 16]), ErasureId::from_bytes([2; 16]));
        let at: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
        for _ in 0..2 {
            ledger.add(&user, id, at).await.unwrap();
        }
        let file = location.join("aeaqcaibaeaqcaibaeaqcaibae.json");
        let golden = r#"{"syncwell_erased":1,"user_ref":"aeaqcaibaeaqcaibaeaqcaibae","erasure_id":"aibaeaqcaibaeaqcaibaeaqcai","at":"2026-11-25T00:00:00Z"}"#;
        assert_eq!(std::fs::read_to_string(&file).unwrap(), golden);
        let erased = ledger.all().await.unwrap();
        assert_eq!((erased.len(), erased[0].user(), erased[0].erasure_id), (1, Some(user), id));
        std::fs::write(&file, golden.replace(":1,", ":2,")).unwrap();
        assert!(matches!(ledger.all().await, Err(ErasureLedgerError::Malformed(_))));
        for wrong in ["ftp://there", "://"] {
            assert!(
                matches!(ErasureLedger::open(wrong, []), Err(ErasureLedgerError::Location(_))),
                "{wrong}"
            );
        }
    }
}
