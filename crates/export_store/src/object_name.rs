//! An object's name: `<user ref>/<export id>.zip`.

use std::fmt;

use keys::{ExportId, UserRef};

/// Whose export, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// Whose.
    pub user: UserRef,
    /// Which.
    pub export: ExportId,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.zip", self.user, self.export)
    }
}
