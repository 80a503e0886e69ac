//! Where a secret comes from: an environment variable, a named file, or the data folder.

use std::fmt;
use std::path::PathBuf;

use anyhow::Context;
use keys::VersionedSecrets;

use super::toml_reader::ConfigReader;
use crate::data_dir::DataDir;

/// A secret, not read yet.
pub(crate) enum SecretLocation {
    /// `SYNCWELL_SECRETS__KEK` and the like: the text of such a file.
    Environment(String),
    /// `[secrets] kek_file` and the like.
    File(PathBuf),
}

impl SecretLocation {
    pub(crate) fn read(&self) -> anyhow::Result<VersionedSecrets> {
        Ok(self.to_source()?.read()?)
    }

    /// For whoever keeps up with it.
    pub(crate) fn to_source(&self) -> anyhow::Result<keys::SecretSource> {
        Ok(match self {
            Self::Environment(text) => keys::SecretSource::Fixed(
                VersionedSecrets::parse(text)
                    .context("a secret in the environment is not `<version> <64 hex characters>`")?,
            ),
            Self::File(file) => keys::SecretSource::File(file.clone()),
        })
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Environment(_) => None,
            Self::File(file) => Some(file),
        }
    }
}

impl fmt::Debug for SecretLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(_) => f.write_str("[redacted]"),
            Self::File(file) => file.fmt(f),
        }
    }
}

pub(super) fn secret_location(read: &mut ConfigReader, name: &str, home: &DataDir) -> SecretLocation {
    let file = read.path(&format!("secrets.{name}_file"));
    match read.text(&format!("secrets.{name}")) {
        Some(text) => SecretLocation::Environment(text),
        None => SecretLocation::File(file.unwrap_or_else(|| home.secret_file(name))),
    }
}
