//! The hands: do at providers and receivers what events ask for, and append what came of it.
//!
//! A worker has no door. It reads the log ([`log_consumer`]), lays what it finds into a record per connection ([`crate::connections::reducer`], pure;
//! [`crate::connections::record`], its bytes; [`crate::connections::store`], where it stands), and when something is due ([`crate::connections::next_action`], pure; [`crate::connections::scheduler`]) does it ([`crate::connections::executor`]) and
//! makes of the record what came of it ([`crate::connections::transitions`], pure). Tokens are seen here and nowhere else.

mod connections;
mod decrypt;
mod erasures;
mod exports;
mod http_client;
mod in_flight;
mod kv_buckets;
mod lease_renewal;
mod log_consumer;
mod log_position;
mod webhooks;
mod worker;

pub use crate::connections::oauth::{OAuthClient, OAuthClients};
pub use erasures::{ErasedUser, ErasureLedger, ErasureLedgerError};
pub use exports::LogSource;
pub use http_client::HttpClientError;
pub use kv_buckets::WorkerBucket;
pub use webhooks::{
    AddEndpointResponse, DisabledReason, DisabledState, EndpointId, EndpointStatus, InvalidRetrySchedule,
    ParkedMessage, ParseEndpointIdError, ProjectorAck, RetryParkedSummary, RetrySchedule,
    TestEndpointResponse, UserRefMode, WebhookAdminClient, WebhookAdminError, WebhookDelivery,
    WebhookSettings,
};
pub use worker::{Worker, WorkerSettings};
