//! Tasks without which the process is of no use.

use std::future::Future;

/// Spawns a task that must not fail in silence: a panic in it ends the process, so that whoever supervises the process
/// can start it again from a true state.
pub fn spawn_critical<F>(name: &'static str, task: F) -> tokio::task::JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = tokio::spawn(task).await
            && error.is_panic()
        {
            tracing::error!(task = name, "a vital task panicked; the process ends");
            std::process::exit(101);
        }
    })
}
