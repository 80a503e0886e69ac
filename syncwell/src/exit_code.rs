//! Exit codes (contract, section 7): 0 done, 1 a check failed, 2 usage, 3 could not reach something.

use std::process::ExitCode;

/// A check failed, or something went wrong that is neither of the others.
pub(crate) const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;

/// The command was called wrongly.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Something that the command needs does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UnreachableError(pub(crate) String);

/// Says what went wrong, with its causes, and what that means for whoever called.
#[expect(clippy::print_stderr, reason = "the last word of the process")]
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("syncwell: {error:#}");
    ExitCode::from(classify(error))
}

fn classify(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<UsageError>() {
            return USAGE;
        }
        let unreachable = cause.is::<UnreachableError>()
            || cause.is::<jetstream::ConnectError>()
            || cause.is::<jetstream::RequestError>()
            || cause.is::<client::TransportError>()
            || matches!(cause.downcast_ref(), Some(client::PostError::Transport(_)))
            || matches!(cause.downcast_ref(), Some(jetstream::ReadError::Unavailable))
            || matches!(cause.downcast_ref(), Some(projector::OperatorError::Unavailable(_)))
            || matches!(cause.downcast_ref(), Some(notary_client::FetchProofError::Unavailable(_)));
        if unreachable {
            return UNREACHABLE;
        }
    }
    FAILED
}
