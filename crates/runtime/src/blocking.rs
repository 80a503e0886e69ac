//! Blocking work, off the async workers.

use tokio::task::JoinHandle;

/// Runs blocking work on a thread of its own. A panic in it is resumed here.
pub async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    join_blocking(tokio::task::spawn_blocking(work)).await
}

/// Waits for blocking work that was spawned before. A panic in it is resumed here.
pub async fn join_blocking<T>(work: JoinHandle<T>) -> T {
    match work.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Blocking work is cancelled only when the runtime shuts down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_the_result_and_resumes_a_panic() {
        assert_eq!(run_blocking(|| 7).await, 7);
        let panicked = tokio::spawn(run_blocking(|| panic!("at work"))).await.unwrap_err();
        assert_eq!(panicked.into_panic().downcast_ref::<&str>(), Some(&"at work"));
    }
}
