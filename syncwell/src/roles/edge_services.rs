//! Authentication and rate limits of the roles that serve HTTP.

use std::sync::Arc;

use anyhow::Context;
use http_edge::{Authenticator, IssuerKeySet, RateLimits, ReadinessCheck, TokenVerifier};
use runtime::{spawn_critical, system_clock};

use super::secrets::RoleSecrets;
use crate::config::Config;

/// Authentication and rate limits, shared by the roles that serve HTTP.
pub(crate) struct EdgeServices {
    pub(crate) authenticator: Arc<Authenticator>,
    /// Ready when tokens can be verified.
    pub(crate) ready: ReadinessCheck,
}

/// Builds the authenticator and keeps its key set and rate limits current.
pub(crate) fn start_edge_services(config: &Config, secrets: &RoleSecrets) -> anyhow::Result<EdgeServices> {
    let key_set = Arc::new(
        IssuerKeySet::open(config.jwks.clone()).context("`[auth] jwks` names the issuer's key set")?,
    );
    let gate = Arc::new(Authenticator {
        forwarding: config.forwarding.clone(),
        rate_limits: RateLimits::new(config.rates),
        token_verifier: TokenVerifier::new(config.auth.clone(), key_set.clone(), secrets.pseudonyms.clone()),
        clock: system_clock,
    });
    let forgetful = gate.clone();
    spawn_critical("rate-limiter-cleanup", async move { forgetful.rate_limits.eviction_loop().await });
    let followed = key_set.clone();
    spawn_critical("jwks-reload", async move { followed.refresh_loop().await });
    Ok(EdgeServices { authenticator: gate, ready: Arc::new(move || key_set.check_ready()) })
}
