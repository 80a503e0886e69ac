//! Who may read the secrets.

use std::path::{Path, PathBuf};

use keys::{SecretFileError, check_private_mode};

use super::check_result::CheckResult;
use super::context::DoctorContext;
use crate::config::KekSource;

const NAME: &str = "file modes";

pub(super) fn check(patient: &DoctorContext) -> Vec<CheckResult> {
    let mut files = Vec::new();
    for folder in ["keys", "secrets"] {
        let entries = std::fs::read_dir(patient.data_dir.path(folder)).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path()));
    }
    let config = &patient.config;
    let kek = match &config.kek {
        KekSource::Local(source) => source.file(),
        KekSource::Kms(_) => None,
    };
    let named = [kek, config.pseudonym.file(), config.signing.file(), config.breakglass.key.file()];
    files.extend(named.into_iter().flatten().filter(|file| file.exists()).cloned());
    files.extend(config.tls.iter().map(|files| files.key.clone()));
    files.sort();
    files.dedup();
    if files.is_empty() {
        return vec![CheckResult::skip(NAME, "no secret file is here")];
    }
    let open: Vec<&PathBuf> = files.iter().filter(|file| is_readable_by_others(file)).collect();
    if open.is_empty() {
        return vec![CheckResult::pass(NAME, format!("{} secret files, for their owner alone", files.len()))];
    }
    let names: Vec<_> = open.iter().map(|file| file.display().to_string()).collect();
    let mend = format!("chmod 600 {}", names.join(" "));
    vec![CheckResult::fail(NAME, format!("{} of {} can be read by others", open.len(), files.len()), mend)]
}

/// A file that is not there can't be read by anybody.
fn is_readable_by_others(file: &Path) -> bool {
    matches!(check_private_mode(file), Err(SecretFileError::Mode { .. }))
}
