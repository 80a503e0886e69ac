//! What a simulated provider is like, and the table that tells SyncWell so.

use serde_json::{Map, Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuthentication {
    Basic,
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pkce {
    Required,
    Supported,
    /// Refuses whoever sends any of it, so that a test sees it.
    Unsupported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshPolicy {
    /// The old one is dead once used. Used twice, every token of the grant dies (RFC 9700, section 4.14.2).
    SingleUse,
    /// A new one comes and the old one stays good.
    Rotates,
    Keeps,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RevocationKind {
    /// RFC 7009.
    PostToken,
    /// The same, by whoever has the token, as at Google.
    PostTokenAlone,
    PostForm,
    PostQuery,
    DeleteBearer,
    /// The same, at an address that names the user.
    DeleteUser,
}

/// Where the provider's id of a user is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserIdSource {
    /// In the token answer, at `/user_id`.
    InTokenResponse,
    /// To whoever asks `/me` with the access token.
    AtMe,
    Nowhere,
}

/// `Variant { refresh: Refresh::Keeps, ..Variant::default() }`
#[derive(Debug, Clone)]
pub(crate) struct ProviderProfile {
    /// The table's, and so the file's; a shipped provider's name replaces its table.
    pub(crate) name: String,
    pub(crate) client_authentication: ClientAuthentication,
    pub(crate) pkce: Pkce,
    pub(crate) refresh: RefreshPolicy,
    pub(crate) revocation: Option<RevocationKind>,
    /// Tells who it is with every code (RFC 9207).
    pub(crate) sends_issuer: bool,
    /// Answers as Withings does: 200, with a status in the body.
    pub(crate) has_envelope: bool,
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) scope_separator: &'static str,
    pub(crate) refresh_scope: Option<&'static str>,
    /// What every authorisation must carry besides.
    pub(crate) authorize_parameters: Vec<(&'static str, &'static str)>,
    /// What every token request must carry besides.
    pub(crate) token_parameters: Vec<(&'static str, &'static str)>,
    /// Where the provider was told that users may be sent back to.
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) user_id: UserIdSource,
    /// What the token answer says; the token itself is good until the test ends it.
    pub(crate) expires_in: Option<u64>,
    /// What the table says where the answer says nothing.
    pub(crate) access_seconds: Option<u64>,
    /// The table's `[webhook]`.
    pub(crate) webhook: Option<toml::Table>,
}

impl Default for ProviderProfile {
    fn default() -> Self {
        Self {
            name: "simulated".to_owned(),
            client_authentication: ClientAuthentication::Basic,
            pkce: Pkce::Required,
            refresh: RefreshPolicy::SingleUse,
            revocation: Some(RevocationKind::PostToken),
            sends_issuer: false,
            has_envelope: false,
            scopes: vec!["activity", "heartrate"],
            scope_separator: " ",
            refresh_scope: None,
            authorize_parameters: Vec::new(),
            token_parameters: Vec::new(),
            redirect_uris: vec!["myapp://connected".to_owned()],
            user_id: UserIdSource::InTokenResponse,
            expires_in: Some(28_800),
            access_seconds: None,
            webhook: None,
        }
    }
}

impl ProviderProfile {
    /// As Withings is, as far as SyncWell's tables know it.
    pub(crate) fn withings() -> Self {
        Self {
            client_authentication: ClientAuthentication::Body,
            pkce: Pkce::Unsupported,
            refresh: RefreshPolicy::Rotates,
            revocation: None,
            has_envelope: true,
            token_parameters: vec![("action", "requesttoken")],
            expires_in: Some(10_800),
            ..Self::default()
        }
    }

    /// The table, in format 1.
    pub(super) fn table(&self, base_url: &str) -> String {
        let mut table = json!({
            "format": 1,
            "name": self.name,
            "title": format!("The simulated {}", self.name),
            "evidence": { "oauth": "assumed", "note": "Made up by the tests." },
            "oauth": self.oauth_table(base_url),
        });
        if let Some(webhook) = &self.webhook {
            table["webhook"] = serde_json::to_value(webhook).unwrap();
            table["evidence"]["webhook"] = json!("assumed");
        }
        toml::to_string(&toml::Table::try_from(table).unwrap()).unwrap()
    }

    fn oauth_table(&self, base_url: &str) -> Value {
        let mut oauth = json!({
            "authorize_url": format!("{base_url}/authorize"),
            "token_url": format!("{base_url}/token"),
            "client_authentication": match self.client_authentication {
                ClientAuthentication::Basic => "basic",
                ClientAuthentication::Body => "body",
            },
            "pkce": match self.pkce {
                Pkce::Required => "required",
                Pkce::Supported => "supported",
                Pkce::Unsupported => "unsupported",
            },
            "refresh": match self.refresh {
                RefreshPolicy::SingleUse => "single_use",
                RefreshPolicy::Rotates => "rotates",
                RefreshPolicy::Keeps => "keeps",
                RefreshPolicy::None => "none",
            },
            "scopes": self.scopes,
        });
        let parameters = |all: &[(&'static str, &'static str)]| -> Option<Value> {
            let all: Map<_, _> = all.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            (!all.is_empty()).then_some(Value::Object(all))
        };
        let optional = [
            ("authorize_parameters", parameters(&self.authorize_parameters)),
            ("token_parameters", parameters(&self.token_parameters)),
            ("refresh_scope", self.refresh_scope.map(|scope| json!(scope))),
            ("access_seconds", self.access_seconds.map(|seconds| json!(seconds))),
            ("envelope", self.has_envelope.then(|| json!("withings"))),
            ("user", (self.user_id == UserIdSource::InTokenResponse).then(|| json!("/user_id"))),
            (
                "identity",
                (self.user_id == UserIdSource::AtMe)
                    .then(|| json!({ "url": format!("{base_url}/me"), "user": "/user_id" })),
            ),
            ("scope_separator", (self.scope_separator != " ").then(|| json!(self.scope_separator))),
            ("issuer", self.sends_issuer.then(|| json!(base_url))),
            ("sends_issuer", self.sends_issuer.then_some(json!(true))),
            ("revocation", self.revocation.map(|method| revocation_table(method, base_url))),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                oauth[key] = value;
            }
        }
        oauth
    }
}

fn revocation_table(method: RevocationKind, base_url: &str) -> Value {
    let (name, path) = match method {
        RevocationKind::PostToken | RevocationKind::PostTokenAlone => ("post_token", "/revoke"),
        RevocationKind::PostForm => ("post_form", "/revoke"),
        RevocationKind::PostQuery => ("post_query", "/revoke"),
        RevocationKind::DeleteBearer => ("delete_bearer", "/revoke"),
        RevocationKind::DeleteUser => ("delete_bearer", "/revoke/{user}"),
    };
    let mut table = json!({ "method": name, "url": format!("{base_url}{path}") });
    if method == RevocationKind::PostTokenAlone {
        table["client_authentication"] = json!("none");
    }
    table
}
