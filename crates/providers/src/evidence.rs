//! How well a table's facts are established. An operator reads this before going live.

use std::fmt;

use crate::reader::Section;

/// Where a fact comes from, the best source first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceMark {
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
    pub oauth: Option<EvidenceMark>,
    /// Of `[webhook]`; there exactly if that is.
    pub webhook: Option<EvidenceMark>,
    /// What an operator must check before going live.
    pub note: String,
}

const MARKS: [(&str, EvidenceMark); 5] = [
    ("documented", EvidenceMark::Documented),
    ("source", EvidenceMark::Source),
    ("third_party", EvidenceMark::ThirdParty),
    ("conflicting", EvidenceMark::Conflicting),
    ("assumed", EvidenceMark::Assumed),
];

impl Evidence {
    pub(crate) fn parse(section: &mut Section, has_oauth: bool, has_webhook: bool) -> Option<Self> {
        section.demand(&["note"]);
        let note = section.text("note");
        if note.as_ref().is_some_and(|note| note.trim().is_empty()) {
            section.refuse("note", "must say what an operator has to check");
        }
        let mut mark = |key, has| {
            match (section.has(key), has) {
                (false, true) => section.refuse(key, format!("is missing: there is a section [{key}]")),
                (true, false) => section.refuse(key, format!("is there without a section [{key}]")),
                (false, false) | (true, true) => {}
            }
            section.choice(key, &MARKS)
        };
        let (oauth, webhook) = (mark("oauth", has_oauth), mark("webhook", has_webhook));
        Some(Self { oauth, webhook, note: note? })
    }
}

impl fmt::Display for EvidenceMark {
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
        for (text, mark) in MARKS {
            assert_eq!(mark.to_string(), text);
        }
    }
}
