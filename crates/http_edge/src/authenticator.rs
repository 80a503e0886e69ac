//! What every request of one's own data passes before it is looked at.

use axum::extract::Request;
use http::{HeaderMap, header};
use runtime::Clock;
use schemas::ProblemCode;

use crate::{ApiError, Caller, Forwarding, PeerAddress, RateLimits, Scope, TokenVerifier, single_header};

/// Rate per address, token, rate per user, in this order.
pub struct Authenticator {
    /// How the client's address is found.
    pub forwarding: Forwarding,
    /// The counters.
    pub rate_limits: RateLimits,
    /// Who issues tokens.
    pub token_verifier: TokenVerifier,
    /// The time.
    pub clock: Clock,
}

impl Authenticator {
    /// Lets a caller in who may do one of `scopes`.
    pub async fn authenticate(
        &self,
        peer: PeerAddress,
        headers: &HeaderMap,
        scopes: &[Scope],
    ) -> Result<Caller, ApiError> {
        self.check_address_rate(peer, headers)?;
        let caller = self.token_verifier.verify(bearer_token(headers)?, (self.clock)()).await?;
        self.rate_limits.check_user(&caller.user).map_err(|refusal| refusal.with_user(caller.user))?;
        if scopes.iter().any(|scope| caller.has_scope(*scope)) {
            return Ok(caller);
        }
        let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let detail = format!("The token must carry the scope {}.", names.join(" or "));
        Err(ApiError::new(ProblemCode::InsufficientScope, detail).with_user(caller.user))
    }

    /// Counts a request against its address, where that is all there is to count it against.
    pub fn check_address_rate(&self, peer: PeerAddress, headers: &HeaderMap) -> Result<(), ApiError> {
        self.rate_limits.check_address(self.forwarding.client_address(peer, headers))
    }

    /// Returns the peer of a request that came through [`crate::serve`].
    pub fn peer_address(request: &Request) -> PeerAddress {
        *request
            .extensions()
            .get()
            .unwrap_or_else(|| unreachable!("BUG: the server puts the peer into every request"))
    }
}

/// The token of `Authorization: Bearer <token>` (RFC 6750, section 2.1).
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, ApiError> {
    // Without a token there is nothing to say of it (RFC 6750, section 3.1).
    let missing = || {
        ApiError::new(ProblemCode::InvalidToken, "The header Authorization must carry a Bearer token.")
            .with_header(header::WWW_AUTHENTICATE, "Bearer")
    };
    let value = single_header(headers, "authorization")?.ok_or_else(missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_matches(' ')) } else { Err(missing()) }
}
