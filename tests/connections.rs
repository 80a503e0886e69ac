//! Connections to providers: from consent to tokens, and to their end, with a provider that does as it should or doesn't.

mod account_erasure;
mod after_restore;
mod confidentiality;
mod consent;
mod invalid_requests;
mod lifecycle;
mod malformed_responses;
mod needs_reauth;
mod notifications;
mod oauth_state;
mod outages;
mod pkce;
mod refresh;
mod revocation;
mod worker_kills;

use std::sync::Arc;

use client::Credentials;
use events::RecordedEvent;
use nats_server::Role;
use serde_json::{Value, json};

use crate::harness::provider::{
    ProviderProfile, ProviderSimulator, RedirectParams, as_str_pairs, open_authorization_url,
};
use crate::harness::{
    CertificateAuthority, Cluster, Node, RawRequest, RawResponse, System, TestFolder, credentials,
    read_all_events, wait_until,
};

const REDIRECT_URI: &str = "myapp://connected";
const SCOPES: &str = "sync:read account:manage";

/// Providers, and the authority that vouches for them.
struct SimulatedProviders {
    simulators: Vec<ProviderSimulator>,
    authority: Arc<CertificateAuthority>,
    folder: TestFolder,
}

impl SimulatedProviders {
    fn new(variants: Vec<ProviderProfile>) -> Self {
        let folder = TestFolder::new();
        let authority = Arc::new(CertificateAuthority::new(folder.path()));
        let simulators =
            variants.into_iter().map(|variant| ProviderSimulator::start(&authority, variant)).collect();
        Self { simulators, authority, folder }
    }

    /// What SyncWell must be told of all of them; and that whoever waits may look as often as they like.
    fn environment(&self) -> Vec<(String, String)> {
        let limits = ["PER_USER_PER_MINUTE", "PER_IP_PER_5_MINUTES"];
        let limits = limits.map(|limit| (format!("SYNCWELL_RATES__{limit}"), "0".to_owned()));
        self.simulators.iter().flat_map(|one| one.environment(self.folder.path())).chain(limits).collect()
    }
}

/// A system, and a provider or several.
struct ConnectedSystem {
    system: System,
    providers: SimulatedProviders,
}

impl ConnectedSystem {
    fn start(variant: ProviderProfile) -> Self {
        Self::start_with_providers(vec![variant])
    }

    fn start_with_providers(variants: Vec<ProviderProfile>) -> Self {
        Self::start_with_env(variants, &[])
    }

    fn start_with_env(variants: Vec<ProviderProfile>, more: &[(&str, &str)]) -> Self {
        let providers = SimulatedProviders::new(variants);
        let environment = providers.environment();
        let system = System::start_with_env(&[&as_str_pairs(&environment), more].concat());
        Self { system, providers }
    }

    fn simulator(&self) -> &ProviderSimulator {
        &self.providers.simulators[0]
    }

    fn app(&self, user: &str) -> AppClient<'_> {
        self.app_at(0, user)
    }

    /// An app that connects its user to one of several providers.
    fn app_at(&self, number: usize, user: &str) -> AppClient<'_> {
        AppClient {
            ingest_url: self.system.base_url.clone(),
            projector_url: self.system.base_url.clone(),
            credentials: self.system.credentials(user, &["--scope", SCOPES]),
            provider: self.providers.simulators[number].name().to_owned(),
            authority: &self.providers.authority,
        }
    }

    /// The types of all events, in order, without `syncwell.` and the version.
    async fn event_types(&self) -> Vec<String> {
        short_event_types(&read_all_events(self.system.connect_as(Role::Auditor).await).await)
    }
}

/// Every role a process of its own, and a provider.
struct ConnectedCluster {
    cluster: Cluster,
    providers: SimulatedProviders,
}

impl ConnectedCluster {
    async fn start(variant: ProviderProfile) -> Self {
        let providers = SimulatedProviders::new(vec![variant]);
        let cluster = Cluster::start_with_env(&as_str_pairs(&providers.environment())).await;
        Self { cluster, providers }
    }

    fn simulator(&self) -> &ProviderSimulator {
        &self.providers.simulators[0]
    }

    fn app<'c>(&self, authority: &'c CertificateAuthority, user: &str) -> AppClient<'c> {
        let door = self.cluster.url(Node::IngestOne).to_owned();
        let arguments = ["--user", user, "--url", &door, "--scope", SCOPES];
        AppClient {
            credentials: credentials(&self.cluster.data_dir(), &arguments),
            projector_url: self.cluster.url(Node::Projector).to_owned(),
            provider: self.simulator().name().to_owned(),
            authority,
            ingest_url: door,
        }
    }

    async fn event_types(&self) -> Vec<String> {
        short_event_types(&read_all_events(self.cluster.connect_as(Role::Auditor).await).await)
    }
}

fn short_event_types(events: &[RecordedEvent]) -> Vec<String> {
    let kind = |event: &RecordedEvent| {
        let kind = event.header().unwrap().kind.as_str();
        kind.trim_start_matches("syncwell.").trim_end_matches(".v1").to_owned()
    };
    events.iter().map(kind).collect()
}

/// A user's app.
struct AppClient<'a> {
    ingest_url: String,
    projector_url: String,
    credentials: Credentials,
    provider: String,
    authority: &'a CertificateAuthority,
}

