//! The notary.

use jetstream::Broker;
use notary::{Notary, NotarySettings};
use tlog::TileStore;

use super::secrets::load_signer;
use crate::config::Config;
use crate::data_dir::read_vkey;

/// Starts the notary. Its signing secret must be the one of the log's public key.
pub(crate) fn start_notary(config: &Config, broker: Broker) -> anyhow::Result<Notary> {
    let settings = NotarySettings {
        signer: load_signer(&config.audit.checkpoint, &read_vkey(&config.audit.log_vkey)?)?,
        tiles: TileStore::open(&config.audit.tiles, config.audit.tile_options.clone())?,
        interval: config.audit.interval,
    };
    Ok(Notary::start(broker, settings)?)
}
