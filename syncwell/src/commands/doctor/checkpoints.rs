//! Whether the notary keeps up: what no checkpoint covers has no receipt, and nobody would notice if it went.

use events::{Log, LogError};
use jetstream::Broker;
use jiff::SignedDuration;
use notary_client::CheckpointStream;
use runtime::system_clock;
use schemas::Sequence;

use super::check_result::CheckResult;
use super::context::DoctorContext;
use crate::data_dir::read_vkey;

const NAME: &str = "checkpoints";
/// A checkpoint comes 10 seconds after an event at the latest; and some for a loaded machine.
const UNCOVERED_MAX: SignedDuration = SignedDuration::from_secs(30);

pub(super) async fn check(patient: &DoctorContext, broker: &Broker) -> CheckResult {
    let Ok(verifier) = read_vkey(&patient.config.audit.log_vkey) else {
        return CheckResult::skip(NAME, "the log's public key is not here");
    };
    let covered = match CheckpointStream::new(broker.clone(), verifier).last().await {
        Ok(newest) => newest.map_or(0, |newest| newest.head.size),
        Err(error) => {
            let mend = "`syncwell audit verify` says more";
            return CheckResult::fail(NAME, format!("{:#}", anyhow::Error::from(error)), mend);
        }
    };
    match uncovered_age(&Log::new(broker.clone()), covered).await {
        Ok(uncovered) => classify(covered, uncovered),
        // The check of the log says why.
        Err(_) => CheckResult::skip(NAME, "the log can't be read"),
    }
}

fn classify(covered: u64, uncovered: Option<SignedDuration>) -> CheckResult {
    match uncovered {
        None => CheckResult::pass(NAME, format!("cover all {covered} events")),
        Some(age) if age <= UNCOVERED_MAX => {
            CheckResult::pass(NAME, format!("cover {covered} events; the next is {} s old", age.as_secs()))
        }
        Some(age) => {
            let found = format!("cover {covered} events; the next waits since {} s", age.as_secs());
            CheckResult::fail(NAME, found, "does the notary run? its log says why it signs nothing")
        }
    }
}

/// How long the first event waits that no checkpoint covers.
async fn uncovered_age(log: &Log, covered: u64) -> Result<Option<SignedDuration>, LogError> {
    let Some(next) = Sequence::new(covered + 1) else { return Ok(None) };
    let event = log.get(next).await?;
    Ok(event.map(|event| system_clock().duration_since(event.stored_at())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check_result::Verdict;

    #[test]
    fn an_event_may_wait_for_a_while() {
        let verdict = |seconds: Option<i64>| classify(7, seconds.map(SignedDuration::from_secs)).verdict;
        assert_eq!([None, Some(0), Some(30)].map(verdict), [Verdict::Pass; 3]);
        assert_eq!(verdict(Some(31)), Verdict::Fail);
    }
}
