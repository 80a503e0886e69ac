//! The fold of a user's exports: asked for, and ready or failed.

use events::ExportEvent;
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

/// Folds an event. The first that ends it counts.
pub fn fold(
    export: Option<ExportState>,
    event: &ExportEvent,
    time: Timestamp,
) -> (Option<ExportState>, Outcome) {
    let is_over = export.is_some_and(|export| export.ready.is_some() || export.failed.is_some());
    match (export, event) {
        (None, ExportEvent::Requested(_)) => {
            (Some(ExportState { requested_at: time, ready: None, failed: None }), Outcome::Created)
        }
        (Some(export), ExportEvent::Ready(ready)) if !is_over => {
            let ready =
                ReadyExport { position: ready.position, bytes: ready.bytes, deleted_at: ready.deleted_at };
            (Some(ExportState { ready: Some(ready), ..export }), Outcome::Merged)
        }
        (Some(export), ExportEvent::Failed(failed)) if !is_over => {
            (Some(ExportState { failed: Some(failed.code), ..export }), Outcome::Merged)
        }
        (export, _) => (export, Outcome::Unchanged),
    }
}

#[cfg(test)]
mod tests {
    use events::{ExportFailed, ExportReady, ExportRequested};
    use keys::ExportId;

    use super::*;

    #[test]
    fn an_export_ends_once() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ready = ReadyExport { position: Sequence::FIRST, bytes: 7, deleted_at: at(9) };
        let export_id = ExportId::from_bytes([7; 16]);
        let requested = ExportEvent::Requested(ExportRequested { export_id, jti: None });
        let (position, bytes, deleted_at) = (ready.position, ready.bytes, ready.deleted_at);
        let made = ExportEvent::Ready(ExportReady { export_id, position, bytes, deleted_at });
        let failed = ExportEvent::Failed(ExportFailed { export_id, code: ExportFailure::NotMadeInTime });
        assert_eq!(fold(None, &made, at(1)), (None, Outcome::Unchanged));
        let (asked, outcome) = fold(None, &requested, at(1));
        assert_eq!((asked.unwrap().requested_at, outcome), (at(1), Outcome::Created));
        assert_eq!(fold(asked, &requested, at(2)), (asked, Outcome::Unchanged));
        let (ended, outcome) = fold(asked, &made, at(3));
        assert_eq!((ended.unwrap().ready, outcome), (Some(ready), Outcome::Merged));
        assert_eq!(fold(ended, &failed, at(4)), (ended, Outcome::Unchanged));
        let (lost, _) = fold(asked, &failed, at(3));
        assert_eq!(lost.unwrap().failed, Some(ExportFailure::NotMadeInTime));
        assert_eq!(fold(lost, &made, at(4)), (lost, Outcome::Unchanged));
    }
}
