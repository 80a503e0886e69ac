//! Work that blocks, off the async workers.

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::limits::PROGRESS_WAITING_MAX;

/// Runs something that blocks. A panic in it is a panic here.
pub(crate) async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(spawn_blocking(work)).await
}

/// The same for work that tells how far it has come. Reports that nobody hears in time are dropped.
pub(crate) async fn offload_told<T: Send + 'static>(
    work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> T + Send + 'static,
    mut on_progress: impl FnMut(u64, u64),
) -> T {
    let (reports, mut heard) = mpsc::channel(PROGRESS_WAITING_MAX);
    let working = spawn_blocking(move || {
        work(&mut |done, of| {
            // Where the queue is full, the next report says more.
            let _ = reports.try_send((done, of));
        })
    });
    while let Some((done, of)) = heard.recv().await {
        on_progress(done, of);
    }
    joined(working).await
}

/// Waits for blocking work. A panic in it is a panic here.
pub(crate) async fn joined<T>(working: JoinHandle<T>) -> T {
    match working.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Blocking work is only ever cancelled with the whole runtime.
            Err(_) => std::future::pending().await,
        },
    }
}
