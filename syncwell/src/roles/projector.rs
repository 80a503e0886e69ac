//! The projector.

use std::sync::Arc;

use http_edge::Authenticator;
use jetstream::Broker;
use keys::KeyClient;
use projector::{ExportSettings, Projector, ProjectorSettings};
use runtime::system_clock;

use super::exports::open_export_store;
use super::secrets::RoleSecrets;
use crate::config::Config;
use crate::data_dir::read_vkey;

/// Starts the projector; `gate` authenticates its requests.
pub(crate) fn start_projector(
    config: &Config,
    broker: Broker,
    gate: Arc<Authenticator>,
    secrets: &RoleSecrets,
) -> anyhow::Result<Projector> {
    let settings = ProjectorSettings {
        gate,
        pseudonyms: secrets.pseudonyms.clone(),
        keys: KeyClient::new(broker.clone(), secrets.kek.clone()),
        verifier: read_vkey(&config.audit.log_vkey)?,
        views_dir: config.view_folder.clone(),
        exports: ExportSettings {
            export_store: open_export_store(config)?,
            link_base: config.webhooks.link_base.clone(),
            is_tls: config.tls.is_some(),
        },
        clock: system_clock,
    };
    Ok(Projector::start(broker, settings))
}
