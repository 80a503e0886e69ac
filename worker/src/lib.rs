//! The worker: does at providers and receivers what events ask for, and appends the results as events.
//!
//! It serves no HTTP. It reads the log ([`log_consumer`]). Each kind of job has a module: [`connections`] to health providers,
//! outgoing [`webhooks`], [`exports`], [`erasures`]. Jobs run under leases ([`lease_renewal`]), so any number of workers may run.
//! Provider tokens are seen in this crate and nowhere else.

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
pub use kv_buckets::{CONNECTIONS_STREAM, LEASES_STREAM, WORK_STREAM};
pub use webhooks::{
    AddEndpointResponse, DisabledReason, DisabledState, EndpointId, EndpointStatus, InvalidRetrySchedule,
    ParkedMessage, ParseEndpointIdError, ProjectorAck, RetryParkedSummary, RetrySchedule,
    TestEndpointResponse, UserRefMode, WebhookAdminClient, WebhookAdminError, WebhookSettings,
};
pub use worker::{Worker, WorkerSettings};