/// A connection that was begun: its name, and the page to open.
#[derive(Clone)]
struct PendingConnection {
    id: String,
    url: String,
    state: String,
}

impl PendingConnection {
    fn from_response(answer: &RawResponse) -> Self {
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        Self { id: text("connectionId"), url: text("authorizationUrl"), state: text("state") }
    }
}

impl AppClient<'_> {
    /// A request with a body, or none.
    fn request(&self, method: &'static str, path: &str, body: impl Into<Vec<u8>>) -> RawRequest {
        let mut request = RawRequest::get(&self.credentials, path).header("prefer", "wait=10");
        request.method = method;
        request.body = body.into();
        if request.body.is_empty() { request } else { request.header("content-type", "application/json") }
    }

    async fn post(&self, path: &str, body: &Value) -> RawResponse {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.request("POST", path, body).send(&self.ingest_url).await
    }

    async fn get(&self, path: &str) -> RawResponse {
        RawRequest::get(&self.credentials, path).send(&self.projector_url).await
    }

    async fn begin_connection(&self) -> PendingConnection {
        self.begin_connection_with(&json!({ "provider": self.provider, "redirect_uri": REDIRECT_URI })).await
    }

    async fn begin_connection_with(&self, body: &Value) -> PendingConnection {
        let answer = self.post("/v1/connections", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        PendingConnection::from_response(&answer)
    }

    async fn request_reauth(&self, id: &str) -> RawResponse {
        self.post(&format!("/v1/connections/{id}/reauth"), &Value::Null).await
    }

    /// The user says yes.
    async fn give_consent(&self, begun: &PendingConnection) -> RedirectParams {
        open_authorization_url(self.authority, &begun.url).await.unwrap()
    }

    /// What the app hands in of what the provider handed back.
    fn authorize_body(returned: &RedirectParams) -> Value {
        let mut body = json!({ "code": returned.code, "state": returned.state });
        if let Some(iss) = &returned.iss {
            body["iss"] = json!(iss);
        }
        body
    }

    async fn authorize(&self, id: &str, body: &Value) -> RawResponse {
        self.post(&format!("/v1/connections/{id}/authorize"), body).await
    }

    /// From the page to the answer of the authorisation.
    async fn complete_authorization(&self, begun: &PendingConnection) -> RawResponse {
        let returned = self.give_consent(begun).await;
        self.authorize(&begun.id, &Self::authorize_body(&returned)).await
    }

    /// The same, and waits for nothing.
    async fn authorize_async(&self, begun: &PendingConnection) {
        let body = Self::authorize_body(&self.give_consent(begun).await).to_string();
        let path = format!("/v1/connections/{}/authorize", begun.id);
        let request = self.request("POST", &path, body).header("prefer", "respond-async");
        let answer = request.send(&self.ingest_url).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.headers["location"], format!("/v1/connections/{}", begun.id));
    }

    /// A connection with good tokens.
    async fn connect(&self) -> String {
        let begun = self.begin_connection().await;
        let answer = self.complete_authorization(&begun).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("active")), "{answer:?}");
        begun.id
    }

    async fn disconnect(&self, id: &str) -> RawResponse {
        self.request("DELETE", &format!("/v1/connections/{id}"), "").send(&self.ingest_url).await
    }

    /// The same, and waits for nothing.
    async fn disconnect_async(&self, id: &str) {
        let request = self.request("DELETE", &format!("/v1/connections/{id}"), "");
        let answer = request.header("prefer", "respond-async").send(&self.ingest_url).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        // The view may be a moment behind.
        wait_until("the connection is being revoked", async || {
            let status = self.read_connection(id).await["status"].clone();
            (status == "revoking" || status == "revoked").then_some(())
        })
        .await;
    }

    async fn read_connection(&self, id: &str) -> Value {
        let answer = self.get(&format!("/v1/connections/{id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Waits until the connection has this status.
    async fn wait_for_status(&self, id: &str, status: &str) -> Value {
        wait_until(&format!("the connection is {status}"), async || {
            Some(self.read_connection(id).await).filter(|found| found["status"] == status)
        })
        .await
    }

    /// Waits until the user must agree again, for this reason.
    async fn wait_for_reauth(&self, id: &str, reason: &str) {
        let found = self.wait_for_status(id, "needs_reauth").await;
        assert_eq!(found["reason"], reason, "{found}");
        assert!(found["needsReauthAt"].is_string(), "{found}");
    }

    /// The user agrees again, and the connection is as good as new.
    async fn reauthorize(&self, id: &str) {
        let again = self.request_reauth(id).await;
        assert_eq!(again.status, 200, "{again:?}");
        let again = PendingConnection::from_response(&again);
        assert_eq!(again.id, id);
        let answer = self.complete_authorization(&again).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("active")), "{answer:?}");
        assert!(answer.json()["reason"].is_null() && answer.json()["needsReauthAt"].is_null(), "{answer:?}");
    }

    /// The user gives it up, and it is gone at once.
    async fn disconnect_now(&self, id: &str) {
        let answer = self.disconnect(id).await;
        assert_eq!((answer.status, answer.body_text.as_str()), (204, ""), "{answer:?}");
    }
}
