//! Which event it is: a root that does not hold says that something before it was changed, and no more.

use events::{Log, LogConsumerName};
use jetstream::Broker;
use notary_client::{FetchProofError, fetch_consistency_proof};
use schemas::Sequence;
use tlog::{Frontier, Hash, LogVerifier, TreeHead};

/// Events between two checkpoints among which one is looked for.
const BISECT_EVENTS_MAX: u64 = 1_000_000;

/// The first event that is not the one that was signed, between the last checkpoint that holds and the first that does
/// not: the notary still has the tree as it was, and proves of each length of the log whether it begins like that.
/// `None` where it can't tell.
pub(super) async fn find_first_changed(
    broker: &Broker,
    verifier: &LogVerifier,
    good: &Frontier,
    broken: TreeHead,
) -> anyhow::Result<Option<u64>> {
    if broken.size.checked_sub(good.size()).is_none_or(|events| events > BISECT_EVENTS_MAX) {
        return Ok(None);
    }
    let Some(last) = Sequence::new(broken.size) else { return Ok(None) };
    let mut stretch =
        Log::new(broker.clone()).read_range(LogConsumerName::Auditor, Sequence::new(good.size()), last);
    let mut leaves = Vec::new();
    while let Some(events) = stretch.next().await? {
        leaves.extend(events.iter().map(|event| Hash::from_leaf(event.bytes())));
    }
    // The length at which the log is still what was signed, and one at which it is not any more.
    let (mut holds, mut broken_at) = (0, leaves.len());
    while broken_at - holds > 1 {
        let middle = holds + (broken_at - holds) / 2;
        match is_signed_prefix(broker, verifier, good, &leaves[..middle]).await? {
            Some(true) => holds = middle,
            Some(false) => broken_at = middle,
            None => return Ok(None),
        }
    }
    Ok(Some(good.size() + broken_at as u64))
}

async fn is_signed_prefix(
    broker: &Broker,
    verifier: &LogVerifier,
    good: &Frontier,
    leaves: &[Hash],
) -> anyhow::Result<Option<bool>> {
    let mut tree = good.clone();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    let head = TreeHead { size: tree.size(), root: tree.root() };
    match fetch_consistency_proof(broker, verifier, head).await {
        Ok(_) => Ok(Some(true)),
        Err(FetchProofError::InvalidProof(_)) => Ok(Some(false)),
        Err(
            FetchProofError::Unavailable(_)
            | FetchProofError::NotYet
            | FetchProofError::Refused(_)
            | FetchProofError::OtherKey(_),
        ) => Ok(None),
    }
}
