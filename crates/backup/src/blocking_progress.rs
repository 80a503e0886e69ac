//! Blocking work that reports its progress.

use runtime::join_blocking;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::limits::PROGRESS_QUEUE_MAX;

/// Runs blocking work off the async workers. Reports that do not fit into the queue are dropped. A panic in it is resumed here.
pub(crate) async fn run_blocking_with_progress<T: Send + 'static>(
    work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> T + Send + 'static,
    mut on_progress: impl FnMut(u64, u64),
) -> T {
    let (reports, mut heard) = mpsc::channel(PROGRESS_QUEUE_MAX);
    let working = spawn_blocking(move || {
        work(&mut |done, of| {
            // Where the queue is full, the next report says more.
            let _ = reports.try_send((done, of));
        })
    });
    while let Some((done, of)) = heard.recv().await {
        on_progress(done, of);
    }
    join_blocking(working).await
}
