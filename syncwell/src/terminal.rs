//! Output to the terminal: data on standard output, messages on standard error.

/// Writes a line of data to standard output. Only data goes there.
#[expect(clippy::print_stdout, reason = "the only place that writes to standard output")]
pub(crate) fn print(line: impl std::fmt::Display) {
    println!("{line}");
}

/// Writes a message for a person to standard error.
#[expect(clippy::print_stderr, reason = "the only place that writes messages")]
pub(crate) fn eprint(line: impl std::fmt::Display) {
    eprintln!("{line}");
}
