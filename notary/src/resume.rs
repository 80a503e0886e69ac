//! Decides from what was signed whether the notary continues its tree, rebuilds it, or may sign nothing. Pure.

use jetstream::FollowError;
use notary_client::StoredCheckpoint;
use tlog::TreeHead;

use crate::incident::NotaryIncident;

/// Name of the checkpoint beside the tiles, in incidents.
pub(crate) const PUBLISHED_CHECKPOINT: &str = "the checkpoint published beside the tiles";

/// How the notary gets the tree that it extends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResumePlan<'c> {
    /// Continue the tree of the newest checkpoint: as far as is known, the tiles belong to it.
    Continue(&'c StoredCheckpoint),
    /// Read the log from its first event to this size and compare it with everything that was signed.
    Rebuild { size: u64 },
}

/// Plans the start of a round. `signed`: the newest checkpoint in the stream; `published`: head of the checkpoint beside
/// the tiles, which survives the loss of the broker's files.
pub(crate) fn plan_resume(
    log_last: u64,
    signed: Option<&StoredCheckpoint>,
    published: Option<TreeHead>,
    are_tiles_damaged: bool,
) -> Result<ResumePlan<'_>, NotaryIncident> {
    let signed_size = signed.map_or(0, |checkpoint| checkpoint.head.size);
    let newest_size = signed_size.max(published.map_or(0, |head| head.size));
    if log_last < newest_size {
        return Err(NotaryIncident::Truncated { last: log_last, signed: newest_size });
    }
    match signed {
        Some(checkpoint) if newest_size == signed_size && !are_tiles_damaged => {
            Ok(ResumePlan::Continue(checkpoint))
        }
        _ => Ok(ResumePlan::Rebuild { size: newest_size }),
    }
}

/// Compares a growing tree with what was signed at the same size.
pub(crate) fn verify_head(
    head: TreeHead,
    checkpoint: Option<&StoredCheckpoint>,
    published: Option<TreeHead>,
) -> Result<(), NotaryIncident> {
    let differs = |signed: TreeHead| signed.size == head.size && signed != head;
    if let Some(checkpoint) = checkpoint.filter(|checkpoint| differs(checkpoint.head)) {
        return Err(checkpoint_mismatch(checkpoint));
    }
    match published.filter(|published| differs(*published)) {
        Some(published) => Err(published_mismatch(published)),
        None => Ok(()),
    }
}

/// The log is not the one that this checkpoint was signed for.
pub(crate) fn checkpoint_mismatch(checkpoint: &StoredCheckpoint) -> NotaryIncident {
    let name = format!("checkpoint {}", checkpoint.number);
    NotaryIncident::LogMismatch { size: checkpoint.head.size, checkpoint: name }
}

/// The log is not the one that the published checkpoint was signed for.
pub(crate) fn published_mismatch(published: TreeHead) -> NotaryIncident {
    NotaryIncident::LogMismatch { size: published.size, checkpoint: PUBLISHED_CHECKPOINT.to_owned() }
}

/// Tells a lost event from a consumer that another notary moved: then the log holds the expected event.
pub(crate) fn is_gap(error: &FollowError, holds_expected: bool) -> bool {
    matches!(error, FollowError::Gap { expected, found } if found > expected && !holds_expected)
}

#[cfg(test)]
mod tests {
    use tlog::Hash;

    use super::*;

    fn head(size: u64, byte: u8) -> TreeHead {
        TreeHead { size, root: Hash::from_bytes([byte; 32]) }
    }

    fn checkpoint(size: u64) -> StoredCheckpoint {
        StoredCheckpoint { number: 3, note: String::new(), head: head(size, 1) }
    }

    #[test]
    fn an_untouched_log_continues() {
        let signed = checkpoint(5);
        for (log_last, published) in [
            (5, Some(signed.head)),
            // A kill before the checkpoint was published, of the first and of a later one.
            (9, None),
            (9, Some(head(3, 2))),
        ] {
            let plan = plan_resume(log_last, Some(&signed), published, false).unwrap();
            assert_eq!(plan, ResumePlan::Continue(&signed), "{published:?}");
        }
    }

    #[test]
    fn without_a_trusted_checkpoint_and_tiles_the_log_is_read_again() {
        let signed = checkpoint(5);
        for (what, log_last, signed, published, are_tiles_damaged, size) in [
            ("nothing was signed", 0, None, None, false, 0),
            ("nothing was signed yet", 9, None, None, false, 0),
            ("the tiles are damaged", 9, Some(&signed), None, true, 5),
            ("the stream lost its newest checkpoint", 9, Some(&signed), Some(head(7, 1)), false, 7),
            ("the stream lost every checkpoint", 9, None, Some(head(7, 1)), false, 7),
        ] {
            let plan = plan_resume(log_last, signed, published, are_tiles_damaged).unwrap();
            assert_eq!(plan, ResumePlan::Rebuild { size }, "{what}");
        }
    }

    #[test]
    fn a_log_that_ends_before_what_was_signed_stops_the_notary() {
        let signed = checkpoint(5);
        for (log_last, signed, published, newest) in [
            (4, Some(&signed), None, 5),
            (4, Some(&signed), Some(head(3, 1)), 5),
            (6, Some(&signed), Some(head(7, 1)), 7),
            (0, None, Some(head(1, 1)), 1),
        ] {
            for are_tiles_damaged in [false, true] {
                let incident = plan_resume(log_last, signed, published, are_tiles_damaged).unwrap_err();
                let NotaryIncident::Truncated { last, signed } = incident else { panic!("{incident}") };
                assert_eq!((last, signed), (log_last, newest));
            }
        }
    }

    #[test]
    fn a_root_that_was_not_signed_is_an_incident() {
        let checkpoint = checkpoint(5);
        let published = Some(head(5, 1));
        assert!(verify_head(head(5, 1), Some(&checkpoint), published).is_ok());
        assert!(verify_head(head(4, 9), Some(&checkpoint), published).is_ok(), "another size says nothing");
        assert!(verify_head(head(5, 9), None, None).is_ok());
        for (checkpoint, published, name) in [
            (Some(&checkpoint), None, "checkpoint 3"),
            (Some(&checkpoint), Some(head(5, 2)), "checkpoint 3"),
            (None, published, PUBLISHED_CHECKPOINT),
        ] {
            let incident = verify_head(head(5, 2), checkpoint, published).unwrap_err();
            let NotaryIncident::LogMismatch { size, checkpoint } = incident else { panic!("{incident}") };
            assert_eq!((size, checkpoint.as_str()), (5, name));
        }
    }

    #[test]
    fn only_a_gap_that_the_log_confirms_is_one() {
        let gap = FollowError::Gap { expected: 5, found: 7 };
        assert!(is_gap(&gap, false));
        assert!(!is_gap(&gap, true));
        assert!(!is_gap(&FollowError::Gap { expected: 5, found: 1 }, false), "the consumer was moved back");
        assert!(!is_gap(&FollowError::Interrupted(None), false));
    }
}
