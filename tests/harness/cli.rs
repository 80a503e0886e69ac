//! Commands as a person types them, and what came of them.

use std::path::Path;

use serde_json::Value;

use super::run_syncwell_in;

/// What a command came to.
pub(crate) struct CliOutput {
    pub(crate) exit_code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CliOutput {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}", self.combined_output()))
    }

    /// Both, for an assertion's message.
    pub(crate) fn combined_output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a command that finds its installation through its data folder.
pub(crate) fn run_cli(data_dir: &Path, arguments: &[&str]) -> CliOutput {
    let output = run_syncwell_in(data_dir, arguments);
    CliOutput {
        exit_code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn read_text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
