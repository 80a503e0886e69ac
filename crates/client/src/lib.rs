//! What a phone does: sign a summary, post it, and post the same bytes again until the outcome is known.
//!
//! This crate knows the contract's payloads and nothing else of SyncWell, so it is also the reference for whoever
//! writes a client in another language. Three rules make a client safe:
//!
//! 1. Sign once, keep the request ([`SignedPost`]), and send *the same bytes* again after 5xx, 429, 408 or silence:
//!    they are stored at most once. A summary signed anew is a new event.
//! 2. Wait between attempts as long as `Retry-After` says, or longer each time ([`Backoff`]).
//! 3. A stale timestamp (401 `stale_timestamp`) carries `server_time`: sign anew with the corrected clock.

mod backoff;
mod credentials;
mod http_connection;
mod phone;
mod signing;

pub use backoff::Backoff;
pub use credentials::Credentials;
pub use http_connection::{HttpConnection, HttpResponse, TransportError};
pub use phone::{Phone, PostError, PostResult};
pub use signing::{PhoneSigningKey, SignedPost, sign};
