//! Client of the keeper for the steps of an erasure.

use jetstream::{Broker, RequestError};

use crate::UserRef;
use crate::protocol::{ERASE_PREFIX, EraseStep, KeysResponse};

/// Asks the keeper to erase a user.
#[derive(Clone)]
pub struct KeyErasureClient(Broker);

impl KeyErasureClient {
    /// Asks over this connection.
    pub fn new(broker: Broker) -> Self {
        Self(broker)
    }

    /// Returns how many records were destroyed, once that is on stable storage.
    pub async fn erase(&self, user: &UserRef, deed: &EraseStep) -> Result<u64, RequestError> {
        let question = serde_json::to_vec(deed).unwrap_or_else(|_| unreachable!("BUG: a deed is JSON"));
        let answer = self.0.request(format!("{ERASE_PREFIX}{user}"), question.into()).await?;
        match serde_json::from_slice(&answer) {
            Ok(KeysResponse::Destroyed(records)) => Ok(records),
            _ => Err(RequestError::Unavailable),
        }
    }
}
