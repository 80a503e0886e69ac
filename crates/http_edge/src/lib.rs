//! What both doors share: the write side (ingest) and the read side (projector) verify the same tokens, count the same
//! rates, answer errors alike and run on the same HTTP server.
//!
//! A request passes from the outside in: [`http_server`] (connections, time limits) → [`Observed`] (correlation id, access
//! log, problem bodies) → [`Gate`] (rate per address, token, rate per user) → the handler.

mod access_log;
mod api_error;
mod authenticator;
mod client_address;
mod health;
mod http_server;
mod rate_limits;
mod refreshing_key_set;
mod request_body;
mod tls;
mod token;
mod trace_context;

pub use access_log::{
    AccessLogFields, CorrelationId, Verification, access_log_middleware, attach_access_log_fields,
};
pub use api_error::{ApiError, single_header};
pub use authenticator::{Authenticator, bearer_token};
pub use client_address::{ClientAddress, Forwarding, PeerAddress};
pub use health::{ReadinessCheck, health_routes};
pub use http_server::{HttpServerSettings, raise_file_limit, serve};
pub use rate_limits::{AddressRateLimit, RateLimitSettings, RateLimits};
pub use refreshing_key_set::{KeySetError, KeySetSource, RefreshingKeySet};
pub use request_body::read_body;
pub use tls::{ServerTls, TlsError, TlsFiles};
pub use token::{AuthSettings, Caller, IssuerKeySet, JwksError, Scope, TokenVerifier};
