//! The health providers that are on, and the worker's secret.

use keys::TokenSealer;

use super::check_result::CheckResult;
use super::context::DoctorContext;
use crate::data_dir::TOKENS_CHECK_FILE;

pub(super) fn check(patient: &DoctorContext) -> Vec<CheckResult> {
    vec![check_enabled_providers(patient), check_tokens_secret(patient)]
}

/// What is known of a provider from others than itself is for the operator to check.
fn check_enabled_providers(patient: &DoctorContext) -> CheckResult {
    const NAME: &str = "health providers";
    let providers = &patient.config.providers;
    let on = providers.tables.iter().filter(|provider| providers.is_enabled(provider.name.as_str()));
    let on: Vec<_> = on
        .map(|provider| {
            let marks = [provider.evidence.oauth, provider.evidence.webhook].into_iter().flatten();
            let marks: Vec<_> = marks.map(|mark| mark.to_string()).collect();
            format!("{} (known from: {})", provider.name, marks.join(", "))
        })
        .collect();
    if on.is_empty() {
        CheckResult::skip(NAME, "none is named in [providers]")
    } else {
        CheckResult::pass(NAME, format!("{}; see `syncwell providers show`", on.join(", ")))
    }
}

/// Under another secret no connection's tokens open.
fn check_tokens_secret(patient: &DoctorContext) -> CheckResult {
    const NAME: &str = "the worker's secret";
    let Ok(secret) = patient.config.tokens.read() else {
        return CheckResult::skip(NAME, "it is not here");
    };
    match std::fs::read_to_string(patient.data_dir.path(TOKENS_CHECK_FILE)) {
        Err(_) => CheckResult::skip(NAME, format!("{TOKENS_CHECK_FILE} is not here")),
        Ok(check) if TokenSealer::new(secret).matches_fingerprint(check.trim()) => {
            CheckResult::pass(NAME, "the one that tokens are sealed under")
        }
        Ok(_) => CheckResult::fail(
            NAME,
            "another than the one that tokens are sealed under",
            "restore secrets/tokens from its backup; without it every user must connect anew",
        ),
    }
}
