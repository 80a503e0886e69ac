//! Leases: one job of one process may run, for a limited time.
//!
//! A lease is an entry with a time to live. The job that writes it where there is none holds the lease; the server removes
//! the entry if the holder does not renew it, for example because it was killed. A lease keeps others from starting and
//! does not stop a holder that was too slow: an effect that must not happen twice needs a guard in what is written, too.
//!
//! async-nats' own `create_with_ttl` loses the time to live after an expiry, so entries are written by hand.

use std::time::Duration;

use uuid::Uuid;

use crate::direct_get::ReadError;
use crate::kv_bucket::KvBucket;
use crate::message::AppendError;

/// Why a lease was not acquired or not renewed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Another job has it.
    #[error("another job has the lease")]
    Held,
    /// The bucket can't be read or written now.
    #[error("the leases are unavailable")]
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

/// Acquires leases in a bucket.
#[derive(Clone)]
pub struct Leases(KvBucket);

/// A lease that is held. Without a renewal or a release it expires.
pub struct Lease {
    bucket: KvBucket,
    key: String,
    /// Written by this acquisition only, so its entry is told from every other job's, in this process too.
    value: Vec<u8>,
    revision: u64,
    ttl: Duration,
}

impl Leases {
    /// Keeps leases in `bucket`.
    pub fn new(bucket: KvBucket) -> Self {
        Self(bucket)
    }

    /// Acquires a lease for `ttl` (whole seconds, at least one).
    pub async fn acquire(&self, key: &str, ttl: Duration) -> Result<Lease, LeaseError> {
        let revision = match self.0.get(key).await? {
            None => 0,
            // Released.
            Some(entry) if entry.value.is_empty() => entry.revision,
            Some(_) => return Err(LeaseError::Held),
        };
        let value = Uuid::new_v4().simple().to_string().into_bytes();
        let mut lease = Lease { bucket: self.0.clone(), key: key.to_owned(), value, revision, ttl };
        lease.revision = match lease.write().await {
            Ok(revision) => revision,
            // If the write was stored, this process would wait for its own lease.
            Err(AppendError::Unknown) => lease.own_revision().await?,
            Err(error) => return Err(error.into()),
        };
        Ok(lease)
    }
}

impl Lease {
    /// Extends the lease to its full time from now on. Fails if it expired meanwhile and another job has it.
    pub async fn renew(&mut self) -> Result<(), LeaseError> {
        self.revision = match self.write().await {
            Ok(revision) => revision,
            // The answer to an earlier renewal may have been lost.
            Err(AppendError::Conflict | AppendError::Unknown) => self.own_revision().await?,
            Err(error @ (AppendError::Unavailable | AppendError::Refused { .. })) => return Err(error.into()),
        };
        Ok(())
    }

    /// Gives the lease back. If that fails, the lease expires.
    pub async fn release(self) {
        let _ = self.bucket.put(&self.key, Vec::new(), self.revision, Some(self.ttl)).await;
    }

    async fn write(&self) -> Result<u64, AppendError> {
        self.bucket.put(&self.key, self.value.clone(), self.revision, Some(self.ttl)).await
    }

    /// The revision of the entry, if it is still this acquisition's.
    async fn own_revision(&self) -> Result<u64, LeaseError> {
        let entry = self.bucket.get(&self.key).await?.filter(|entry| entry.value == self.value);
        Ok(entry.ok_or(LeaseError::Held)?.revision)
    }
}
