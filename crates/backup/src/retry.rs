//! Trying again, not for ever.

use tokio::time::sleep;

use crate::limits::{RETRIES_MAX, RETRY_INTERVAL};

/// How often something may be tried again.
pub(crate) struct BoundedRetry(usize);

impl BoundedRetry {
    pub(crate) fn new() -> Self {
        Self(RETRIES_MAX)
    }

    /// Pauses before the next try; false where there is none left.
    pub(crate) async fn wait_for_next(&mut self) -> bool {
        if self.0 == 0 {
            return false;
        }
        self.0 -= 1;
        sleep(RETRY_INTERVAL).await;
        true
    }
}
