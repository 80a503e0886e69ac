//! What a person takes along: the files of an export, made of the log's events. No key, no network: whoever calls opens the
//! events, and gives something to write to.
//!
//! A zip file, format 1, with these files in this order:
//!
//! | file | what |
//! |---|---|
//! | `events.ndjson` | every event of the person, opened, a line each, in the log's order |
//! | `history.json` | why every value is what it is: what each summary offered and what of it was taken; of each value the event it came from |
//! | `summaries.json` | the rows, as `GET /v1/summaries` shows them |
//! | `summaries.csv` | the same without workouts, a line each day |
//! | `workouts.csv` | a line each workout |
//! | `connections.json` | connections to health providers, without tokens |
//! | `devices.json` | devices that were given a key |
//! | `README.html` | what all of this is, and a plot per metric |
//! | `manifest.json` | what the export is of, and the SHA-256 of every other file |
//!
//! The events are gone through twice and never held: what is held is a row per day, a device, a connection.

mod archive;
mod csv_files;
mod error;
mod events_ndjson;
mod history_json;
mod manifest;
mod readme_html;
mod source;
mod svg_plot;
#[cfg(test)]
mod tests;
mod zip_writer;

pub use archive::write_archive;
pub use error::ArchiveError;
pub use manifest::{ArchiveManifest, ArchiveManifestFile, ArchiveMetadata};
pub use source::{EventSource, SourceEvent, SourceEventContent};
