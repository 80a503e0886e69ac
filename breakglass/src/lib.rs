//! Breaking the glass: from a user id to the log lines of that user's requests, by two people and in plain sight.
//!
//! One person requests, another approves, the first is told the correlation ids: once, within an hour. Each step is a
//! statement that the person signs with a key of their own ([`people`]); the service ([`service`]) judges it by what
//! stands in the log ([`case`]) and appends it there, where every auditor sees it. The service alone can read the
//! index ([`keys::IndexReader`]); it has no key that opens what users sent.

mod ask;
mod case;
mod people;
mod service;

pub use ask::{AskError, Asker, RequestName};
pub use people::{InvalidPerson, People, Person, PersonKey};
pub use service::BreakGlass;
