//! Checks that no message is missing between deliveries. Pure.

use crate::delivery_metadata::DeliveryMetadata;
use crate::ordered_consumer::error::FollowError;

/// Position of a consumer in its stream and in its open pull.
pub(super) struct DeliveryOrder {
    last_stream_sequence: u64,
    last_consumer_sequence: u64,
    /// Messages that the open pull may still bring.
    pull_remaining: u64,
}

impl DeliveryOrder {
    /// For a consumer that was just reset to `position`.
    pub(super) fn after(position: u64) -> Self {
        Self { last_stream_sequence: position, last_consumer_sequence: 0, pull_remaining: 0 }
    }

    pub(super) fn needs_pull(&self) -> bool {
        self.pull_remaining == 0
    }

    /// Records a pull request for `messages`.
    pub(super) fn record_pull(&mut self, messages: u64) {
        self.pull_remaining = messages;
    }

    /// Takes a message without content, by its status code.
    pub(super) fn accept_status(&mut self, code: u16) -> Result<(), FollowError> {
        match code {
            // A heartbeat.
            100 => Ok(()),
            // The pull has ended: nothing came for a while, or its last message was delivered.
            404 | 408 => {
                self.pull_remaining = 0;
                Ok(())
            }
            _ => Err(FollowError::INTERRUPTED),
        }
    }

    /// Takes a message if it is the next one. After an error nothing has moved.
    pub(super) fn accept_message(&mut self, delivery: DeliveryMetadata) -> Result<(), FollowError> {
        if delivery.consumer_sequence != self.last_consumer_sequence + 1 {
            // Lost on the way, not in the stream.
            return Err(FollowError::INTERRUPTED);
        }
        let expected = self.last_stream_sequence + 1;
        if delivery.stream_sequence != expected {
            return Err(FollowError::Gap { expected, found: delivery.stream_sequence });
        }
        self.last_consumer_sequence += 1;
        self.last_stream_sequence += 1;
        self.pull_remaining = self.pull_remaining.saturating_sub(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn delivery(stream_sequence: u64, consumer_sequence: u64) -> DeliveryMetadata {
        DeliveryMetadata { stream_sequence, consumer_sequence, stored_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn messages_in_order_use_up_the_pull() {
        let mut order = DeliveryOrder::after(41);
        assert!(order.needs_pull());
        order.record_pull(2);
        order.accept_message(delivery(42, 1)).unwrap();
        assert!(!order.needs_pull());
        order.accept_message(delivery(43, 2)).unwrap();
        assert!(order.needs_pull());
        order.accept_message(delivery(44, 3)).unwrap();
        assert!(order.needs_pull(), "a message past the end of the pull");
    }

    #[test]
    fn a_missing_sequence_is_a_gap_and_moves_nothing() {
        let mut order = DeliveryOrder::after(41);
        let gap = order.accept_message(delivery(44, 1));
        assert_eq!(gap, Err(FollowError::Gap { expected: 42, found: 44 }));
        order.accept_message(delivery(42, 1)).unwrap();
        // Another process reset the consumer.
        let reset = order.accept_message(delivery(1, 2));
        assert_eq!(reset, Err(FollowError::Gap { expected: 43, found: 1 }));
    }

    #[test]
    fn a_message_lost_on_the_way_is_an_interruption_and_not_a_gap() {
        let mut order = DeliveryOrder::after(0);
        order.accept_message(delivery(1, 1)).unwrap();
        for (stream_sequence, consumer_sequence) in [(3, 3), (2, 3), (2, 1), (1, 1)] {
            let taken = order.accept_message(delivery(stream_sequence, consumer_sequence));
            assert_eq!(taken, Err(FollowError::INTERRUPTED));
        }
    }

    #[test]
    fn statuses_keep_end_or_interrupt_the_pull() {
        let mut order = DeliveryOrder::after(0);
        order.record_pull(5);
        order.accept_status(100).unwrap();
        assert!(!order.needs_pull(), "a heartbeat leaves the pull open");
        for ended in [404, 408] {
            order.record_pull(5);
            order.accept_status(ended).unwrap();
            assert!(order.needs_pull());
        }
        for other in [409, 503, 400] {
            assert_eq!(order.accept_status(other), Err(FollowError::INTERRUPTED), "{other}");
        }
    }

    proptest! {
        /// Of any deliveries exactly the contiguous ones are taken.
        #[test]
        fn what_is_taken_is_contiguous(
            start in 0u64..100,
            steps in proptest::collection::vec((0u64..4, 0u64..4), 0..50),
        ) {
            let (mut order, mut taken) = (DeliveryOrder::after(start), Vec::new());
            for (stream_step, consumer_step) in steps {
                let count = taken.len() as u64;
                let next = delivery(start + count + stream_step, count + consumer_step);
                let is_next = (stream_step, consumer_step) == (1, 1);
                prop_assert_eq!(order.accept_message(next).is_ok(), is_next);
                if is_next {
                    taken.push(next.stream_sequence);
                }
            }
            prop_assert_eq!(&taken, &(start + 1..=start + taken.len() as u64).collect::<Vec<_>>());
        }
    }
}
