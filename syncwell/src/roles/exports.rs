//! The store of exports, which the worker writes and the projector serves from.

use export_store::ExportStore;

use crate::config::Config;

/// Opens the store that `[exports] location` names.
pub(super) fn open_export_store(config: &Config) -> anyhow::Result<ExportStore> {
    Ok(ExportStore::open(&config.exports_location, config.audit.tile_options.clone())?)
}
