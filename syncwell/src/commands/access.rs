//! Who is shown contents, as the log keeps it.

use events::Actor;
use nats_server::Role;
use projector::Access;

use crate::cli::AccessArgs;

impl AccessArgs {
    /// For a command that is run with this role's credentials.
    pub(super) fn of(&self, role: Role, command: &str) -> Access {
        let person = self.person.clone().unwrap_or_else(|| self.login.clone());
        let by = Actor { role: role.name().to_owned(), person };
        Access { by, command: command.to_owned(), reason: self.reason.clone() }
    }
}
