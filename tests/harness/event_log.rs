//! The log, read past every role.

use events::{Log, RecordedEvent};
use jetstream::{Broker, ScanFrom};

/// Every event, in order.
pub(crate) async fn read_all_events(broker: Broker) -> Vec<RecordedEvent> {
    let log = Log::new(broker);
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let more = log.scan(ScanFrom::Sequence(events.len() as u64 + 1), None).await.unwrap();
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}
