//! Ingest: verifies every write and appends it to the log as an event.
//!
//! `handlers` has one module per resource. A summary passes these checks, in this order: size, rate, token, timestamp,
//! signature, content type, syntax, schema. Ingest then seals it under the user's data key and appends it. It answers when
//! the log has stored the event and the projector has reported the outcome. Ingest reads neither the log nor the view: if
//! it needs the state of a connection, it asks the projector.
//!
//! Modules import only from the layers above them in this table:
//!
//! | layer | modules |
//! |---|---|
//! | no state | `api_errors`, `log_health`, `outcome_waiters`, `provider_settings`, `request_headers`, `webhook_dedup` |
//! | receivers | `webhook_receivers` |
//! | state | `state` |
//! | request | `request`, then `authorize` |
//! | append | `append`, `request_signature` |
//! | handlers | `handlers`; no resource imports another |
//! | routes | `routes` |
//! | start | `ingest` |

mod api_errors;
mod append;
mod authorize;
mod handlers;
mod ingest;
mod log_health;
mod outcome_waiters;
mod provider_settings;
mod request;
mod request_headers;
mod request_signature;
mod routes;
mod state;
mod webhook_dedup;
mod webhook_receivers;

pub use ingest::Ingest;
pub use provider_settings::{ProviderClient, ProviderSettings, ProviderSettingsErrors};
pub use routes::api_operations;
pub use state::{IngestSettings, IngestState};
pub use webhook_dedup::{DELIVERY_DEDUP_STREAM, DeliveryDedup, DeliveryDedupError};
