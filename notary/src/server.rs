//! Answering questions for proofs, out of the tiles.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jetstream::{Broker, ReceivedMessage};
use notary_client::{PROOF_SUBJECT, ProofRequest, ProofResponse, StoredCheckpoint};
use tlog::{Hash, TileError, TileStore, TreeHead, verify_consistency, verify_inclusion};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// Questions answered at the same time: each reads a few tiles of 8 KiB.
const REQUESTS_IN_FLIGHT_MAX: usize = 32;
/// Pause before the subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) struct ProofServer {
    pub(crate) broker: Broker,
    pub(crate) tiles: TileStore,
    pub(crate) newest_checkpoint: watch::Receiver<Option<StoredCheckpoint>>,
    /// Who makes the tiles anew where they are damaged.
    pub(crate) tile_damage: Arc<Notify>,
}

impl ProofServer {
    /// Answers for as long as the process runs.
    pub(crate) async fn serve(self: Arc<Self>) {
        loop {
            if let Ok(questions) = self.broker.subscribe(PROOF_SUBJECT, Some("notary")).await {
                questions
                    .into_stream()
                    .for_each_concurrent(REQUESTS_IN_FLIGHT_MAX, |heard| self.handle(heard))
                    .await;
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn handle(&self, heard: ReceivedMessage) {
        let Some(reply) = heard.reply_subject else { return };
        let answer = match serde_json::from_slice(&heard.payload) {
            Ok(question) => self.prove(question).await,
            Err(_) => ProofResponse::Refused("the question can't be read".to_owned()),
        };
        let answer = serde_json::to_vec(&answer).unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"));
        // Who asked gives up by itself where the answer is lost.
        let _ = self.broker.publish(reply, answer.into()).await;
    }

    async fn prove(&self, question: ProofRequest) -> ProofResponse {
        let Some(StoredCheckpoint { note, head, .. }) = self.newest_checkpoint.borrow().clone() else {
            return ProofResponse::NotYet;
        };
        match question {
            ProofRequest::Inclusion { sequence } | ProofRequest::Consistency { old: sequence, .. }
                if sequence > head.size =>
            {
                return ProofResponse::NotYet;
            }
            ProofRequest::Consistency { new: Some(new), .. } if new > head.size => {
                return ProofResponse::NotYet;
            }
            ProofRequest::Inclusion { .. } | ProofRequest::Consistency { .. } => {}
        }
        match self.build_proof(question, head).await {
            Ok(Some(hashes)) => ProofResponse::Proof { checkpoint: note, hashes },
            Ok(None) | Err(TileError::Missing(_) | TileError::Damaged(_)) => {
                tracing::error!(
                    "a tile is damaged: it does not prove what was signed; the tiles are made anew"
                );
                self.tile_damage.notify_one();
                ProofResponse::NotYet
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a proof could not be made");
                ProofResponse::Refused(error.to_string())
            }
        }
    }

    /// The proof's hashes; `None` where the tiles do not prove what was signed. Whoever asks verifies them again, but would
    /// have to take a damaged tile for a log that was changed.
    async fn build_proof(
        &self,
        question: ProofRequest,
        head: TreeHead,
    ) -> Result<Option<Vec<Hash>>, TileError> {
        let available = head.size;
        match question {
            ProofRequest::Inclusion { sequence } => {
                let index = sequence.checked_sub(1).ok_or(TileError::OutOfRange)?;
                let hashes = self.tiles.inclusion_proof(available, index, head.size).await?;
                let leaf = self.tiles.leaf_hash(available, index).await?;
                let holds = verify_inclusion(index, head.size, leaf, head.root, &hashes).is_ok();
                Ok(holds.then_some(hashes))
            }
            ProofRequest::Consistency { old, new } => {
                let old_root = self.tiles.root(available, old).await?;
                let to_newest = self.tiles.consistency_proof(available, old, head.size).await?;
                if verify_consistency(old, old_root, head.size, head.root, &to_newest).is_err() {
                    return Ok(None);
                }
                let Some(new) = new.filter(|new| *new != head.size) else { return Ok(Some(to_newest)) };
                self.tiles.consistency_proof(available, old, new).await.map(Some)
            }
        }
    }
}
