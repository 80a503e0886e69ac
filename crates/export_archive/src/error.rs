//! Failure to write an export.

use std::io;

/// Failure to write an export.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The output refuses a write.
    #[error("the export can't be written")]
    Write(#[from] io::Error),
    /// The zip file can't be built.
    #[error("the export can't be put together")]
    Zip(#[from] zip::result::ZipError),
    /// A table can't be written.
    #[error("a table of the export can't be written")]
    Csv(#[from] csv::Error),
    /// The events can't be read.
    #[error("the events can't be read: {0}")]
    Source(String),
}
