//! The door: every write comes in here, is verified, and becomes an event.
//!
//! A post passes [`post`] from top to bottom: size, rate, token, timestamp, signature, content type, syntax, schema;
//! then it is sealed under the user's data key, appended, and answered once the log has it on stable storage and the
//! projector has told what it did to its row. Devices get and lose their signing keys in [`devices`] and tell of
//! themselves in [`device_reports`]; users connect to providers in [`connections`]; providers deliver in [`webhooks`].
//! Ingest reads neither the log nor the view: where it must know a connection, it asks the projector.

mod append;
mod handlers;
mod log_health;
mod outcome_waiters;
mod provider_settings;
mod request_headers;
mod state;
mod webhook_dedup;

pub use provider_settings::{ProviderClient, ProviderSettings, ProviderSettingsErrors};
pub use state::{Ingest, IngestSettings, IngestState};
pub use webhook_dedup::{DELIVERY_DEDUP_STREAM, DeliveryDedup, DeliveryDedupError};
