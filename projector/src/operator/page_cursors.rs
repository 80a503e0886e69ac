//! Where the next page of an answer begins.
//!
//! The first page of contents is told after the access to all of them is in the log; whoever wants a later page shows what
//! the first one gave out. So nobody begins in the middle.

use std::collections::VecDeque;

use events::new_event_id;
use parking_lot::Mutex;
use runtime::Clock;

/// Cursors that are remembered; the oldest go first.
const CURSORS_MAX: usize = 256;

/// Cursors that were given out, for what, and the key that they stand for.
pub(crate) struct PageCursors {
    clock: Clock,
    issued: Mutex<VecDeque<(String, String, Vec<u8>)>>,
}

impl PageCursors {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, issued: Mutex::default() }
    }

    /// A cursor behind a key of this answer: unguessable, and good once.
    pub(super) fn issue(&self, of: &str, key: Vec<u8>) -> String {
        let cursor = new_event_id((self.clock)()).to_string();
        let mut given = self.issued.lock();
        given.push_back((cursor.clone(), of.to_owned(), key));
        if given.len() > CURSORS_MAX {
            given.pop_front();
        }
        cursor
    }

    /// The key that a cursor of this answer stands for.
    pub(super) fn redeem(&self, of: &str, cursor: &str) -> Result<Vec<u8>, String> {
        let mut given = self.issued.lock();
        let at = given.iter().position(|(known, of_answer, _)| known == cursor && of_answer == of);
        let taken = at.and_then(|at| given.remove(at)).map(|(_, _, key)| key);
        taken.ok_or_else(|| "that page is not known any more; begin again".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_one_answer_and_good_once() {
        let cursors = PageCursors::new(|| jiff::Timestamp::UNIX_EPOCH);
        let (one, other) = (cursors.issue("rows", vec![1]), cursors.issue("rows", vec![2]));
        assert_ne!(one, other);
        assert!(cursors.redeem("differences", &one).is_err());
        assert_eq!(cursors.redeem("rows", &one), Ok(vec![1]));
        assert!(cursors.redeem("rows", &one).is_err());
        assert!(cursors.redeem("rows", "").is_err());
        (0..CURSORS_MAX).for_each(|_| drop(cursors.issue("rows", vec![3])));
        assert!(cursors.redeem("rows", &other).is_err(), "the oldest went");
    }
}
