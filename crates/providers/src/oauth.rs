//! How a provider's users are connected: the facts that a request for or with a token depends on.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::provider::parse_subsection;
use crate::table_reader::Section;
use crate::{JsonPointer, RevocationEndpoint};

/// The longest lifetime of an access token that a table may state, in seconds: ten years.
const ACCESS_SECONDS_MAX: u64 = 10 * 365 * 86_400;
/// What the flow itself sets; a table can't.
const RESERVED_PARAMETERS: [&str; 13] = [
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "response_type",
    "scope",
    "state",
    "token",
];

/// A provider's OAuth endpoints and their ways (RFC 6749).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthSettings {
    /// Where the user is sent.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: Url,
    /// How this installation says who it is, at the token endpoint.
    pub client_authentication: ClientAuthentication,
    /// Whether a code challenge is sent.
    pub pkce: Pkce,
    /// What is asked for. Empty: no `scope` is sent; what the app may do is set at the provider.
    pub scopes: Vec<String>,
    /// Between two scopes.
    pub scope_separator: String,
    /// Added to the authorisation URL.
    pub authorize_parameters: BTreeMap<String, String>,
    /// Added to every token request's form.
    pub token_parameters: BTreeMap<String, String>,
    /// What becomes of a refresh token that was used.
    pub refresh_policy: RefreshTokenPolicy,
    /// The scope to send with a refresh.
    pub refresh_scope: Option<String>,
    /// What the token answer is wrapped in.
    pub envelope: Option<TokenResponseEnvelope>,
    /// Where the provider's user id stands in the token answer, once out of its envelope.
    pub user_pointer: Option<JsonPointer>,
    /// Where to ask for the provider's user id when the token answer has none.
    pub identity_endpoint: Option<IdentityEndpoint>,
    /// How long an access token lives when the answer has no `expires_in`, in seconds.
    pub access_seconds: Option<u64>,
    /// What `iss` of the authorisation response must be, if it is there (RFC 9207).
    pub issuer: Option<String>,
    /// An authorisation response without `iss` is refused.
    pub sends_issuer: bool,
    /// How a connection is ended at the provider. `None`: the provider has no way that is known.
    pub revocation: Option<RevocationEndpoint>,
}

/// How a client says who it is (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `Authorization: Basic …`.
    Basic,
    /// `client_id` and `client_secret` in the form.
    Body,
    /// Not at all; only for a revocation.
    None,
}

/// Whether a code challenge is sent (RFC 7636, `S256`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkce {
    /// The provider refuses requests without one.
    Required,
    /// It takes one, and should be sent one.
    Supported,
    /// It must not be sent one, as far as is known.
    Unsupported,
}

/// What becomes of a refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshTokenPolicy {
    /// It is dead, and a new one comes. An exchange whose outcome is unknown must not be tried again.
    SingleUse,
    /// A new one comes, and the old one stays good for a while.
    Rotates,
    /// It stays; one that comes with the answer replaces it all the same.
    Reusable,
    /// There is none: the access token lives long, and then the user connects again.
    None,
}

/// What a token answer is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenResponseEnvelope {
    /// `{"status":0,"body":{…}}`; any other status is a refusal, whatever the HTTP status says.
    Withings,
}

/// Where a provider says whose token it is: `GET` with the access token as the bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityEndpoint {
    /// The URL.
    pub url: Url,
    /// Where the user id stands in the JSON answer.
    pub user_pointer: JsonPointer,
}

impl OAuthSettings {
    /// The scopes as they are sent, `None` if there are none.
    pub fn scope_parameter(&self) -> Option<String> {
        (!self.scopes.is_empty()).then(|| self.scopes.join(&self.scope_separator))
    }

    /// The hosts that are sent tokens or secrets, each with its port if that is not 443: what a firewall must let
    /// out. The authorisation URL is not among them, as only the user's browser goes there.
    pub fn hosts(&self) -> BTreeSet<String> {
        let identity = self.identity_endpoint.as_ref().map(|identity| &identity.url);
        let revocation = self.revocation.as_ref().map(RevocationEndpoint::base_url);
        [Some(&self.token_url), revocation, identity].into_iter().flatten().map(host_and_port).collect()
    }

