//! What an audit found.

use serde::Serialize;

use crate::terminal::print;

/// Findings that are told one by one.
const FINDINGS_SHOWN_MAX: usize = 100;
/// Findings that are kept until it is known which of them were left out.
const FINDINGS_COLLECTED_MAX: usize = 100_000;
/// The kind of a finding that an event is not the one that was signed.
pub(super) const KIND_CHANGED: &str = "changed";

/// Everything that an audit says.
#[derive(Debug, Serialize)]
pub(super) struct AuditReport {
    /// Whether everything holds.
    pub(super) holds: bool,
    /// The first sequence at which something does not.
    pub(super) first_bad_sequence: Option<u64>,
    /// The log's name.
    pub(super) origin: String,
    /// Events read.
    pub(super) events: u64,
    /// The root over them.
    pub(super) root: String,
    /// Checkpoints that hold.
    pub(super) checkpoints: u64,
    /// The size of the newest of them.
    pub(super) signed: u64,
    /// Phones' signatures that were verified again; `null` where nothing was opened.
    pub(super) signatures: Option<u64>,
    /// Events of users who were erased, which nobody can open.
    pub(super) erased: Option<u64>,
    /// What was found of the view.
    pub(super) view: Option<ViewFinding>,
    /// What does not hold, by sequence.
    pub(super) findings: Vec<Finding>,
    /// How many findings there are in all.
    pub(super) findings_total: u64,
    /// Events that operators left out, and why.
    pub(super) left_out: Vec<DiscardNotice>,
}

/// An event that is left out of every view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct DiscardNotice {
    pub(super) sequence: u64,
    /// Who said so.
    pub(super) by: String,
    pub(super) reason: String,
}

/// What an audit says of the view.
#[derive(Debug, Serialize)]
pub(super) struct ViewFinding {
    pub(super) position: u64,
    pub(super) digest: String,
    /// What the log folds to, where it was folded.
    pub(super) expected: Option<String>,
    pub(super) parked: u64,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Where; for something that is of no single event, none.
    pub(super) sequence: Option<u64>,
    /// In a word.
    pub(super) kind: &'static str,
    /// In a sentence.
    pub(super) detail: String,
}

impl AuditReport {
    pub(super) fn new(origin: &str) -> Self {
        Self {
            holds: true,
            first_bad_sequence: None,
            origin: origin.to_owned(),
            events: 0,
            root: String::new(),
            checkpoints: 0,
            signed: 0,
            signatures: None,
            erased: None,
            view: None,
            findings: Vec::new(),
            findings_total: 0,
            left_out: Vec::new(),
        }
    }

    /// Something does not hold.
    pub(super) fn add_finding(
        &mut self,
        sequence: Option<u64>,
        kind: &'static str,
        detail: impl Into<String>,
    ) {
        self.holds = false;
        self.findings_total += 1;
        if let Some(sequence) = sequence {
            let first = self.first_bad_sequence.get_or_insert(sequence);
            *first = sequence.min(*first);
        }
        if self.findings.len() < FINDINGS_COLLECTED_MAX {
            self.findings.push(Finding { sequence, kind, detail: detail.into() });
        }
    }

    /// What an operator left out, with a reason that stands in the log, is known: an event that is no event is told as that
    /// and not as a finding. One that is not what was signed stays one.
    pub(super) fn set_discarded(&mut self, left_out: Vec<DiscardNotice>) {
        let is_known = |finding: &Finding| {
            finding.kind != KIND_CHANGED
                && left_out.iter().any(|left| Some(left.sequence) == finding.sequence)
        };
        let before = self.findings.len();
        self.findings.retain(|finding| !is_known(finding));
        self.findings_total -= (before - self.findings.len()) as u64;
        self.holds = self.findings_total == 0;
        self.first_bad_sequence = self.findings.iter().filter_map(|finding| finding.sequence).min();
        self.left_out = left_out;
    }

    /// As much as is told.
    pub(super) fn truncate_findings(&mut self) {
        self.findings.sort_by_key(|finding| finding.sequence.unwrap_or(u64::MAX));
        self.findings.truncate(FINDINGS_SHOWN_MAX);
    }

    pub(super) fn print_text(&self) {
        for Finding { sequence, kind, detail } in &self.findings {
            let at = sequence.map_or_else(String::new, |sequence| format!("sequence {sequence}: "));
            print(format_args!("BAD  {at}{detail} ({kind})"));
        }
        for DiscardNotice { sequence, by, reason } in &self.left_out {
            print(format_args!("left out     {sequence}, by {by}: {reason}"));
        }
        print(format_args!("log          {}", self.origin));
        print(format_args!("events       {}", self.events));
        print(format_args!("root         {}", self.root));
        print(format_args!(
            "checkpoints  {} hold, the newest is of {} events",
            self.checkpoints, self.signed
        ));
        match self.signatures {
            Some(signatures) => print(format_args!("signatures   {signatures} of phones verify")),
            None => print("signatures   not looked at (--reveal)"),
        }
        match &self.view {
            Some(view) => print(format_args!(
                "view         position {}, digest {}{}",
                view.position,
                view.digest,
                match &view.expected {
                    Some(expected) if *expected == view.digest =>
                        ", which is what the log folds to".to_owned(),
                    Some(expected) => format!(", but the log folds to {expected}"),
                    None => ", of this log; what it folds to was not looked at (--reveal)".to_owned(),
                }
            )),
            None => print("view         not asked: no projector answers"),
        }
        match (self.holds, self.first_bad_sequence) {
            (true, _) => print("everything holds"),
            (false, Some(sequence)) => {
                print(format_args!("it does NOT hold: the first bad sequence is {sequence}"))
            }
            (false, None) => print("it does NOT hold"),
        }
    }
}
