//! Leases: one of several processes may, for a while.
//!
//! A lease is an entry with a time to live. Whoever writes it where nothing stands has it; the server removes it when its
//! holder does not renew it, as when it was killed. A lease keeps others from starting, and does not stop whoever was too
//! slow: what must not happen twice must be guarded by what is written, too.
//!
//! async-nats' own `create_with_ttl` loses the time to live after an expiry, so entries are written by hand.

use std::time::Duration;

use crate::direct_get::ReadError;
use crate::kv_bucket::KvBucket;
use crate::message::AppendError;

/// Why a lease was not had, or is no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("somebody else has the lease")]
    Held,
    /// The bucket can't be read or written now.
    #[error("the leases can't be reached")]
    Unavailable,
}

impl From<ReadError> for LeaseError {
    fn from(_: ReadError) -> Self {
        Self::Unavailable
    }
}

impl From<AppendError> for LeaseError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict => Self::Held,
            AppendError::Unavailable | AppendError::Unknown | AppendError::Refused { .. } => {
                Self::Unavailable
            }
        }
    }
}

/// The leases of one process.
#[derive(Clone)]
pub struct Leases {
    bucket: KvBucket,
    holder: String,
}

/// A lease that is held. Not released, it ends by itself.
pub struct Lease {
    leases: Leases,
    key: String,
    revision: u64,
    ttl: Duration,
}

impl Leases {
    /// Leases in this bucket; `holder` says whose.
    pub fn new(bucket: KvBucket, holder: String) -> Self {
        assert!(!holder.is_empty(), "BUG: an empty entry is a free lease");
        Self { bucket, holder }
    }

    /// Takes a lease, for `ttl` (whole seconds, at least one).
    pub async fn acquire(&self, key: &str, ttl: Duration) -> Result<Lease, LeaseError> {
        let standing = self.bucket.get(key).await?;
        let revision = match standing {
            None => 0,
            Some(entry) if entry.value.is_empty() => entry.revision,
            Some(_) => return Err(LeaseError::Held),
        };
        let written = self.bucket.put(key, self.holder.clone().into_bytes(), revision, Some(ttl)).await?;
        Ok(Lease { leases: self.clone(), key: key.to_owned(), revision: written, ttl })
    }
}

impl Lease {
    /// Holds it for its time from now on; fails where it ended meanwhile.
    pub async fn renew(&mut self) -> Result<(), LeaseError> {
        let value = self.leases.holder.clone().into_bytes();
        let put = self.leases.bucket.put(&self.key, value.clone(), self.revision, Some(self.ttl)).await;
        self.revision = match put {
            Ok(revision) => revision,
            // The word of an earlier renewal may have been lost on its way here.
            Err(AppendError::Conflict | AppendError::Unknown) => {
                let standing = self.leases.bucket.get(&self.key).await?;
                standing.filter(|entry| entry.value == value).ok_or(LeaseError::Held)?.revision
            }
            Err(error @ (AppendError::Unavailable | AppendError::Refused { .. })) => return Err(error.into()),
        };
        Ok(())
    }

    /// Gives it back.
    pub async fn release(self) {
        // Where that fails it ends by itself.
        let _ = self.leases.bucket.put(&self.key, Vec::new(), self.revision, Some(self.ttl)).await;
    }
}
