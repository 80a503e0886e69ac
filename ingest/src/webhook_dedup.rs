//! Which deliveries of providers were seen: half of the providers sign no time, and all of them send again.
//!
//! `KV_deliveries` is shaped as a key-value bucket whose entries end by themselves: under `$KV.deliveries.<key>` stands
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 1 | `0` claimed, `1` done: everything in it is in the log |
//! | 2 | 8 | when it was first seen, unix milliseconds, big-endian |
//!
//! The key is a keyed hash of the provider and of the id that the provider signed for the delivery; where it signs none,
//! of the body's bytes. Nothing else of a request may count: a retry has a new timestamp, and so a new signature. So a
//! provider that has no ids and sends the same bytes twice within a day, whatever it means by that, is heard once; so an
//! entry lasts no longer than it must.
//!
//! A delivery is claimed before it is appended, by a write over nothing. The events' names are made of the time of the
//! claim, so whoever comes upon a claim that is not done (the provider again, after an ingest died on the way) appends
//! the same events, and the log drops those that it has.

use std::time::Duration;

use data_encoding::HEXLOWER;
use jetstream::{AppendError, Broker, Discard, KvBucket, ReadError, StreamSpec};
use jiff::Timestamp;
use keys::Pseudonymizer;
use providers::Delivery;

/// How long an entry lasts: a day, and some time for a clock.
const ENTRY_LIFETIME: Duration = Duration::from_secs(25 * 3_600);
/// How often a lost race for a claim is run again.
const CLAIM_ATTEMPTS_MAX: usize = 3;

const FORMAT: u8 = 1;
const CLAIMED: u8 = 0;
const DONE: u8 = 1;
const ENTRY_BYTES: usize = 10;

/// The deliveries that were seen: a bucket.
pub static DELIVERY_DEDUP_STREAM: StreamSpec = StreamSpec {
    discard: Discard::Old,
    max_msgs_per_subject: 1,
    max_age: ENTRY_LIFETIME,
    verified: &[
        ("subjects", "deliveries could be appended twice"),
        ("retention", "deliveries could be appended twice"),
        ("max_msgs_per_subject", "entries that were replaced would stay"),
        ("max_age", "entries would not end after 25 hours"),
        ("deny_purge", "deliveries could be appended twice"),
        ("allow_direct", "entries could not be read"),
    ],
    ..StreamSpec::new(
        "KV_deliveries",
        "DELIVERIES.API",
        "$KV.deliveries.>",
        "SyncWell: deliveries of providers that were seen",
    )
};

/// Why it can't be told whether a delivery was seen.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryDedupError {
    /// The bucket can't be read.
    #[error("the deliveries that were seen can't be read")]
    Read(#[from] ReadError),
    /// The bucket can't be written.
    #[error("the deliveries that were seen can't be written")]
    Write(#[from] AppendError),
    /// An entry is not in the form that this version knows.
    #[error("an entry of the deliveries that were seen can't be read")]
    Malformed,
}

/// Names a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliveryKey([u8; 32]);

impl DeliveryKey {
    pub(crate) fn new(secret: &Pseudonymizer, provider: &str, delivery: &Delivery, body: &[u8]) -> Self {
        let (by, bytes): (&[u8], _) = match &delivery.id {
            Some(id) => (b"id", id.as_bytes()),
            None => (b"body", body),
        };
        Self(secret.keyed_hash("syncwell.delivery.v1", &[provider.as_bytes(), by, bytes]))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// 32 characters: every distinct key costs the broker memory, and 128 bits are enough to tell them apart.
    fn bucket_key(&self) -> String {
        HEXLOWER.encode(&self.0[..16])
    }
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// All of it is in the log.
    Done,
    /// It is to be appended, under names made of this time.
    Open(OpenClaim),
}

/// A claim that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenClaim {
    pub(crate) first_seen: Timestamp,
    revision: u64,
}

/// The deliveries that were seen. Clones share the bucket.
#[derive(Clone)]
pub struct DeliveryDedup {
    bucket: KvBucket,
}

impl DeliveryDedup {
    pub(crate) fn new(broker: Broker) -> Self {
        Self { bucket: KvBucket::open(broker, &DELIVERY_DEDUP_STREAM) }
    }

    /// Claims a delivery, or tells how it stands.
    pub(crate) async fn claim(&self, key: &DeliveryKey, now: Timestamp) -> Result<Claim, DeliveryDedupError> {
        let key = key.bucket_key();
        let mut lost = AppendError::Unavailable;
        for _ in 0..CLAIM_ATTEMPTS_MAX {
            // Most deliveries are new: the write says so by itself.
            match self.bucket.put(&key, encode_entry(CLAIMED, now), 0, None).await {
                Ok(revision) => return decode_entry(&encode_entry(CLAIMED, now), revision),
                Err(error @ (AppendError::Conflict | AppendError::Unknown)) => lost = error,
                Err(error @ (AppendError::Unavailable | AppendError::Refused { .. })) => {
                    return Err(error.into());
                }
            }
            // Somebody's claim is there, our own perhaps; unless it has ended since.
            if let Some(found) = self.bucket.get(&key).await? {
                return decode_entry(&found.value, found.revision);
            }
        }
        Err(lost.into())
    }

    /// Says that all of a delivery is in the log. Where that can't be written, the provider's next try is appended under
    /// the same names, and so dropped by the log.
    pub(crate) async fn mark_done(&self, key: &DeliveryKey, claim: OpenClaim) {
        let done = encode_entry(DONE, claim.first_seen);
        match self.bucket.put(&key.bucket_key(), done, claim.revision, None).await {
            // Whoever was as fast has said the same.
            Ok(_) | Err(AppendError::Conflict) => {}
            Err(error @ (AppendError::Unavailable | AppendError::Unknown | AppendError::Refused { .. })) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a delivery is in the log, but not marked as done"
                );
            }
        }
    }
}

fn encode_entry(state: u8, first_seen: Timestamp) -> Vec<u8> {
    let mut entry = vec![FORMAT, state];
    entry.extend_from_slice(&first_seen.as_millisecond().to_be_bytes());
    entry
}

fn decode_entry(value: &[u8], revision: u64) -> Result<Claim, DeliveryDedupError> {
    let value: &[u8; ENTRY_BYTES] = value.try_into().map_err(|_| DeliveryDedupError::Malformed)?;
    let [FORMAT, state, ms @ ..] = value else { return Err(DeliveryDedupError::Malformed) };
    match *state {
        CLAIMED => {
            let first_seen = Timestamp::from_millisecond(i64::from_be_bytes(*ms));
            let first_seen = first_seen.map_err(|_| DeliveryDedupError::Malformed)?;
            Ok(Claim::Open(OpenClaim { first_seen, revision }))
        }
        DONE => Ok(Claim::Done),
        _ => Err(DeliveryDedupError::Malformed),
    }
}

#[cfg(test)]
mod tests;
