//! Ingest.

use std::sync::Arc;
use std::time::Duration;

use http_edge::Authenticator;
use ingest::Ingest;
use jetstream::Broker;
use keys::{AccessIndexRecipient, AccessIndexRecorder, KeyClient, SigningKeys};
use runtime::spawn_critical;
use tokio::time::timeout;

use super::secrets::RoleSecrets;
use crate::config::Config;

/// Bound on writing the last entries of the break-glass index when the process ends.
const INDEX_FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Starts ingest; `gate` authenticates its requests.
pub(crate) fn start_ingest(
    config: &Config,
    broker: Broker,
    gate: Arc<Authenticator>,
    secrets: &RoleSecrets,
) -> anyhow::Result<Ingest> {
    let signing_keys = SigningKeys::load(config.signing.to_source()?)?;
    let followed = signing_keys.clone();
    spawn_critical("signing-key-reload", async move { followed.reload_loop().await });
    let keys = KeyClient::new(broker.clone(), secrets.kek.clone());
    let index =
        AccessIndexRecorder::start(broker.clone(), AccessIndexRecipient::read(&config.breakglass.recipient)?);
    let pseudonyms = secrets.pseudonyms.clone();
    Ok(Ingest::start(broker, gate, pseudonyms, signing_keys, keys, index, config.ingest.clone()))
}

/// Writes the pending entries of the break-glass index, for at most [`INDEX_FLUSH_TIMEOUT`].
pub(crate) async fn flush_access_index(index: &AccessIndexRecorder) {
    if timeout(INDEX_FLUSH_TIMEOUT, index.flush()).await.is_err() {
        tracing::warn!("the last entries of the break-glass index could not be written");
    }
}
