//! Failure to reach the buckets or keys of the webhook delivery.

use jetstream::{AppendError, ReadError};

/// The broker or the keeper is unreachable. The caller retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed's buckets or keys can't be reached")]
pub(super) struct WebhookStoreUnavailable;

impl From<ReadError> for WebhookStoreUnavailable {
    fn from(error: ReadError) -> Self {
        tracing::debug!(error = &error as &dyn std::error::Error, "the feed's buckets can't be read");
        Self
    }
}

impl From<AppendError> for WebhookStoreUnavailable {
    fn from(error: AppendError) -> Self {
        tracing::debug!(error = &error as &dyn std::error::Error, "the feed's buckets can't be written");
        Self
    }
}
