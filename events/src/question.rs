//! What ingest asks the projector over the broker: it reads neither log nor view itself.

use schemas::ConnectionDocument;
use serde::{Deserialize, Serialize};

/// Where the projector is asked about one connection.
pub const CONNECTION_SUBJECT: &str = "view.v1.connection";

/// Which connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionQuestion {
    /// Whose.
    pub user_ref: String,
    /// Its name.
    pub connection_id: String,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionAnswer {
    /// As its owner sees it, and where the provider sends the user back to.
    Found {
        /// As its owner sees it.
        connection: Box<ConnectionDocument>,
        /// Where the provider sends the user back to.
        redirect_uri: String,
    },
    /// There is none of this user.
    Unknown,
    /// The account was erased.
    Erased,
    /// It can't be told now.
    Unavailable,
}
