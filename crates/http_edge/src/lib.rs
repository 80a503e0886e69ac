//! What both doors share: the write side (ingest) and the read side (projector) verify the same tokens, count the same
//! rates, answer errors alike and run on the same HTTP server.
//!
//! A request passes from the outside in: [`serve`] (connections, time limits) → [`Observed`] (correlation id, access
//! log, problem bodies) → [`Gate`] (rate per address, token, rate per user) → the handler.

mod address;
mod body;
mod clock;
mod gate;
mod health;
mod observe;
mod published;
mod rates;
mod refusal;
mod serve;
mod tls;
mod token;
mod trace_context;

pub use address::{ClientAddress, Forwarding, PeerAddress};
pub use body::read_body;
pub use clock::{Clock, system_clock};
pub use gate::{Gate, bearer};
pub use health::{ReadyCheck, health_routes};
pub use observe::{CorrelationId, Observed, Verification, noted, observed};
pub use published::{Published, PublishedError, PublishedSource};
pub use rates::{AddressRate, RateSettings, Rates};
pub use refusal::{Refusal, single_header};
pub use serve::{ServeSettings, raise_file_limit, serve};
pub use tls::{ServerTls, TlsError, TlsFiles};
pub use token::{AuthSettings, Caller, JwksError, KeySet, Scope, TokenVerifier};
