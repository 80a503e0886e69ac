//! Log lines, on standard error: for people on a terminal, JSON elsewhere. Standard output is for data.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::EnvFilter;

use crate::exit::Usage;

/// Our own crates. Only they follow the level that is asked for: at `trace` a library may print a message's payload,
/// and we vouch for our own lines only.
const OURS: [&str; 9] =
    ["syncwell", "broker", "client", "edge", "events", "ingest", "projector", "stream", "vault"];
/// What libraries may say.
const OTHERS: &str = "warn";

/// Starts logging at a level: error, warn, info, debug or trace.
pub(crate) fn start(level: &str) -> anyhow::Result<()> {
    let level: Level = level.parse().map_err(|_| Usage(format!("`{level}` is no log level")))?;
    let ours = OURS.map(|name| format!("{name}={level}")).join(",");
    let filter = EnvFilter::try_new(format!("{OTHERS},{ours}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        lines.compact().try_init()
    } else {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging can't start: {error}"))
}
