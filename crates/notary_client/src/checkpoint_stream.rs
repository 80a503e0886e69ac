//! The stream of signed checkpoints: `CHECKPOINTS`, one subject, a signed note (C2SP tlog-checkpoint) each.

use std::collections::VecDeque;

use bytes::Bytes;
use jetstream::{
    AppendError, Appender, Broker, ExpectedSequence, NewMessage, ReadError, ScanFrom, StoredMessage, Stream,
    StreamSpec, VerifyStreamError,
};
use tlog::{CheckpointError, LogVerifier, TreeHead};

const CHECKPOINTS_SUBJECT: &str = "checkpoints.v1";
/// The stream of checkpoints.
pub static CHECKPOINTS_STREAM: StreamSpec = StreamSpec {
    allow_atomic: false,
    verified: &[
        ("subjects", "checkpoints would be missed or be joined by others"),
        ("retention", "checkpoints would go once they are read"),
        ("storage", "checkpoints would go with the power"),
        ("discard", "old checkpoints would make room for new ones"),
        ("max_msgs", "checkpoints would be dropped"),
        ("max_age", "checkpoints would be dropped"),
        ("deny_delete", "checkpoints could be deleted"),
        ("deny_purge", "checkpoints could be purged"),
    ],
    ..StreamSpec::new(
        "CHECKPOINTS",
        "CHECKPOINTS.API",
        CHECKPOINTS_SUBJECT,
        "SyncWell: what the notary signed",
    )
};
/// Checkpoints of one read.
const SCAN_CHECKPOINTS_MAX: usize = 1_000;

/// Why the checkpoints can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointsError {
    /// The stream can't be read now.
    #[error("the checkpoints can't be read")]
    Read(#[from] ReadError),
    /// The stream is missing or its configuration is not as specified.
    #[error(transparent)]
    Stream(#[from] VerifyStreamError),
    /// A checkpoint does not hold.
    #[error("checkpoint {number} does not hold: {source}")]
    InvalidCheckpoint {
        /// Its position in the stream.
        number: u64,
        /// Why.
        source: CheckpointError,
    },
}

/// A checkpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Its position in the stream.
    pub number: u64,
    /// The signed note.
    pub note: String,
    /// What it says.
    pub head: TreeHead,
}

/// The checkpoints, as whoever verifies reads them: each is verified on the way.
#[derive(Clone)]
pub struct CheckpointStream {
    stream: Stream,
    verifier: LogVerifier,
}

impl CheckpointStream {
    /// Over this connection, by this public key.
    pub fn new(broker: Broker, verifier: LogVerifier) -> Self {
        Self { stream: CHECKPOINTS_STREAM.stream(broker), verifier }
    }

    /// The public key they are verified by.
    pub fn verifier(&self) -> &LogVerifier {
        &self.verifier
    }

    /// Verifies the stream's configuration.
    pub async fn verify_config(&self) -> Result<(), CheckpointsError> {
        self.stream.verify().await?;
        Ok(())
    }

    /// The newest one.
    pub async fn last(&self) -> Result<Option<StoredCheckpoint>, CheckpointsError> {
        let last = self.stream.last_per_subject(CHECKPOINTS_SUBJECT).await?;
        last.first().map(|stored| self.verify_stored(stored)).transpose()
    }

    /// All of them, one after the other.
    pub fn cursor(&self) -> CheckpointCursor {
        CheckpointCursor {
            checkpoints: self.clone(),
            buffered: VecDeque::new(),
            position: 0,
            is_exhausted: false,
        }
    }

    fn verify_stored(&self, stored: &StoredMessage) -> Result<StoredCheckpoint, CheckpointsError> {
        let refused = |source| CheckpointsError::InvalidCheckpoint { number: stored.sequence, source };
        let note = std::str::from_utf8(&stored.payload).map_err(|_| refused(CheckpointError::Malformed))?;
        let head = self.verifier.open_checkpoint(note).map_err(refused)?;
        Ok(StoredCheckpoint { number: stored.sequence, note: note.to_owned(), head })
    }

    /// Appends a checkpoint directly after number `last`, else fails, so two notaries can't contradict each other.
    /// Returns the number of the new checkpoint.
    pub async fn append(appender: &Appender, last: u64, note: &str) -> Result<u64, AppendError> {
        let draft = NewMessage {
            subject: CHECKPOINTS_SUBJECT.to_owned(),
            id: None,
            headers: Vec::new(),
            expected: Some(ExpectedSequence {
                subject_filter: CHECKPOINTS_SUBJECT.to_owned(),
                sequence: last,
            }),
            payload: Bytes::copy_from_slice(note.as_bytes()),
        };
        appender.append(draft).await.map(|appended| appended.sequence)
    }
}

/// Every checkpoint in order, to be held against a tree that grows.
pub struct CheckpointCursor {
    checkpoints: CheckpointStream,
    buffered: VecDeque<Result<StoredCheckpoint, CheckpointsError>>,
    /// The position in the stream up to which they were read.
    position: u64,
    is_exhausted: bool,
}

impl CheckpointCursor {
    /// The size of the next one; `None` behind the last. One that does not hold is told once, and the walk goes on
    /// behind it.
    pub async fn peek_size(&mut self) -> Result<Option<u64>, CheckpointsError> {
        if self.buffered.is_empty() && !self.is_exhausted {
            let from = ScanFrom::Sequence(self.position + 1);
            let stored =
                self.checkpoints.stream.scan(from, CHECKPOINTS_SUBJECT, SCAN_CHECKPOINTS_MAX).await?;
            self.is_exhausted = stored.is_empty();
            self.position = stored.last().map_or(self.position, |last| last.sequence);
            self.buffered = stored.iter().map(|stored| self.checkpoints.verify_stored(stored)).collect();
        }
        match self.buffered.pop_front() {
            Some(Ok(next)) => {
                let size = next.head.size;
                self.buffered.push_front(Ok(next));
                Ok(Some(size))
            }
            Some(Err(error)) => Err(error),
            None => Ok(None),
        }
    }

    /// The next one, if [`CheckpointCursor::peek_size`] said that there is one.
    pub fn pop(&mut self) -> Option<StoredCheckpoint> {
        self.buffered.pop_front().and_then(Result::ok)
    }
}
