//! The log from one position to another, in order and whole, whatever the connection does meanwhile.

use std::time::Duration;

use jetstream::{FollowError, INCIDENT_ADVICE};
use schemas::Sequence;
use tokio::time::sleep;

use super::{Log, LogConsumerName, LogFollower, RecordedEvent};

/// How often reading is tried again where nothing at all has come since the last time.
const RETRIES_MAX: usize = 20;
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Why the log can't be read to the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadRangeError {
    /// The broker does not let itself be read, again and again.
    #[error("the log can't be read now, or somebody else reads it with the same role at the same time")]
    Unavailable(#[source] FollowError),
    /// Events are missing.
    #[error(
        "INCIDENT: the log has a hole: sequence {expected} is missing, {found} follows. {advice}",
        advice = INCIDENT_ADVICE
    )]
    Gap {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
}

/// A stretch of the log, being read.
pub struct LogRangeReader {
    log: Log,
    reader: LogConsumerName,
    position: Option<Sequence>,
    last: Sequence,
    follower: Option<LogFollower>,
    retries: usize,
}

impl LogRangeReader {
    pub(super) fn new(log: Log, reader: LogConsumerName, position: Option<Sequence>, last: Sequence) -> Self {
        Self { log, reader, position, last, follower: None, retries: 0 }
    }

    /// Goes on to a later end.
    pub fn extend(&mut self, last: Sequence) {
        self.last = self.last.max(last);
    }

    /// The next events; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, ReadRangeError> {
        loop {
            if self.position >= Some(self.last) {
                return Ok(None);
            }
            match self.next_batch().await {
                Ok(mut events) => {
                    events.retain(|event| event.sequence() <= self.last);
                    if let Some(event) = events.last() {
                        (self.position, self.retries) = (Some(event.sequence()), 0);
                        return Ok(Some(events));
                    }
                }
                Err(error) => self.handle_follow_error(error).await?,
            }
        }
    }

    async fn next_batch(&mut self) -> Result<Vec<RecordedEvent>, FollowError> {
        let follower = match &mut self.follower {
            Some(follower) => follower,
            None => {
                let follower = self.log.follow(self.reader, self.position).await?;
                self.follower.insert(follower)
            }
        };
        follower.next().await
    }

    /// Whoever else reads as the same role moves the consumer: what that looks like is no hole.
    async fn handle_follow_error(&mut self, error: FollowError) -> Result<(), ReadRangeError> {
        self.follower = None;
        if let FollowError::Gap { expected, found } = error
            && found > expected
            && !self.log.contains(expected).await
        {
            return Err(ReadRangeError::Gap { expected, found });
        }
        self.retries += 1;
        if self.retries > RETRIES_MAX {
            return Err(ReadRangeError::Unavailable(error));
        }
        sleep(RETRY_INTERVAL).await;
        Ok(())
    }
}
