//! Connections to providers: from consent to tokens, and to their end, with a provider that does as it should or doesn't.

mod consent;
mod erased;
mod flow;
mod kills;
mod needs_reauth;
mod outages;
mod pkce;
mod refresh;
mod refusals;
mod restored;
mod revocation;
mod secrets;
mod spoiled;
mod state;
mod told;

use std::sync::Arc;

use client::Credentials;
use events::{Envelope, RecordedEvent};
use nats_server::Role;
use serde_json::{Value, json};

use crate::harness::provider::{Returned, Simulator, Variant, borrowed, follow};
use crate::harness::{
    Answer, Authority, Cluster, Part, RawRequest, System, TestFolder, all_events, credentials, until,
};

const REDIRECT_URI: &str = "myapp://connected";
const SCOPES: &str = "sync:read account:manage";

/// Providers, and the authority that vouches for them.
struct Providers {
    simulators: Vec<Simulator>,
    authority: Arc<Authority>,
    folder: TestFolder,
}

impl Providers {
    fn of(variants: Vec<Variant>) -> Self {
        let folder = TestFolder::new();
        let authority = Arc::new(Authority::new(folder.path()));
        let simulators = variants.into_iter().map(|variant| Simulator::start(&authority, variant)).collect();
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
struct Connected {
    system: System,
    providers: Providers,
}

impl Connected {
    fn to(variant: Variant) -> Self {
        Self::to_all(vec![variant])
    }

    fn to_all(variants: Vec<Variant>) -> Self {
        Self::with(variants, &[])
    }

    fn with(variants: Vec<Variant>, more: &[(&str, &str)]) -> Self {
        let providers = Providers::of(variants);
        let environment = providers.environment();
        let system = System::start_with(&[&borrowed(&environment), more].concat());
        Self { system, providers }
    }

    fn simulator(&self) -> &Simulator {
        &self.providers.simulators[0]
    }

    fn app(&self, user: &str) -> App<'_> {
        self.app_at(0, user)
    }

    /// An app that connects its user to one of several providers.
    fn app_at(&self, number: usize, user: &str) -> App<'_> {
        App {
            door: self.system.base_url.clone(),
            view: self.system.base_url.clone(),
            credentials: self.system.credentials(user, &["--scope", SCOPES]),
            provider: self.providers.simulators[number].name().to_owned(),
            authority: &self.providers.authority,
        }
    }

    /// The types of all events, in order, without `syncwell.` and the version.
    async fn events(&self) -> Vec<String> {
        kinds(&all_events(self.system.connect(Role::Auditor).await).await)
    }
}

/// Every role a process of its own, and a provider.
struct ConnectedCluster {
    cluster: Cluster,
    providers: Providers,
}

impl ConnectedCluster {
    async fn to(variant: Variant) -> Self {
        let providers = Providers::of(vec![variant]);
        let cluster = Cluster::start_with(&borrowed(&providers.environment())).await;
        Self { cluster, providers }
    }

    fn simulator(&self) -> &Simulator {
        &self.providers.simulators[0]
    }

    fn app<'c>(&self, authority: &'c Authority, user: &str) -> App<'c> {
        let door = self.cluster.url(Part::IngestOne).to_owned();
        let arguments = ["--user", user, "--url", &door, "--scope", SCOPES];
        App {
            credentials: credentials(&self.cluster.data_dir(), &arguments),
            view: self.cluster.url(Part::Projector).to_owned(),
            provider: self.simulator().name().to_owned(),
            authority,
            door,
        }
    }

    async fn events(&self) -> Vec<String> {
        kinds(&all_events(self.cluster.connect(Role::Auditor).await).await)
    }
}

fn kinds(events: &[RecordedEvent]) -> Vec<String> {
    let kind = |event: &RecordedEvent| {
        let kind = Envelope::read_head(event.bytes()).unwrap().kind.as_str();
        kind.trim_start_matches("syncwell.").trim_end_matches(".v1").to_owned()
    };
    events.iter().map(kind).collect()
}

/// A user's app.
struct App<'a> {
    door: String,
    view: String,
    credentials: Credentials,
    provider: String,
    authority: &'a Authority,
}

/// A connection that was begun: its name, and the page to open.
#[derive(Clone)]
struct Begun {
    id: String,
    url: String,
    state: String,
}

impl Begun {
    fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        Self { id: text("connectionId"), url: text("authorizationUrl"), state: text("state") }
    }
}

