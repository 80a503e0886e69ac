//! Breaking the glass: from a user id to the log lines of that user's requests, by two people and in plain sight.
//!
//! One person requests, another approves, the first is told the correlation ids: once, within an hour. Each step is a
//! statement that the person signs with a key of their own ([`operators`]); the service ([`server`]) judges it by what
//! stands in the log ([`request_steps`]) and appends it there, where every auditor sees it. The service alone can read the
//! index ([`keys::AccessIndexReader`]); it has no key that opens what users sent.

mod client;
mod operators;
mod request_state;
mod request_steps;
mod server;
mod statement_rules;

pub use client::{BreakGlassClient, BreakGlassError, BreakGlassRequestId};
pub use operators::{AuthorizedOperator, AuthorizedOperatorError, AuthorizedOperators, OperatorKey};
pub use server::BreakGlassServer;
