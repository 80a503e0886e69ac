//! The hands: do at providers and receivers what events ask for, and append what came of it.
//!
//! A worker has no door. It reads the log ([`reading`]), lays what it finds into a record per connection ([`laying`], pure;
//! [`record`], its bytes; [`book`], where it stands), and when something is due ([`due`], pure; [`agenda`]) does it ([`hands`]) and
//! makes of the record what came of it ([`outcome`], pure). Tokens are seen here and nowhere else.

mod agenda;
mod book;
mod buckets;
mod due;
mod erasures;
mod exporting;
mod feed;
mod hands;
mod holding;
mod in_hand;
mod laying;
mod oauth;
mod opening;
mod outcome;
mod outgoing;
mod position;
mod reading;
mod record;
mod worker;

pub use buckets::WorkBucket;
pub use erasures::{ErasedUser, Ledger, LedgerError};
pub use exporting::LogSource;
pub use feed::{
    Added, Disabled, DisabledReason, EndpointId, EndpointStatus, Feed, FeedAskError, FeedClient,
    FeedSettings, NotASchedule, NotAnEndpointId, ParkedMessage, Retried, RetrySchedule, Tested, Told,
    UserRefs,
};
pub use oauth::OAuthClient;
pub use outgoing::OutgoingError;
pub use worker::{OAuthClients, Worker, WorkerSettings};

/// The time, from whoever starts the worker.
pub type Clock = fn() -> jiff::Timestamp;
