//! The fold of a user's exports: asked for, and ready or failed.

use jiff::Timestamp;
use schemas::{ExportFailure, Outcome, Sequence};

/// What is known of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportState {
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Once it is ready.
    pub ready: Option<ReadyExport>,
    /// Why there is none.
    pub failed: Option<ExportFailure>,
}

/// An export that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyExport {
    /// The position of the log that it is of.
    pub position: Sequence,
    /// Bytes of the file.
    pub bytes: u64,
    /// When it is deleted.
    pub deleted_at: Timestamp,
}

/// What happened to an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportChange {
    /// A user wants one.
    Requested,
    /// It can be downloaded.
    Ready(ReadyExport),
    /// It can't be made.
    Failed(ExportFailure),
}

/// Folds a change. The first that ends it counts.
pub fn fold(
    export: Option<ExportState>,
    change: &ExportChange,
    time: Timestamp,
) -> (Option<ExportState>, Outcome) {
    match (export, change) {
        (None, ExportChange::Requested) => {
            (Some(ExportState { requested_at: time, ready: None, failed: None }), Outcome::Created)
        }
        (Some(export), ExportChange::Ready(ready)) if export.ready.is_none() && export.failed.is_none() => {
            (Some(ExportState { ready: Some(*ready), ..export }), Outcome::Merged)
        }
        (Some(export), ExportChange::Failed(why)) if export.ready.is_none() && export.failed.is_none() => {
            (Some(ExportState { failed: Some(*why), ..export }), Outcome::Merged)
        }
        (export, _) => (export, Outcome::Unchanged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_ends_once() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ready = ReadyExport { position: Sequence::FIRST, bytes: 7, deleted_at: at(9) };
        let failed = ExportChange::Failed(ExportFailure::NotMadeInTime);
        assert_eq!(fold(None, &ExportChange::Ready(ready), at(1)), (None, Outcome::Unchanged));
        let (asked, outcome) = fold(None, &ExportChange::Requested, at(1));
        assert_eq!((asked.unwrap().requested_at, outcome), (at(1), Outcome::Created));
        assert_eq!(fold(asked, &ExportChange::Requested, at(2)), (asked, Outcome::Unchanged));
        let (made, outcome) = fold(asked, &ExportChange::Ready(ready), at(3));
        assert_eq!((made.unwrap().ready, outcome), (Some(ready), Outcome::Merged));
        assert_eq!(fold(made, &failed, at(4)), (made, Outcome::Unchanged));
        let (lost, _) = fold(asked, &failed, at(3));
        assert_eq!(lost.unwrap().failed, Some(ExportFailure::NotMadeInTime));
        assert_eq!(fold(lost, &ExportChange::Ready(ready), at(4)), (lost, Outcome::Unchanged));
    }
}
