//! Who is shown contents, as the log keeps it.

use events::Actor;
use nats_server::Role;
use projector::AccessContext;

use crate::cli::AccessArgs;

impl AccessArgs {
    /// For a command that is run with this role's credentials.
    pub(crate) fn to_access_context(&self, role: Role, command: &str) -> AccessContext {
        let person = self.person.clone().unwrap_or_else(|| self.login.clone());
        let by = Actor { role: role.name().to_owned(), person };
        AccessContext { by, command: command.to_owned(), reason: self.reason.clone() }
    }
}
