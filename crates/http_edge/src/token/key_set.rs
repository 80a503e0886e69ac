//! The issuer's key set.

use std::sync::Arc;

use super::jwks::Jwks;
use crate::published::{Published, PublishedError, PublishedSource};

const NAME: &str = "the issuer's key set";

/// The keys that tokens are verified by.
pub struct KeySet(Published<Jwks>);

impl KeySet {
    /// Reads a file at once; a URL is fetched once [`KeySet::follow`] runs.
    pub fn open(source: PublishedSource) -> Result<Self, PublishedError> {
        Published::open(NAME, source, parse).map(Self)
    }

    #[cfg(test)]
    pub(super) fn given(text: &str) -> Result<Self, super::JwksError> {
        Ok(Self(Published::given(Jwks::parse(text)?, parse)))
    }

    /// Keeps the set up for as long as the process runs.
    pub async fn follow(&self) {
        self.0.follow().await;
    }

    /// Says why no token can be verified yet, or nothing.
    pub fn check(&self) -> Result<(), String> {
        self.0.check()
    }

    pub(super) fn held(&self) -> Option<Arc<Jwks>> {
        self.0.held()
    }

    pub(super) async fn refresh_for_unknown_key(&self) {
        self.0.refresh_for_unknown_key().await;
    }
}

fn parse(text: &str) -> Result<Jwks, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Jwks::parse(text)?)
}