impl App<'_> {
    /// A request with a body, or none.
    fn request(&self, method: &'static str, path: &str, body: impl Into<Vec<u8>>) -> RawRequest {
        let mut request = RawRequest::get(&self.credentials, path).header("prefer", "wait=10");
        request.method = method;
        request.body = body.into();
        if request.body.is_empty() { request } else { request.header("content-type", "application/json") }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.request("POST", path, body).send(&self.door).await
    }

    async fn get(&self, path: &str) -> Answer {
        RawRequest::get(&self.credentials, path).send(&self.view).await
    }

    async fn begin(&self) -> Begun {
        self.begin_with(&json!({ "provider": self.provider, "redirect_uri": REDIRECT_URI })).await
    }

    async fn begin_with(&self, body: &Value) -> Begun {
        let answer = self.post("/v1/connections", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Begun::of(&answer)
    }

    async fn reauth(&self, id: &str) -> Answer {
        self.post(&format!("/v1/connections/{id}/reauth"), &Value::Null).await
    }

    /// The user says yes.
    async fn consent(&self, begun: &Begun) -> Returned {
        follow(self.authority, &begun.url).await.unwrap()
    }

    /// What the app hands in of what the provider handed back.
    fn handed_back(returned: &Returned) -> Value {
        let mut body = json!({ "code": returned.code, "state": returned.state });
        if let Some(iss) = &returned.iss {
            body["iss"] = json!(iss);
        }
        body
    }

    async fn authorize(&self, id: &str, body: &Value) -> Answer {
        self.post(&format!("/v1/connections/{id}/authorize"), body).await
    }

    /// From the page to the answer of the authorisation.
    async fn agree(&self, begun: &Begun) -> Answer {
        let returned = self.consent(begun).await;
        self.authorize(&begun.id, &Self::handed_back(&returned)).await
    }

    /// The same, and waits for nothing.
    async fn agree_and_go(&self, begun: &Begun) {
        let body = Self::handed_back(&self.consent(begun).await).to_string();
        let path = format!("/v1/connections/{}/authorize", begun.id);
        let request = self.request("POST", &path, body).header("prefer", "respond-async");
        let answer = request.send(&self.door).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.headers["location"], format!("/v1/connections/{}", begun.id));
    }

    /// A connection with good tokens.
    async fn connect(&self) -> String {
        let begun = self.begin().await;
        let answer = self.agree(&begun).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("active")), "{answer:?}");
        begun.id
    }

    async fn disconnect(&self, id: &str) -> Answer {
        self.request("DELETE", &format!("/v1/connections/{id}"), "").send(&self.door).await
    }

    /// The same, and waits for nothing.
    async fn disconnect_and_go(&self, id: &str) {
        let request = self.request("DELETE", &format!("/v1/connections/{id}"), "");
        let answer = request.header("prefer", "respond-async").send(&self.door).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        // The view may be a moment behind.
        until("the connection is being revoked", async || {
            let status = self.read(id).await["status"].clone();
            (status == "revoking" || status == "revoked").then_some(())
        })
        .await;
    }

    async fn read(&self, id: &str) -> Value {
        let answer = self.get(&format!("/v1/connections/{id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Waits until the connection has this status.
    async fn becomes(&self, id: &str, status: &str) -> Value {
        until(&format!("the connection is {status}"), async || {
            Some(self.read(id).await).filter(|found| found["status"] == status)
        })
        .await
    }

    /// Waits until the user must agree again, for this reason.
    async fn needs_reauth(&self, id: &str, reason: &str) {
        let found = self.becomes(id, "needs_reauth").await;
        assert_eq!(found["reason"], reason, "{found}");
        assert!(found["needsReauthAt"].is_string(), "{found}");
    }

    /// The user agrees again, and the connection is as good as new.
    async fn agree_again(&self, id: &str) {
        let again = self.reauth(id).await;
        assert_eq!(again.status, 200, "{again:?}");
        let again = Begun::of(&again);
        assert_eq!(again.id, id);
        let answer = self.agree(&again).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("active")), "{answer:?}");
        assert!(answer.json()["reason"].is_null() && answer.json()["needsReauthAt"].is_null(), "{answer:?}");
    }

    /// The user gives it up, and it is gone at once.
    async fn give_up(&self, id: &str) {
        let answer = self.disconnect(id).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{answer:?}");
    }
}
