//! Trying again, not for ever.

use tokio::time::sleep;

use crate::limits::{TRIES_MAX, TRY_INTERVAL};

/// How often something may be tried again.
pub(crate) struct Tries(usize);

impl Tries {
    pub(crate) fn new() -> Self {
        Self(TRIES_MAX)
    }

    /// Pauses before the next try; false where there is none left.
    pub(crate) async fn again(&mut self) -> bool {
        if self.0 == 0 {
            return false;
        }
        self.0 -= 1;
        sleep(TRY_INTERVAL).await;
        true
    }
}
