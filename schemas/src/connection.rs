//! Connections to health providers (`/v1/connections`), and the statuses that one can be in.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// Where a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// Asked for; the user has not agreed at the provider yet, or the code is being exchanged.
    Pending,
    /// There are tokens, and they are kept fresh.
    Active,
    /// The tokens are gone or refused: the user must agree again.
    NeedsReauth,
    /// To be revoked at the provider, and its tokens destroyed.
    Revoking,
    /// Revoked for good.
    Revoked,
}

/// What can happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionTransition {
    /// A user asked for it.
    Requested,
    /// The app brought a code.
    Authorized,
    /// The app asked for another authorisation URL.
    ReauthRequested,
    /// The provider gave tokens, and they are stored.
    Activated,
    /// There are no tokens that are good.
    ReauthNeeded,
    /// The user wants it gone.
    RevocationRequested,
    /// The tokens are destroyed.
    Revoked,
}

impl ConnectionStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Active, Self::NeedsReauth, Self::Revoking, Self::Revoked];

    /// The status after a step; `None` where the step is impossible, and so changes nothing.
    pub const fn next(current: Option<Self>, step: ConnectionTransition) -> Option<Self> {
        use ConnectionTransition as Step;
        match (current, step) {
            (None, Step::Requested) => Some(Self::Pending),
            (
                Some(open @ (Self::Pending | Self::Active | Self::NeedsReauth)),
                Step::Authorized | Step::ReauthRequested,
            ) => Some(open),
            (Some(Self::Pending | Self::Active | Self::NeedsReauth), Step::Activated) => Some(Self::Active),
            (Some(Self::Pending | Self::Active | Self::NeedsReauth), Step::ReauthNeeded) => {
                Some(Self::NeedsReauth)
            }
            (
                Some(Self::Pending | Self::Active | Self::NeedsReauth | Self::Revoking),
                Step::RevocationRequested,
            ) => Some(Self::Revoking),
            (Some(Self::Revoking), Step::Revoked) => Some(Self::Revoked),
            (
                None,
                Step::Authorized
                | Step::ReauthRequested
                | Step::Activated
                | Step::ReauthNeeded
                | Step::RevocationRequested
                | Step::Revoked,
            )
            | (Some(_), Step::Requested)
            | (
                Some(Self::Revoking | Self::Revoked),
                Step::Authorized | Step::ReauthRequested | Step::Activated | Step::ReauthNeeded,
            )
            | (Some(Self::Revoked), Step::RevocationRequested | Step::Revoked)
            | (Some(Self::Pending | Self::Active | Self::NeedsReauth), Step::Revoked) => None,
        }
    }

    /// Whether the user can (still) agree to it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Active | Self::NeedsReauth)
    }
}

/// Why a connection needs the user again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReauthReason {
    /// The provider refused the code.
    ExchangeRefused,
    /// What became of the code is not known, and a code is good for one exchange.
    ExchangeUnknown,
    /// The provider refused the refresh token.
    RefreshRefused,
    /// What became of a single-use refresh token is not known.
    RefreshUnknown,
    /// The access token has ended and there is no refresh token.
    RefreshMissing,
    /// No tokens are stored, as after a restore from a backup.
    TokensMissing,
}

/// What became of the tokens at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderRevocation {
    /// The provider confirmed that they are revoked.
    Revoked,
    /// The provider has no way to revoke.
    Unsupported,
    /// The provider did not confirm, for as long as was tried.
    Unconfirmed,
    /// There were none.
    NoTokens,
}

/// To begin a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectRequest {
    /// The provider's name, as its table has it.
    #[schemars(extend("pattern" = patterns::PROVIDER_NAME))]
    pub provider: String,
    /// Where the provider sends the user back to: one of those that the operator allows.
    #[schemars(extend("format" = "uri", "minLength" = 1))]
    pub redirect_uri: String,
    /// The app's own PKCE challenge (RFC 7636, S256). Without it the verifier is made and kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = patterns::PKCE))]
    pub code_challenge: Option<String>,
}

/// To have the user agree again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReauthRequest {
    /// As in `ConnectRequest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = patterns::PKCE))]
    pub code_challenge: Option<String>,
}

/// Where the user agrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStarted {
    /// The connection's name.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub connection_id: String,
    /// The page of the provider that the app opens.
    pub authorization_url: String,
    /// What the provider hands back with the code; good for one use within 10 minutes.
    pub state: String,
}

/// What the provider handed back to the app.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizeRequest {
    /// The authorisation code.
    #[schemars(extend("pattern" = patterns::AUTHORIZATION_CODE))]
    pub code: String,
    /// The state of the authorisation URL.
    #[schemars(length(min = 1, max = 2048))]
    pub state: String,
    /// The app's own PKCE verifier, where the challenge was the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = patterns::PKCE))]
    pub code_verifier: Option<String>,
    /// The `iss` of the authorisation response (RFC 9207), where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = patterns::ISSUER))]
    pub iss: Option<String>,
}

/// A connection as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionDocument {
    /// The connection's name: 26 characters of lowercase base32.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub connection_id: String,
    /// The provider's name.
    pub provider: String,
    /// Where it is.
    pub status: ConnectionStatus,
    /// Why it needs the user again, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReauthReason>,
    /// What the provider granted, as far as it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// When it was asked for.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: Timestamp,
    /// When tokens were last given by a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub authorized_at: Option<Timestamp>,
    /// Since when it needs the user again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub needs_reauth_at: Option<Timestamp>,
    /// When it was revoked; for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub revoked_at: Option<Timestamp>,
    /// What became of the tokens at the provider, once it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_provider: Option<ProviderRevocation>,
    /// The position that this reflects; left out within a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

/// All connections of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionsDocument {
    /// By name.
    pub connections: Vec<ConnectionDocument>,
    /// The position that this reflects.
    pub position: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition() {
        use ConnectionStatus::{Active, NeedsReauth, Pending, Revoked, Revoking};
        use ConnectionTransition as Step;
        const STEPS: [Step; 7] = [
            Step::Requested,
            Step::Authorized,
            Step::ReauthRequested,
            Step::Activated,
            Step::ReauthNeeded,
            Step::RevocationRequested,
            Step::Revoked,
        ];
        // From each status, by each step in the order above; `None` is impossible.
        let table = [
            (None, [Some(Pending), None, None, None, None, None, None]),
            (
                Some(Pending),
                [None, Some(Pending), Some(Pending), Some(Active), Some(NeedsReauth), Some(Revoking), None],
            ),
            (
                Some(Active),
                [None, Some(Active), Some(Active), Some(Active), Some(NeedsReauth), Some(Revoking), None],
            ),
            (
                Some(NeedsReauth),
                [
                    None,
                    Some(NeedsReauth),
                    Some(NeedsReauth),
                    Some(Active),
                    Some(NeedsReauth),
                    Some(Revoking),
                    None,
                ],
            ),
            (Some(Revoking), [None, None, None, None, None, Some(Revoking), Some(Revoked)]),
            (Some(Revoked), [None; 7]),
        ];
        assert_eq!(table.len(), ConnectionStatus::ALL.len() + 1);
        for (from, expected) in table {
            for (step, to) in STEPS.into_iter().zip(expected) {
                assert_eq!(ConnectionStatus::next(from, step), to, "{from:?} by {step:?}");
            }
        }
    }

    #[test]
    fn only_what_is_open_can_be_agreed_to() {
        for status in ConnectionStatus::ALL {
            let agreed = ConnectionStatus::next(Some(status), ConnectionTransition::Authorized);
            assert_eq!(agreed.is_some(), status.is_open(), "{status:?}");
        }
    }
}
