//! Every error of a configuration at once.

use std::fmt;

/// Errors of a configuration, in the order in which its keys are read.
#[derive(Debug)]
pub(crate) struct ConfigErrors(pub(super) Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration does not hold:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}
