//! A provider's name: it stands in configurations, callback paths and stored records.

use std::fmt;
use std::str::FromStr;

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 32;

/// `[a-z][a-z0-9_-]{0,31}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderName(String);

/// The text is no provider's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a provider's name is a small letter and up to 31 of a-z, 0-9, _ and -")]
pub struct ParseProviderNameError;

impl ProviderName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderName {
    type Err = ParseProviderNameError;

    fn from_str(text: &str) -> Result<Self, ParseProviderNameError> {
        let rest_is_fine = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        let fine = text.len() <= NAME_CHARS_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && rest_is_fine;
        if fine { Ok(Self(text.to_owned())) } else { Err(ParseProviderNameError) }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_none() {
        for name in ["fitbit", "google_health", "a", "a-0", &"a".repeat(32)] {
            assert_eq!(name.parse::<ProviderName>().unwrap().as_str(), name);
        }
        for name in ["", "Fitbit", "0fitbit", "_x", "fit bit", "fit/bit", "fitbit.", "ö", &"a".repeat(33)] {
            assert_eq!(name.parse::<ProviderName>(), Err(ParseProviderNameError), "{name}");
        }
    }
}
