//! Log lines, on standard error: for people on a terminal, JSON elsewhere. Standard output is for data.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::exit::Usage;

/// Starts logging at `level`, which is a level or a list of `target=level`.
pub(crate) fn start(level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|_| Usage(format!("`{level}` is no log level")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        lines.compact().try_init()
    } else {
        lines.json().flatten_event(true).with_current_span(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging can't start: {error}"))
}
