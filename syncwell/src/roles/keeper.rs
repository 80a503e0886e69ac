//! The keeper of the data keys.

use std::sync::Arc;
use std::time::Duration;

use ::keeper::{KeeperError, KeeperServer};
use jetstream::{Broker, VerifyStreamError};
use keys::Kek;
use runtime::spawn_critical;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Pause before the keeper tries the keys' stream again.
const KEEPER_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Starts the keeper, and tries again until the keys' stream answers. Fails with a wrong key-encryption key.
pub(crate) async fn start_keeper(broker: Broker, kek: &Arc<Kek>) -> anyhow::Result<JoinHandle<()>> {
    let keeper = loop {
        broker.wait_connected().await;
        match KeeperServer::start(broker.clone(), kek.clone()).await {
            Ok(keeper) => break keeper,
            Err(error @ (KeeperError::WrongKek(_) | KeeperError::Stream(VerifyStreamError::Mismatch(_)))) => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the keeper can't start yet")
            }
        }
        sleep(KEEPER_RETRY_INTERVAL).await;
    };
    Ok(spawn_critical("keeper-server", keeper.serve()))
}
