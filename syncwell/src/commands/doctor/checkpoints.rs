//! Whether the notary keeps up: what no checkpoint covers has no receipt, and nobody would notice if it went.

use events::{Log, LogError};
use http_edge::system_clock;
use jetstream::Broker;
use jiff::SignedDuration;
use notary::Checkpoints;
use schemas::Sequence;

use super::{Check, Patient};
use crate::home::read_vkey;

const NAME: &str = "checkpoints";
/// A checkpoint comes 10 seconds after an event at the latest; and some for a loaded machine.
const UNCOVERED_MAX: SignedDuration = SignedDuration::from_secs(30);

pub(super) async fn check(patient: &Patient, broker: &Broker) -> Check {
    let Ok(verifier) = read_vkey(&patient.config.audit.log_vkey) else {
        return Check::skipped(NAME, "the log's public key is not here");
    };
    let covered = match Checkpoints::over(broker.clone(), verifier).last().await {
        Ok(newest) => newest.map_or(0, |newest| newest.head.size),
        Err(error) => {
            let mend = "`syncwell audit verify` says more";
            return Check::fail(NAME, format!("{:#}", anyhow::Error::from(error)), mend);
        }
    };
    match uncovered_for(&Log::over(broker.clone()), covered).await {
        Ok(uncovered) => judge(covered, uncovered),
        // The check of the log says why.
        Err(_) => Check::skipped(NAME, "the log can't be read"),
    }
}

fn judge(covered: u64, uncovered: Option<SignedDuration>) -> Check {
    match uncovered {
        None => Check::pass(NAME, format!("cover all {covered} events")),
        Some(age) if age <= UNCOVERED_MAX => {
            Check::pass(NAME, format!("cover {covered} events; the next is {} s old", age.as_secs()))
        }
        Some(age) => {
            let found = format!("cover {covered} events; the next waits since {} s", age.as_secs());
            Check::fail(NAME, found, "does the notary run? its log says why it signs nothing")
        }
    }
}

/// How long the first event waits that no checkpoint covers.
async fn uncovered_for(log: &Log, covered: u64) -> Result<Option<SignedDuration>, LogError> {
    let Some(next) = Sequence::new(covered + 1) else { return Ok(None) };
    let event = log.get(next).await?;
    Ok(event.map(|event| system_clock().duration_since(event.stored_at())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    #[test]
    fn an_event_may_wait_for_a_while() {
        let verdict = |seconds: Option<i64>| judge(7, seconds.map(SignedDuration::from_secs)).verdict;
        assert_eq!([None, Some(0), Some(30)].map(verdict), [Verdict::Pass; 3]);
        assert_eq!(verdict(Some(31)), Verdict::Fail);
    }
}
