//! Bodies of requests other than summaries: objects of texts and flags.

mod connection;
mod device;
mod device_report;
mod erasure;
mod export;

#[cfg(test)]
use crate::{ReadBodyError, ViolationCode};

/// Pointers and codes of the violations, by pointer.
#[cfg(test)]
fn violations<T>(read: Result<T, ReadBodyError>) -> Vec<(String, ViolationCode)> {
    let mut violations: Vec<_> = match read {
        Ok(_) => Vec::new(),
        Err(ReadBodyError::NotJson) => panic!("it is JSON"),
        Err(ReadBodyError::Violations(violations)) => {
            violations.listed.into_iter().map(|violation| (violation.pointer, violation.code)).collect()
        }
    };
    violations.sort_by(|one, other| one.0.cmp(&other.0));
    violations
}
