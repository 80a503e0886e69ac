//! The break-glass server.

use std::sync::Arc;

use breakglass::BreakGlassServer;
use jetstream::Broker;
use keys::AccessIndexKey;
use runtime::{spawn_critical, system_clock};
use tokio::task::JoinHandle;

use super::secrets::load_pseudonyms;
use crate::config::Config;

/// Starts the break-glass server; it runs as long as the process.
pub(crate) fn start_breakglass(config: &Config, broker: Broker) -> anyhow::Result<JoinHandle<()>> {
    let key = AccessIndexKey::new(config.breakglass.key.read()?);
    let people = config.breakglass.operators.clone();
    let service = BreakGlassServer::new(broker, key, people, load_pseudonyms(config)?, system_clock);
    Ok(spawn_critical("breakglass-server", Arc::new(service).serve()))
}
