//! What the broker alone does, with events of the same size: the two figures that everything else is held against.

use std::time::Duration;

use bytes::Bytes;
use jetstream::{Appender, CommitMode, NewMessage};
use nats_server::Role;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::installation::BenchInstallation;

/// Bytes of a typical event as stored.
const EVENT_BYTES: usize = 900;

/// Events per second that are appended and confirmed, with so many waiting at the same time.
///
/// One at a time means one message after the other, each confirmed before the next is sent. The events are no events,
/// so no projector may follow any more.
pub(super) async fn measure_appends_per_s(
    installation: &BenchInstallation,
    how: CommitMode,
    waiting: usize,
    lasting: Duration,
) -> anyhow::Result<f64> {
    let appender = Appender::start(installation.connect(Role::Ingest).await?, how);
    let started = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..waiting {
        let appender = appender.clone();
        writers.spawn(async move {
            let mut appended = 0_u64;
            while started.elapsed() < lasting {
                let draft = NewMessage {
                    subject: format!("events.v1.0.bench{writer}"),
                    id: Some(uuid::Uuid::now_v7().to_string()),
                    headers: Vec::new(),
                    expected: None,
                    payload: Bytes::from(vec![b'x'; EVENT_BYTES]),
                };
                appender.append(draft).await?;
                appended += 1;
            }
            anyhow::Ok(appended)
        });
    }
    let mut appended = 0;
    while let Some(writer) = writers.join_next().await {
        appended += writer??;
    }
    Ok(appended as f64 / started.elapsed().as_secs_f64())
}
