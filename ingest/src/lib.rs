//! The door: every write comes in here, is verified, and becomes an event.
//!
//! A post passes [`post`] from top to bottom: size, rate, token, timestamp, signature, content type, syntax, schema;
//! then it is sealed under the user's data key, appended, and answered once the log has it on stable storage and the
//! projector has told what it did to its row. Devices get and lose their signing keys in [`devices`]. Ingest reads
//! neither the log nor the view.

mod append;
mod devices;
mod door;
mod headers;
mod log_watch;
mod outcomes;
mod post;

pub use door::{Door, DoorSettings, Ingest};
