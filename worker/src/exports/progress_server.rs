//! How far each export is that this worker makes; asked over the broker, and answered by whoever knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::EXPORT_PROGRESS_SUBJECT;
use futures_util::StreamExt;
use jetstream::Broker;
use keys::ExportId;
use schemas::ExportProgress;
use tokio::time::sleep;

/// Pause before the subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct ExportProgressServer(Arc<Mutex<HashMap<ExportId, ExportProgress>>>);

impl ExportProgressServer {
    pub(crate) fn set(&self, export: ExportId, progress: ExportProgress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(export, progress);
    }

    pub(crate) fn clear(&self, export: ExportId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&export);
    }

    /// Answers for as long as the process runs; of another worker's exports nothing is said here.
    pub(crate) async fn serve(self, broker: Broker) {
        loop {
            if let Ok(asked) = broker.subscribe(EXPORT_PROGRESS_SUBJECT, None).await {
                let mut asked = Box::pin(asked.into_stream());
                while let Some(heard) = asked.next().await {
                    let id = std::str::from_utf8(&heard.payload).ok().and_then(|id| id.parse().ok());
                    let known: Option<ExportProgress> = id.and_then(|id: ExportId| {
                        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
                    });
                    if let Some((progress, reply)) = known.zip(heard.reply_subject) {
                        let answer = serde_json::to_vec(&progress)
                            .unwrap_or_else(|_| unreachable!("BUG: progress is JSON"));
                        let _ = broker.publish(reply, answer.into()).await;
                    }
                }
            }
            sleep(RETRY_INTERVAL).await;
        }
    }
}
