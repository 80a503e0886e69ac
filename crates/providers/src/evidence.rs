//! How well a table's facts are established. An operator reads this before going live.

use std::fmt;

use crate::table_reader::Section;

/// Where a fact comes from, the best source first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceLevel {
    /// The provider's own documents say so.
    Documented,
    /// Read in the source of the standard or of the provider's own library.
    Source,
    /// Others' code that works with the provider does so.
    ThirdParty,
    /// Sources contradict each other; the note says how the table settles it.
    Conflicting,
    /// Nothing was found; the table has the careful guess.
    Assumed,
}

/// The marks of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Of `[oauth]`; there exactly if that is.
    pub oauth: Option<EvidenceLevel>,
    /// Of `[webhook]`; there exactly if that is.
    pub webhook: Option<EvidenceLevel>,
    /// What an operator must check before going live.
    pub note: String,
}

const LEVELS: [(&str, EvidenceLevel); 5] = [
    ("documented", EvidenceLevel::Documented),
    ("source", EvidenceLevel::Source),
    ("third_party", EvidenceLevel::ThirdParty),
    ("conflicting", EvidenceLevel::Conflicting),
    ("assumed", EvidenceLevel::Assumed),
];

impl Evidence {
    pub(crate) fn parse(section: &mut Section, has_oauth: bool, has_webhook: bool) -> Option<Self> {
        section.require_keys(&["note"]);
        let note = section.string("note");
        if note.as_ref().is_some_and(|note| note.trim().is_empty()) {
            section.add_error("note", "must say what an operator has to check");
        }
        let mut mark = |key, has| {
            match (section.contains(key), has) {
                (false, true) => section.add_error(key, format!("is missing: there is a section [{key}]")),
                (true, false) => section.add_error(key, format!("is there without a section [{key}]")),
                (false, false) | (true, true) => {}
            }
            section.choice(key, &LEVELS)
        };
        let (oauth, webhook) = (mark("oauth", has_oauth), mark("webhook", has_webhook));
        Some(Self { oauth, webhook, note: note? })
    }
}

impl fmt::Display for EvidenceLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documented => "documented",
            Self::Source => "source",
            Self::ThirdParty => "third_party",
            Self::Conflicting => "conflicting",
            Self::Assumed => "assumed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_written_as_they_are_read() {
        for (text, mark) in LEVELS {
            assert_eq!(mark.to_string(), text);
        }
    }
}
