//! What providers deliver: taken in once where it is the provider's, and nowhere else.

mod durable;
mod erased;
mod handshakes;
mod keys;
mod limits;
mod parts;
mod refused;
mod secrecy;
mod taken;

use events::{Envelope, EventKind, RecordedEvent};
use nats_server::Role;
use serde_json::Value;

use crate::harness::provider::borrowed;
use crate::harness::provider::webhooks::{STANDARD_TABLE, Scheme, Sender};
use crate::harness::{Answer, Cluster, Part, RawRequest, System, TestFolder, all_events};

/// A provider's user that stands nowhere else; a number, as most providers' are.
const USER: &str = "8315529047";
const OTHER_USER: &str = "8315529048";

/// Every provider that sends, and what SyncWell must be told to hear them.
struct Senders {
    all: Vec<Sender>,
    environment: Vec<(String, String)>,
    _folder: TestFolder,
}

impl Senders {
    fn all() -> Self {
        Self::of(&Scheme::ALL)
    }

    fn of(schemes: &[Scheme]) -> Self {
        let folder = TestFolder::new();
        let tables = folder.path().join("providers");
        std::fs::create_dir_all(&tables).unwrap();
        std::fs::write(tables.join("standard.toml"), STANDARD_TABLE).unwrap();
        let all: Vec<_> = schemes.iter().map(|scheme| Sender::new(*scheme)).collect();
        let mut environment: Vec<_> =
            all.iter().flat_map(|sender| sender.environment(folder.path())).collect();
        environment.push(("SYNCWELL_PROVIDERS__FOLDER".to_owned(), tables.to_str().unwrap().to_owned()));
        Self { all, environment, _folder: folder }
    }

    fn system(&self) -> System {
        System::start_with(&borrowed(&self.environment))
    }

    async fn cluster(&self) -> Cluster {
        Cluster::start_with(&borrowed(&self.environment)).await
    }
}

/// What the provider wants to hear where all is well.
fn reply(scheme: Scheme) -> u16 {
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
fn refusal(scheme: Scheme) -> u16 {
    if scheme == Scheme::Fitbit { 404 } else { 401 }
}

fn deliveries(events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
    let is_delivery = |event: &RecordedEvent| {
        Envelope::read_head(event.bytes()).unwrap().kind == EventKind::WebhookReceivedV1
    };
    events.into_iter().filter(is_delivery).collect()
}

/// The deliveries in the log.
async fn received(system: &System) -> Vec<RecordedEvent> {
    deliveries(all_events(system.connect(Role::Auditor).await).await)
}

async fn received_by(cluster: &Cluster) -> Vec<RecordedEvent> {
    deliveries(all_events(cluster.connect(Role::Auditor).await).await)
}

/// What is sealed in an event, as an auditor with the keys sees it.
fn revealed(system: &System, event: &RecordedEvent) -> Value {
    let sequence = event.sequence().to_string();
    let shown = system.command(&["events", "show", &sequence, "--reveal", "--reason", "a test", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{shown:?}"));
    assert_eq!(shown["type"], "syncwell.webhook.received.v1");
    shown
}

fn assert_accepted(scheme: Scheme, answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (reply(scheme), ""), "{scheme:?}: {answer:?}");
}

/// A problem with this status and code.
fn assert_refused(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.problem(), code, "{what}: {answer:?}");
}
