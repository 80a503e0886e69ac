//! Result of a check.

use serde::Serialize;

/// Verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Pass,
    Fail,
    /// The check needs something that is not on this machine, for instance another role's seed.
    Skipped,
}

/// Result of one check: one line of the table.
#[derive(Debug, Serialize)]
pub(super) struct CheckResult {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl CheckResult {
    pub(super) fn pass(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Pass, found: found.into(), mend: None }
    }

    pub(super) fn fail(name: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { name: name.into(), verdict: Verdict::Fail, found: found.into(), mend }
    }

    pub(super) fn skip(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Skipped, found: why.into(), mend: None }
    }

    /// The cells of the table.
    pub(super) fn to_row(&self) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Skipped => "skipped",
        };
        vec![self.name.clone(), verdict.to_owned(), self.found.clone()]
    }
}
