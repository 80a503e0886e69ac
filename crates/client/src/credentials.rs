//! What a phone holds. The same JSON that `syncwell credentials` prints.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A user's way in.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The user id.
    pub user: String,
    /// Where the API is, for instance `http://127.0.0.1:8080`.
    pub base_url: String,
    /// The bearer token.
    pub token: String,
    /// Which signing key.
    pub key_id: String,
    /// The signing key, 64 characters of lowercase hex.
    pub signing_key_hex: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
