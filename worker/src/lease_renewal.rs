//! Working under a lease.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jetstream::{Lease, LeaseError};
use tokio::time::{Instant, sleep};

/// How long a lease lasts that nobody renews: so long what a worker had in hand waits that was killed.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(10);
/// A lease is renewed as often, while the work goes on.
const LEASE_RENEWAL_INTERVAL: Duration = Duration::from_secs(3);

/// Works for as long as the lease is held, and gives it back. A lease that is lost ends the work at once: somebody else has
/// begun it. `None` then.
pub(crate) async fn run_while_held<T>(mut lease: Lease, working: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(working);
    let mut held_at = Instant::now();
    loop {
        tokio::select! {
            done = &mut working => {
                lease.release().await;
                return Some(done);
            }
            () = sleep(LEASE_RENEWAL_INTERVAL) => match lease.renew().await {
                Ok(()) => held_at = Instant::now(),
                Err(LeaseError::Unavailable) if held_at.elapsed() < LEASE_TTL => {}
                Err(LeaseError::Unavailable | LeaseError::Held) => return None,
            }
        }
    }
}

/// Works to the end, whatever becomes of the lease: for what must not be left half-way. `is_lost` says when somebody else
/// may have begun it too.
pub(crate) async fn run_to_completion<T>(
    mut lease: Lease,
    is_lost: &AtomicBool,
    working: impl Future<Output = T>,
) -> T {
    let renewing = async {
        loop {
            sleep(LEASE_RENEWAL_INTERVAL).await;
            if let Err(error) = lease.renew().await {
                is_lost.fetch_or(error == LeaseError::Held, Ordering::Relaxed);
                tracing::warn!(error = &error as &dyn std::error::Error, "a lease was not renewed");
            }
        }
    };
    let done = tokio::select! {
        done = working => done,
        () = renewing => unreachable!("BUG: a lease is renewed for as long as there is work"),
    };
    if !is_lost.load(Ordering::Relaxed) {
        lease.release().await;
    }
    done
}
