//! Options of every command that shows contents.

use clap::Args;

/// Who is shown contents, and why: what the log keeps of it.
#[derive(Args, Clone)]
pub(crate) struct AccessArgs {
    /// Why contents are shown; recorded in the log.
    #[arg(long, env = "SYNCWELL_REASON", default_value = "")]
    pub(crate) reason: String,
    /// Who looks; recorded in the log. Without it, the login name.
    #[arg(long, env = "SYNCWELL_PERSON")]
    pub(crate) person: Option<String>,
    /// The login name, from the environment.
    #[arg(long, env = "USER", hide = true, default_value = "unknown")]
    pub(crate) login: String,
}
