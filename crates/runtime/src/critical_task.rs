//! Tasks that the process cannot do without.

use std::future::Future;

use tokio::task::JoinHandle;

/// Spawns a task that must not fail silently: a panic in it ends the process with exit code 101, so that a supervisor
/// can start the process again. A task that returns normally ends without further effect.
pub fn spawn_critical<F>(name: &'static str, task: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = tokio::spawn(task).await
            && error.is_panic()
        {
            tracing::error!(task = name, "critical task panicked; the process ends");
            std::process::exit(101);
        }
    })
}
