//! What providers deliver: taken in once where it is the provider's, and nowhere else.

mod accepted_deliveries;
mod account_erasure;
mod confidentiality;
mod durability;
mod handshakes;
mod ip_limits;
mod multi_user_deliveries;
mod published_keys;
mod rejected_deliveries;

use events::{EventKind, RecordedEvent};
use nats_server::Role;
use serde_json::Value;

use crate::harness::provider::as_str_pairs;
use crate::harness::provider::webhooks::{STANDARD_TABLE, Scheme, WebhookSender};
use crate::harness::{Cluster, Node, RawRequest, RawResponse, System, TestFolder, read_all_events};

/// A provider's user that stands nowhere else; a number, as most providers' are.
const USER: &str = "8315529047";
const OTHER_USER: &str = "8315529048";

/// Every provider that sends, and what SyncWell must be told to hear them.
struct WebhookSenders {
    all: Vec<WebhookSender>,
    environment: Vec<(String, String)>,
    _folder: TestFolder,
}

impl WebhookSenders {
    fn with_all_schemes() -> Self {
        Self::new(&Scheme::ALL)
    }

    fn new(schemes: &[Scheme]) -> Self {
        let folder = TestFolder::new();
        let tables = folder.path().join("providers");
        std::fs::create_dir_all(&tables).unwrap();
        std::fs::write(tables.join("standard.toml"), STANDARD_TABLE).unwrap();
        let all: Vec<_> = schemes.iter().map(|scheme| WebhookSender::new(*scheme)).collect();
        let mut environment: Vec<_> =
            all.iter().flat_map(|sender| sender.environment(folder.path())).collect();
        environment.push(("SYNCWELL_PROVIDERS__FOLDER".to_owned(), tables.to_str().unwrap().to_owned()));
        Self { all, environment, _folder: folder }
    }

    fn start_system(&self) -> System {
        System::start_with_env(&as_str_pairs(&self.environment))
    }

    async fn start_cluster(&self) -> Cluster {
        Cluster::start_with_env(&as_str_pairs(&self.environment)).await
    }
}

/// What the provider wants to hear where all is well.
fn success_status(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Fitbit | Scheme::GoogleHealth | Scheme::Junction | Scheme::StandardWebhooks => 204,
        Scheme::Oura
        | Scheme::Whoop
        | Scheme::Withings
        | Scheme::Polar
        | Scheme::Garmin
        | Scheme::Strava
        | Scheme::Suunto
        | Scheme::Terra => 200,
    }
}

/// What it hears where the signature is wrong.
fn invalid_signature_status(scheme: Scheme) -> u16 {
    if scheme == Scheme::Fitbit { 404 } else { 401 }
}

fn only_deliveries(events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
    let is_delivery = |event: &RecordedEvent| event.header().unwrap().kind == EventKind::WebhookReceivedV1;
    events.into_iter().filter(is_delivery).collect()
}

/// The deliveries in the log.
async fn system_deliveries(system: &System) -> Vec<RecordedEvent> {
    only_deliveries(read_all_events(system.connect_as(Role::Auditor).await).await)
}

async fn cluster_deliveries(cluster: &Cluster) -> Vec<RecordedEvent> {
    only_deliveries(read_all_events(cluster.connect_as(Role::Auditor).await).await)
}

/// What is sealed in an event, as an auditor with the keys sees it.
fn reveal_event(system: &System, event: &RecordedEvent) -> Value {
    let sequence = event.sequence().to_string();
    let shown =
        system.run_command(&["events", "show", &sequence, "--reveal", "--reason", "a test", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{shown:?}"));
    assert_eq!(shown["type"], "syncwell.webhook.received.v1");
    shown
}

fn assert_accepted(scheme: Scheme, answer: &RawResponse) {
    assert_eq!(
        (answer.status, answer.body_text.as_str()),
        (success_status(scheme), ""),
        "{scheme:?}: {answer:?}"
    );
}

/// A problem with this status and code.
fn assert_refused(answer: &RawResponse, status: u16, code: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.problem_code(), code, "{what}: {answer:?}");
}
