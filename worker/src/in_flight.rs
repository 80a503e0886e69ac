//! What this worker has in hand: each thing once, and so many at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clones share it.
#[derive(Clone)]
pub(crate) struct InFlight<K> {
    keys: Arc<Mutex<BTreeSet<K>>>,
    max: usize,
}

/// Something in hand, until it is dropped.
pub(crate) struct InFlightGuard<K: Ord> {
    key: K,
    in_flight: InFlight<K>,
}

impl<K: Ord + Copy> InFlight<K> {
    pub(crate) fn with_limit(max: usize) -> Self {
        Self { keys: Arc::default(), max }
    }

    /// `None` where it is in hand already, or as much is as can be.
    pub(crate) fn try_acquire(&self, key: K) -> Option<InFlightGuard<K>> {
        let mut keys = self.lock();
        let is_taken = keys.len() < self.max && keys.insert(key);
        is_taken.then(|| InFlightGuard { key, in_flight: self.clone() })
    }
}

impl<K> InFlight<K> {
    /// Nothing that holds the lock can panic half-way, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<K>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord> Drop for InFlightGuard<K> {
    fn drop(&mut self) {
        self.in_flight.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_so_many_at_a_time() {
        let in_hand = InFlight::with_limit(2);
        let one = in_hand.try_acquire(1);
        assert!(one.is_some() && in_hand.clone().try_acquire(1).is_none());
        let two = in_hand.try_acquire(2).unwrap();
        assert!(in_hand.try_acquire(3).is_none(), "both hands are full");
        drop(two);
        assert!(
            in_hand.try_acquire(3).is_some() && in_hand.try_acquire(2).is_some(),
            "what is dropped at once is no more"
        );
        drop(one);
        assert!(in_hand.try_acquire(1).is_some());
    }
}
