//! A log for measuring: sealed summaries of many users, in the order in which phones would have sent them.

use std::sync::Arc;

use events::{EventHeader, EventKind, Log, NewEvent, SignedRequest, new_event_id};
use futures_util::{StreamExt, TryStreamExt, stream};
use jetstream::{Broker, CommitMode};
use jiff::Timestamp;
use keys::{DataKey, Kek, KeyClient, Pseudonymizer, RequestSignature, UserRef};

/// Keys asked for, and events appended, at the same time.
const IN_FLIGHT_MAX: usize = 2_000;
/// Posts of a user about one day.
const POSTS_PER_DAY: u64 = 4;
const YEAR: i16 = 2026;

/// Fills the log: every user posts in turn, several times about each day. What is signed is not verified by a fold, so
/// the signatures are of the right form only.
pub(super) async fn fill_log(
    broker: Broker,
    kek: Arc<Kek>,
    pseudonyms: &Pseudonymizer,
    events: u64,
    users: u64,
) -> anyhow::Result<()> {
    let keys = KeyClient::new(broker.clone(), kek);
    let users: Vec<UserRef> = (0..users)
        .map(|user| Ok(pseudonyms.user_ref(&format!("bench-{user}").parse()?)))
        .collect::<anyhow::Result<_>>()?;
    let keys: Vec<Arc<DataKey>> = stream::iter(&users)
        .map(|user| keys.current(user, YEAR))
        .buffered(IN_FLIGHT_MAX)
        .try_collect()
        .await?;
    let appender = Log::new(broker).appender(CommitMode::Grouped);
    let now = runtime::system_clock();
    stream::iter(0..events)
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(IN_FLIGHT_MAX, async |number| {
            let user = usize::try_from(number)? % users.len();
            let event = sample_event(&users[user], &keys[user], number / users.len() as u64, now)?;
            appender.append(event).await?;
            Ok(())
        })
        .await
}

fn sample_event(user: &UserRef, key: &DataKey, post: u64, now: Timestamp) -> anyhow::Result<NewEvent> {
    let (day, hour) = (1 + post / POSTS_PER_DAY % 28, 6 + 4 * (post % POSTS_PER_DAY));
    let body = format!(
        r#"{{"date":"2026-02-{day:02}","steps":{},"resting_hr":58,"sleep_hours":7.4,"hrv":46.2,"workouts":[{{"type":"running","duration":42,"calories":418.5,"start_time":"2026-02-{day:02}T06:22:00Z"}}],"generated_at":"2026-02-{day:02}T{hour:02}:59:45Z"}}"#,
        1_000 + 2_000 * (post % POSTS_PER_DAY),
    );
    let head = EventHeader {
        id: new_event_id(now),
        kind: EventKind::SummaryReceivedV1,
        user: *user,
        time: now,
        key_id: Some(key.id()),
    };
    let received = SignedRequest {
        body,
        timestamp: now.as_millisecond().to_string(),
        signature: RequestSignature::from_hex(&"ab".repeat(32))
            .ok_or_else(|| anyhow::anyhow!("BUG: 32 bytes"))?,
        signing_key_id: "1.default".parse().map_err(|()| anyhow::anyhow!("BUG: a signing key id"))?,
        token_id: None,
    };
    Ok(NewEvent { id: head.id, user: *user, bytes: received.seal(&head, key), outcome_to: None })
}
