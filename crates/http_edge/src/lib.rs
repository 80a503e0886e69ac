//! The HTTP edge of ingest and projector: both verify the same tokens, apply the same rate limits, return the same problem
//! bodies and run on the same HTTP server.
//!
//! A request passes [`serve`] (connections, time limits), then [`access_log_middleware`] (correlation id, access log,
//! problem bodies), then [`Authenticator`] (rate per address, token, rate per user), then the handler.

mod access_log;
mod api_error;
mod api_routes;
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
pub use api_routes::{ApiRoutes, Operation};
pub use authenticator::{Authenticator, bearer_token};
pub use client_address::{ClientAddress, Forwarding, PeerAddress};
pub use health::{ReadinessCheck, health_operations, health_routes};
pub use http_server::{HttpServerSettings, raise_file_limit, serve};
pub use rate_limits::{AddressRateLimit, RateLimitSettings, RateLimits};
pub use refreshing_key_set::{KeySetError, KeySetSource, RefreshingKeySet};
pub use request_body::read_body;
pub use tls::{ServerTls, TlsError, TlsFiles};
pub use token::{AuthSettings, Caller, IssuerKeySet, JwksError, Scope, TokenVerifier};
