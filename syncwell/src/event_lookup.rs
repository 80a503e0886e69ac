//! An event by its name, in the whole log.

use events::{Log, RecordedEvent};
use jetstream::ScanFrom;
use jiff::{SignedDuration, Timestamp};
use schemas::EventId;

/// How far an event's own time may be from when it was received.
const ID_TIME_SLACK: SignedDuration = SignedDuration::from_secs(900);

/// Looks through everything that was received around the time inside the id.
pub(crate) async fn find_event(log: &Log, id: EventId) -> anyhow::Result<Option<RecordedEvent>> {
    let time = Timestamp::from_millisecond(i64::try_from(id.unix_ms())?)?;
    let until = time.saturating_add(ID_TIME_SLACK)?;
    let before = log.last_received_by(time.saturating_sub(ID_TIME_SLACK)?).await?;
    let mut from = before.map_or(1, |before| before.get() + 1);
    loop {
        let events = log.scan(ScanFrom::Sequence(from), None).await?;
        let Some(last) = events.last() else { return Ok(None) };
        from = last.sequence().get() + 1;
        for event in events {
            let Ok(head) = event.header() else { continue };
            if head.id == id {
                return Ok(Some(event));
            }
            if head.time > until {
                return Ok(None);
            }
        }
    }
}
