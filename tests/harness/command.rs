//! Commands as a person types them, and what came of them.

use std::path::Path;

use serde_json::Value;

use super::command_in;

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) complaint: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    /// Both, for an assertion's message.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.output, self.complaint)
    }
}

/// Runs a command that finds its installation through its data folder.
pub(crate) fn run_in(data_dir: &Path, arguments: &[&str]) -> Ran {
    let output = command_in(data_dir, arguments);
    Ran {
        code: output.status.code(),
        output: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
