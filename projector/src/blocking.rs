//! Work that blocks, off the async workers.

/// Runs something that blocks. A panic in it is a panic here.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going away, and everything with it.
            Err(_) => std::future::pending().await,
        },
    }
}