    pub(crate) fn parse(section: &mut Section) -> Option<Self> {
        section.require_keys(&[
            "authorize_url",
            "token_url",
            "client_authentication",
            "pkce",
            "scopes",
            "refresh",
        ]);
        let authorize_url = section.https_url("authorize_url");
        let token_url = section.https_url("token_url");
        let authentication = [("basic", ClientAuthentication::Basic), ("body", ClientAuthentication::Body)];
        let client_authentication = section.choice("client_authentication", &authentication);
        let pkce = [
            ("required", Pkce::Required),
            ("supported", Pkce::Supported),
            ("unsupported", Pkce::Unsupported),
        ];
        let pkce = section.choice("pkce", &pkce);
        let scopes = section.strings("scopes");
        let scope_separator = section.string("scope_separator").unwrap_or_else(|| " ".to_owned());
        check_scopes(section, scopes.as_deref().unwrap_or_default(), &scope_separator);
        let authorize_parameters = parameters(section, "authorize_parameters");
        let token_parameters = parameters(section, "token_parameters");
        let refresh = [
            ("single_use", RefreshTokenPolicy::SingleUse),
            ("rotates", RefreshTokenPolicy::Rotates),
            ("keeps", RefreshTokenPolicy::Reusable),
            ("none", RefreshTokenPolicy::None),
        ];
        let refresh = section.choice("refresh", &refresh);
        let refresh_scope = section.string("refresh_scope");
        if refresh == Some(RefreshTokenPolicy::None) && refresh_scope.is_some() {
            section.add_error("refresh_scope", "is there, but there is no refresh");
        }
        let envelope = section.choice("envelope", &[("withings", TokenResponseEnvelope::Withings)]);
        let user = section.parse_string("user");
        let identity = parse_subsection(section, "identity", |section| {
            section.require_keys(&["url", "user"]);
            let (url, user) = (section.https_url("url"), section.parse_string("user"));
            Some(IdentityEndpoint { url: url?, user_pointer: user? })
        });
        let access_seconds = section.integer("access_seconds", 1..=ACCESS_SECONDS_MAX);
        let issuer = section.string("issuer");
        let sends_issuer = section.boolean("sends_issuer").unwrap_or(false);
        if sends_issuer && issuer.is_none() {
            section.add_error("issuer", "is missing: `sends_issuer` is true");
        }
        let revocation = parse_subsection(section, "revocation", RevocationEndpoint::parse);
        Some(Self {
            authorize_url: authorize_url?,
            token_url: token_url?,
            client_authentication: client_authentication?,
            pkce: pkce?,
            scopes: scopes?,
            scope_separator,
            authorize_parameters,
            token_parameters,
            refresh_policy: refresh?,
            refresh_scope,
            envelope,
            user_pointer: user,
            identity_endpoint: identity,
            access_seconds,
            issuer,
            sends_issuer,
            revocation,
        })
    }
}

fn check_scopes(section: &mut Section, scopes: &[String], separator: &str) {
    if separator.is_empty() {
        section.add_error("scope_separator", "must not be empty");
    } else if scopes.iter().any(|scope| scope.is_empty() || scope.contains(separator)) {
        section.add_error("scopes", "must be scopes that are not empty and have no separator in them");
    }
    if scopes.iter().collect::<BTreeSet<_>>().len() != scopes.len() {
        section.add_error("scopes", "has one twice");
    }
}

fn parameters(section: &mut Section, key: &str) -> BTreeMap<String, String> {
    let parameters = section.string_map(key).unwrap_or_default();
    for name in parameters.keys().filter(|name| RESERVED_PARAMETERS.contains(&name.as_str())) {
        section.add_error(&format!("{key}.{name}"), "is set by the flow itself");
    }
    parameters
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_else(|| unreachable!("BUG: an https URL has a host"));
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests;
