//! The issuer's key set.

use std::sync::Arc;

use super::jwks::Jwks;
use crate::refreshing_key_set::{KeySetError, KeySetSource, RefreshingKeySet};

const NAME: &str = "the issuer's key set";

/// The keys that tokens are verified by.
pub struct IssuerKeySet(RefreshingKeySet<Jwks>);

impl IssuerKeySet {
    /// Reads a file immediately. A URL is first fetched when [`Self::refresh_loop`] runs.
    pub fn open(source: KeySetSource) -> Result<Self, KeySetError> {
        RefreshingKeySet::open(NAME, source, parse).map(Self)
    }

    #[cfg(test)]
    pub(super) fn with_fixed_set(text: &str) -> Result<Self, super::jwks::JwksError> {
        Ok(Self(RefreshingKeySet::with_fixed_set(Jwks::parse(text)?, parse)))
    }

    /// Keeps the set up for as long as the process runs.
    pub async fn refresh_loop(&self) {
        self.0.refresh_loop().await;
    }

    /// Says why no token can be verified yet, or nothing.
    pub fn check_ready(&self) -> Result<(), String> {
        self.0.check_ready()
    }

    pub(super) fn current(&self) -> Option<Arc<Jwks>> {
        self.0.current()
    }

    pub(super) async fn refresh_for_unknown_key(&self) {
        self.0.refresh_for_unknown_key().await;
    }
}

fn parse(text: &str) -> Result<Jwks, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Jwks::parse(text)?)
}
