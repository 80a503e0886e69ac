//! Output of proofs and attestations.

use std::path::PathBuf;

use crate::terminal::{eprint, print};

/// Writes to the file `out`, or to standard output.
pub(super) fn write_output(out: Option<PathBuf>, text: &str) -> anyhow::Result<()> {
    match out {
        Some(file) => {
            std::fs::write(&file, text)?;
            eprint(format_args!("written to {}", file.display()));
        }
        None => print(text.trim_end_matches('\n')),
    }
    Ok(())
}
