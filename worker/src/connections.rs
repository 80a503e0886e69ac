//! Connections to providers: one record each, made from the log's events and the providers' responses.
//!
//! [`reducer`] applies events to records, [`transitions`] applies responses; both are pure. [`record`] has the stored bytes,
//! [`store`] the bucket. [`next_action`] says what is due when, [`scheduler`] waits for it, [`executor`] does it under a lease.

pub(crate) mod executor;
mod next_action;
pub(crate) mod oauth;
pub(crate) mod record;
pub(crate) mod reducer;
pub(crate) mod scheduler;
pub(crate) mod store;
mod transitions;
