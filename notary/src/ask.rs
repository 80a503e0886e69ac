//! Asking for proofs, on `tree.v1.prove`. Every proof that comes back is verified here before it is believed.

use jetstream::{Broker, RequestError};
use serde::{Deserialize, Serialize};
use tlog::{CheckpointError, Hash, LogVerifier, TreeHead, verify_consistency, verify_inclusion};

pub(crate) const SUBJECT: &str = "tree.v1.prove";

/// A question.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    /// That the event with this sequence is under the newest checkpoint.
    Inclusion { sequence: u64 },
    /// That the tree of size `new`, or of the newest checkpoint, begins with the tree of size `old`.
    Consistency { old: u64, new: Option<u64> },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Proof {
        checkpoint: String,
        hashes: Vec<Hash>,
    },
    /// No checkpoint covers it yet.
    NotYet,
    Refused(String),
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The notary does not answer.
    #[error("the notary does not answer")]
    Unavailable(#[from] RequestError),
    /// No checkpoint covers what was asked about yet; a few seconds later one does.
    #[error("no checkpoint covers it yet")]
    NotYet,
    /// The notary can't make the proof.
    #[error("the notary has no proof: {0}")]
    Refused(String),
    /// The checkpoint that came back is not signed by the log's key as it is known here.
    #[error("the notary's checkpoint is not one of this log's public key: {0}")]
    OtherKey(CheckpointError),
    /// What came back does not hold.
    #[error("INCIDENT: the notary's proof does not hold: {0}")]
    Broken(String),
}

/// A proof that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The signed note.
    pub checkpoint: String,
    /// What it says.
    pub head: TreeHead,
    /// The hashes.
    pub hashes: Vec<Hash>,
}

/// That an event is in the log, under the newest checkpoint.
pub async fn inclusion(
    broker: &Broker,
    verifier: &LogVerifier,
    sequence: u64,
    leaf: Hash,
) -> Result<Proved, AskError> {
    let proved = ask(broker, verifier, Question::Inclusion { sequence }).await?;
    let Proved { head, hashes, .. } = &proved;
    verify_inclusion(sequence.saturating_sub(1), head.size, leaf, head.root, hashes)
        .map_err(|error| AskError::Broken(error.to_string()))?;
    Ok(proved)
}

/// That the log goes on from an older state of it, under the newest checkpoint.
pub async fn consistency(broker: &Broker, verifier: &LogVerifier, old: TreeHead) -> Result<Proved, AskError> {
    let proved = ask(broker, verifier, Question::Consistency { old: old.size, new: None }).await?;
    let Proved { head, hashes, .. } = &proved;
    verify_consistency(old.size, old.root, head.size, head.root, hashes)
        .map_err(|error| AskError::Broken(error.to_string()))?;
    Ok(proved)
}

/// The hashes that lead from one tree to a later one, both known from their checkpoints; verified against both.
pub async fn consistency_between(
    broker: &Broker,
    verifier: &LogVerifier,
    old: TreeHead,
    new: TreeHead,
) -> Result<Vec<Hash>, AskError> {
    let question = Question::Consistency { old: old.size, new: Some(new.size) };
    let hashes = ask(broker, verifier, question).await?.hashes;
    verify_consistency(old.size, old.root, new.size, new.root, &hashes)
        .map_err(|error| AskError::Broken(error.to_string()))?;
    Ok(hashes)
}

async fn ask(broker: &Broker, verifier: &LogVerifier, question: Question) -> Result<Proved, AskError> {
    let question = serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
    let answer = broker.request(SUBJECT.to_owned(), question.into()).await?;
    match serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)? {
        Answer::Proof { checkpoint, hashes } => {
            let head = verifier.open(&checkpoint).map_err(AskError::OtherKey)?;
            Ok(Proved { checkpoint, head, hashes })
        }
        Answer::NotYet => Err(AskError::NotYet),
        Answer::Refused(reason) => Err(AskError::Refused(reason)),
    }
}
