//! Answering questions for proofs, out of the tiles.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use stream::{Broker, Heard};
use tlog::{TileError, TileStore};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::ask::{Answer, Question, SUBJECT};
use crate::checkpoints::StoredCheckpoint;

/// Questions answered at the same time: each reads a few tiles of 8 KiB.
const QUESTIONS_IN_FLIGHT_MAX: usize = 32;
/// Pause before the subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) struct Answering {
    pub(crate) broker: Broker,
    pub(crate) tiles: TileStore,
    pub(crate) newest: watch::Receiver<Option<StoredCheckpoint>>,
}

impl Answering {
    /// Answers for as long as the process runs.
    pub(crate) async fn serve(self: Arc<Self>) {
        loop {
            if let Ok(questions) = self.broker.subscribe(SUBJECT, Some("notary")).await {
                questions
                    .into_stream()
                    .for_each_concurrent(QUESTIONS_IN_FLIGHT_MAX, |heard| self.answer(heard))
                    .await;
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn answer(&self, heard: Heard) {
        let Some(reply) = heard.reply else { return };
        let answer = match serde_json::from_slice(&heard.payload) {
            Ok(question) => self.prove(question).await,
            Err(_) => Answer::Refused("the question can't be read".to_owned()),
        };
        let answer = serde_json::to_vec(&answer).unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"));
        // Who asked gives up by itself where the answer is lost.
        let _ = self.broker.publish(reply, answer.into()).await;
    }

    async fn prove(&self, question: Question) -> Answer {
        let Some(StoredCheckpoint { note, head, .. }) = self.newest.borrow().clone() else {
            return Answer::NotYet;
        };
        let hashes = match question {
            Question::Inclusion { sequence } | Question::Consistency { old: sequence, .. }
                if sequence > head.size =>
            {
                return Answer::NotYet;
            }
            Question::Consistency { new: Some(new), .. } if new > head.size => return Answer::NotYet,
            Question::Inclusion { sequence: 0 } => Err(TileError::OutOfRange),
            Question::Inclusion { sequence } => {
                self.tiles.inclusion(head.size, sequence - 1, head.size).await
            }
            Question::Consistency { old, new } => {
                self.tiles.consistency(head.size, old, new.unwrap_or(head.size)).await
            }
        };
        match hashes {
            Ok(hashes) => Answer::Proof { checkpoint: note, hashes },
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a proof could not be made");
                Answer::Refused(error.to_string())
            }
        }
    }
}
