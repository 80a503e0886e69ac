//! What every request of one's own data passes before it is looked at.

use axum::extract::Request;
use http::{HeaderMap, header};
use schemas::Code;

use crate::{Caller, Clock, Forwarding, PeerAddress, Rates, Refusal, Scope, TokenVerifier, single_header};

/// Rate per address, token, rate per user, in this order.
pub struct Gate {
    /// How the client's address is found.
    pub forwarding: Forwarding,
    /// The counters.
    pub rates: Rates,
    /// Who issues tokens.
    pub tokens: TokenVerifier,
    /// The time.
    pub clock: Clock,
}

impl Gate {
    /// Lets a caller in who may do one of `scopes`.
    pub async fn enter(
        &self,
        peer: PeerAddress,
        headers: &HeaderMap,
        scopes: &[Scope],
    ) -> Result<Caller, Refusal> {
        self.count_address(peer, headers)?;
        let caller = self.tokens.verify(bearer(headers)?, (self.clock)()).await?;
        self.rates.count_user(&caller.user).map_err(|refusal| refusal.of_user(caller.user))?;
        if scopes.iter().any(|scope| caller.may(*scope)) {
            return Ok(caller);
        }
        let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let detail = format!("The token must carry the scope {}.", names.join(" or "));
        Err(Refusal::new(Code::InsufficientScope, detail).of_user(caller.user))
    }

    /// Counts a request against its address, where that is all there is to count it against.
    pub fn count_address(&self, peer: PeerAddress, headers: &HeaderMap) -> Result<(), Refusal> {
        self.rates.count_address(self.forwarding.client(peer, headers))
    }

    /// The peer of a request that came through [`crate::serve`].
    pub fn peer(request: &Request) -> PeerAddress {
        *request
            .extensions()
            .get()
            .unwrap_or_else(|| unreachable!("BUG: the server puts the peer into every request"))
    }
}

/// The token of `Authorization: Bearer <token>` (RFC 6750, section 2.1).
pub fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    // Without a token there is nothing to say of it (RFC 6750, section 3.1).
    let missing = || {
        Refusal::new(Code::InvalidToken, "The header Authorization must carry a Bearer token.")
            .with_header(header::WWW_AUTHENTICATE, "Bearer")
    };
    let value = single_header(headers, "authorization")?.ok_or_else(missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim_matches(' ')) } else { Err(missing()) }
}
