//! A stream read from its beginning, page by page, by direct gets.

use jetstream::{ReadError, ScanFrom, StoredMessage, Stream};

use crate::limits::PAGE_MAX;
use crate::retry::BoundedRetry;

/// Where reading stands.
pub(crate) struct StreamPages<'s> {
    stream: &'s Stream,
    subject: &'static str,
    position: u64,
}

impl<'s> StreamPages<'s> {
    /// The messages under `subject`, which may have wildcards.
    pub(crate) fn new(stream: &'s Stream, subject: &'static str) -> Self {
        Self { stream, subject, position: 0 }
    }

    /// The sequence of the last message that was read, 0 before the first.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on behind this sequence.
    pub(crate) fn skip_to(&mut self, position: u64) {
        self.position = position;
    }

    /// The next messages; empty where there are none yet.
    pub(crate) async fn next_page(&mut self) -> Result<Vec<StoredMessage>, ReadError> {
        let mut tries = BoundedRetry::new();
        loop {
            let from = ScanFrom::Sequence(self.position + 1);
            match self.stream.scan(from, self.subject, PAGE_MAX).await {
                Ok(page) => {
                    self.position = page.last().map_or(self.position, |stored| stored.sequence);
                    return Ok(page);
                }
                Err(ReadError::Unavailable) if tries.wait_for_next().await => {}
                Err(error) => return Err(error),
            }
        }
    }
}
