//! Credentials of the users that post.

use client::Credentials;

use super::installation::BenchInstallation;
use crate::dev_issuer::CredentialIssuer;

/// Users of each connection: a user's posts are never waited for by another post of the same user.
const USERS_PER_CONNECTION: usize = 4;

/// Issues credentials of [`USERS_PER_CONNECTION`] users for each connection.
pub(super) fn issue_credentials(
    installation: &BenchInstallation,
    connections: usize,
) -> anyhow::Result<Vec<Vec<Credentials>>> {
    let maker = CredentialIssuer::new(&installation.data_dir, installation.ingest_url.clone())?;
    let of_connection = |connection| {
        (0..USERS_PER_CONNECTION)
            .map(|user| {
                maker.issue(&format!("bench-{connections}-{connection}-{user}"), "sync:write", None, 3_600)
            })
            .collect()
    };
    (0..connections).map(of_connection).collect()
}
