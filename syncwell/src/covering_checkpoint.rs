//! Waiting for a checkpoint that covers what a command needs.

use std::time::Duration;

use events::Log;
use jetstream::Broker;
use notary_client::CheckpointStream;
use notary_client::FetchProofError;
use schemas::Sequence;
use tlog::LogVerifier;
use tokio::time::sleep;

use crate::exit_code::UnreachableError;
use crate::terminal::eprint;

/// Pause between two polls. The notary signs a checkpoint every 10 seconds at the latest.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Polls for a checkpoint that covers the log (12 s).
const CHECKPOINT_POLLS_MAX: usize = 48;
/// Polls for a proof (15 s).
const PROOF_POLLS_MAX: usize = 60;

/// Returns the newest checkpoint. Waits for one that covers every event of the log as it is now; after
/// [`CHECKPOINT_POLLS_MAX`] polls it settles for less.
pub(crate) async fn wait_for_checkpoint(broker: &Broker, verifier: &LogVerifier) -> anyhow::Result<String> {
    let end = Log::new(broker.clone()).last_sequence().await?.map_or(0, Sequence::get);
    let checkpoints = CheckpointStream::new(broker.clone(), verifier.clone());
    for waits in 0.. {
        match checkpoints.last().await? {
            Some(newest) if newest.head.size >= end || waits == CHECKPOINT_POLLS_MAX => {
                if newest.head.size < end {
                    eprint(format_args!(
                        "the newest checkpoint covers {} of {end} events; what is behind it is left out",
                        newest.head.size
                    ));
                }
                return Ok(newest.note);
            }
            None if waits == CHECKPOINT_POLLS_MAX => break,
            Some(_) | None => sleep(POLL_INTERVAL).await,
        }
    }
    Err(UnreachableError("there is no checkpoint: the log is empty, or the notary does not run".to_owned())
        .into())
}

/// Repeats a request for a proof until a checkpoint covers what it asks for.
pub(crate) async fn retry_until_covered<T>(
    mut ask: impl AsyncFnMut() -> Result<T, FetchProofError>,
) -> Result<T, FetchProofError> {
    let mut waits = 0;
    loop {
        match ask().await {
            Err(FetchProofError::NotYet) if waits < PROOF_POLLS_MAX => waits += 1,
            answered => return answered,
        }
        sleep(POLL_INTERVAL).await;
    }
}
