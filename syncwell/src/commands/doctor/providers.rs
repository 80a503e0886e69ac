//! The health providers that are on, and the worker's secret.

use keys::TokenSealer;

use super::{Check, Patient};
use crate::home::TOKENS_CHECK;

pub(super) fn check(patient: &Patient) -> Vec<Check> {
    vec![known(patient), secret(patient)]
}

/// What is known of a provider from others than itself is for the operator to check.
fn known(patient: &Patient) -> Check {
    const NAME: &str = "health providers";
    let providers = &patient.config.providers;
    let on = providers.tables.iter().filter(|provider| providers.is_on(provider.name.as_str()));
    let on: Vec<_> = on
        .map(|provider| {
            let marks = [provider.evidence.oauth, provider.evidence.webhook].into_iter().flatten();
            let marks: Vec<_> = marks.map(|mark| mark.to_string()).collect();
            format!("{} (known from: {})", provider.name, marks.join(", "))
        })
        .collect();
    if on.is_empty() {
        Check::skipped(NAME, "none is named in [providers]")
    } else {
        Check::pass(NAME, format!("{}; see `syncwell providers show`", on.join(", ")))
    }
}

/// Under another secret no connection's tokens open.
fn secret(patient: &Patient) -> Check {
    const NAME: &str = "the worker's secret";
    let Ok(secret) = patient.config.tokens.read() else {
        return Check::skipped(NAME, "it is not here");
    };
    match std::fs::read_to_string(patient.home.path(TOKENS_CHECK)) {
        Err(_) => Check::skipped(NAME, format!("{TOKENS_CHECK} is not here")),
        Ok(check) if TokenSealer::new(secret).matches_fingerprint(check.trim()) => {
            Check::pass(NAME, "the one that tokens are sealed under")
        }
        Ok(_) => Check::fail(
            NAME,
            "another than the one that tokens are sealed under",
            "restore secrets/tokens from its backup; without it every user must connect anew",
        ),
    }
}
