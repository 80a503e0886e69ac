//! `[audit]`: checkpoints, attestations and tiles.

use std::path::PathBuf;
use std::time::Duration;

use super::secrets::{self, SecretLocation};
use super::toml_reader::ConfigReader;
use crate::data_dir::{ATTEST_VKEY_FILE, DataDir, LOG_VKEY_FILE};

/// Settings of the notary and of attestations.
#[derive(Debug)]
pub(crate) struct AuditSettings {
    /// Signs checkpoints.
    pub(crate) checkpoint: SecretLocation,
    /// Signs attestations.
    pub(crate) attestation: SecretLocation,
    /// File with the public key of checkpoints.
    pub(crate) log_vkey: PathBuf,
    /// File with the public key of attestations.
    pub(crate) attest_vkey: PathBuf,
    /// A folder, or a URL like `s3://bucket/prefix`.
    pub(crate) tiles: String,
    /// Options of a store that is named by URL: the environment's `AWS_…` variables.
    pub(crate) tile_options: Vec<(String, String)>,
    /// The time between two checkpoints of a log that grows.
    pub(crate) interval: Duration,
}

pub(super) fn audit(read: &mut ConfigReader, home: &DataDir) -> AuditSettings {
    AuditSettings {
        checkpoint: secrets::secret_location(read, "checkpoint", home),
        attestation: secrets::secret_location(read, "attestation", home),
        log_vkey: read.path("audit.log_key_file").unwrap_or_else(|| home.path(LOG_VKEY_FILE)),
        attest_vkey: read.path("audit.attest_key_file").unwrap_or_else(|| home.path(ATTEST_VKEY_FILE)),
        tiles: read.text("audit.tiles").unwrap_or_else(|| home.path("tiles").display().to_string()),
        tile_options: read.environment_with_prefix("AWS_"),
        interval: Duration::from_secs(read.integer("audit.checkpoint_seconds", 5, 1..=10)),
    }
}
