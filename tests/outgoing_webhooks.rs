//! The change feed, from a summary that changes to a receiver that is told: signed, once or with the same name, and
//! without a word of anybody's health.

mod account_erasure;
mod change_kinds;
mod delivery_failures;
mod endpoint_addresses;
mod process_kills;
pub(crate) mod receiver;

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde_json::{Value, json};

use self::receiver::ReceiverServer;
use crate::harness::{
    CertificateAuthority, CliOutput, RawRequest, System, TestFolder, run_cli, summary, wait_until, yesterday,
};

/// A receiver, and what SyncWell must be told to reach it.
struct WebhookFixture {
    receiver: ReceiverServer,
    ca_file: PathBuf,
    retry_seconds: &'static str,
    _folder: TestFolder,
}

impl WebhookFixture {
    fn new(retry_seconds: &'static str) -> Self {
        let folder = TestFolder::new();
        let authority = CertificateAuthority::new(folder.path());
        let receiver = ReceiverServer::start(&authority, folder.path());
        Self { receiver, ca_file: authority.ca_file.clone(), retry_seconds, _folder: folder }
    }

    fn environment(&self) -> [(&'static str, &str); 4] {
        [
            ("SYNCWELL_FEED__ALLOW_PRIVATE", r#"["127.0.0.0/8"]"#),
            ("SYNCWELL_FEED__CA_FILE", self.ca_file.to_str().unwrap()),
            ("SYNCWELL_FEED__LINK_BASE", "https://api.example"),
            ("SYNCWELL_FEED__RETRY_SECONDS", self.retry_seconds),
        ]
    }

    fn start_system(&self) -> System {
        System::start_with_env(&self.environment())
    }
}

/// `syncwell webhooks …`, and what it printed.
fn run_webhooks_command(data_dir: &Path, arguments: &[&str]) -> CliOutput {
    run_cli(data_dir, &[&["webhooks"], arguments].concat())
}

fn json_of_success(ran: CliOutput) -> Value {
    assert_eq!(ran.exit_code, Some(0), "{}", ran.combined_output());
    ran.json()
}

/// Registers an endpoint: its id and its secret.
fn add_endpoint(data_dir: &Path, arguments: &[&str]) -> (String, String) {
    let added = json_of_success(run_webhooks_command(data_dir, &[&["add", "--json"], arguments].concat()));
    assert_eq!(added["projector"], "knows");
    let text = |name: &str| added[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

/// The one endpoint, as the list has it.
fn list_single_endpoint(data_dir: &Path) -> Value {
    let endpoints = json_of_success(run_webhooks_command(data_dir, &["list", "--json"]));
    assert_eq!(endpoints.as_array().unwrap().len(), 1, "{endpoints}");
    endpoints[0].clone()
}

async fn post_summary(system: &System, user: &str, body: String) -> Value {
    let posted = RawRequest::post(&system.credentials(user, &[]), body).send(&system.base_url).await;
    assert!([200, 201].contains(&posted.status), "{posted:?}");
    posted.json()
}

/// A summary of so many days ago.
fn summary_days_ago(days_ago: i32, values: &str) -> (Date, String) {
    let date = yesterday().checked_sub(jiff::Span::new().days(days_ago)).unwrap();
    (date, summary("20:00:00", values).replace(&yesterday().to_string(), &date.to_string()))
}

const USER: &str = "ana.feed@example.org";

#[tokio::test]
async fn change_is_signed_and_contains_no_health_data() {
    let scene = WebhookFixture::new("[1]");
    let system = scene.start_system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    let (own, own_secret) = add_endpoint(&data_dir, &[&receiver.url("/own?of=us")]);
    let (shared, shared_secret) =
        add_endpoint(&data_dir, &[&receiver.url("/shared"), "--user-ref", "shared"]);
    let (_, erased_secret) = add_endpoint(&data_dir, &[&receiver.url("/erased"), "--kind", "account.erased"]);
    assert!(own_secret != shared_secret && shared_secret != erased_secret);

    let tested = json_of_success(run_webhooks_command(&data_dir, &["test", &own, "--json"]));
    assert_eq!((&tested["delivered"], &tested["status"]), (&true.into(), &204.into()));
    let test = receiver.wait_for_deliveries(1, |_| true).await.remove(0);
    assert!(test.is_signed_with(&own_secret) && !test.is_signed_with(&shared_secret), "{test:?}");
    assert_eq!(
        (test.id(), &test.json()["type"]),
        (tested["message_id"].as_str().unwrap(), &json!("webhook.test"))
    );
    assert_eq!(
        (test.path.as_str(), test.headers["content-type"].as_str()),
        ("/own?of=us", "application/json")
    );

    let told =
        post_summary(&system, USER, summary("20:00:00", r#""steps":148213,"resting_hr":63.25,"hrv":161.75"#))
            .await;
    let at = |path: &'static str| {
        move |delivery: &receiver::ReceivedDelivery| {
            delivery.path.starts_with(path) && delivery.json()["type"] == "summary.changed"
        }
    };
    let to_own = receiver.wait_for_deliveries(1, at("/own")).await.remove(0);
    let to_shared = receiver.wait_for_deliveries(1, at("/shared")).await.remove(0);
    assert!(to_own.is_signed_with(&own_secret) && to_shared.is_signed_with(&shared_secret));
    assert!(!to_shared.is_signed_with(&own_secret) && to_own.id() != to_shared.id());
    let named = |id: &str| {
        let named = run_webhooks_command(&data_dir, &["ref", id, "--user", USER]);
        assert_eq!(named.exit_code, Some(0), "{}", named.combined_output());
        named.stdout.trim().to_owned()
    };
    let (date, events) = (yesterday(), run_cli(&data_dir, &["events", "tail", "--json"]).json());
    let expected = json!({
        "type": "summary.changed",
        "timestamp": events["received_at"],
        "data": {
            "user_ref": named(&own),
            "date": date,
            "link": format!("https://api.example/v1/summaries/{date}"),
            "position": told["sequence"],
        },
    });
    assert_eq!(to_own.json(), expected, "this, and nothing else");
    let mut as_shared = expected;
    as_shared["data"]["user_ref"] = named(&shared).into();
    assert_eq!(to_shared.json(), as_shared);
    assert_eq!(named(&shared), events["user_ref"].as_str().unwrap(), "SyncWell's own name for the user");
    assert_ne!(named(&own), named(&shared));

    // What changes nothing is not told: the next thing that both hear is of somebody else.
    let again =
        post_summary(&system, USER, summary("21:00:00", r#""steps":148213,"resting_hr":63.25,"hrv":161.75"#))
            .await;
    assert_eq!(again["outcome"], "unchanged");
    post_summary(&system, "somebody.else", summary("20:00:00", r#""steps":5"#)).await;
    for path in ["/own", "/shared"] {
        let all = receiver.wait_for_deliveries(2, at(path)).await;
        assert_eq!(all.len(), 2, "{all:?}");
        assert_ne!(all[0].json()["data"]["user_ref"], all[1].json()["data"]["user_ref"]);
    }
    let all = receiver.deliveries();
    assert!(all.iter().all(|delivery| !delivery.path.starts_with("/erased")), "it wants other things");
    let bytes = format!("{all:?}");
    for secret in [USER, "somebody.else", "148213", "63.25", "161.75", "steps", "resting_hr", "hrv"] {
        assert!(!bytes.contains(secret), "{secret} in {bytes}");
    }
    let log = std::fs::read_to_string(&system.process.log_path).unwrap();
    for secret in [&own_secret[6..], "of=us", to_own.json()["data"]["user_ref"].as_str().unwrap()] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

#[tokio::test]
async fn removed_endpoint_loses_its_queue() {
    let scene = WebhookFixture::new("[3600]");
    let system = scene.start_system();
    let data_dir = system.data_dir();
    let (id, _) = add_endpoint(&data_dir, &[&scene.receiver.url("/")]);
    scene.receiver.respond_with(|_| receiver::ReceiverResponse::Status(500));
    post_summary(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    wait_until("a message waits", async || (list_single_endpoint(&data_dir)["waiting"] == 1).then_some(()))
        .await;
    assert_eq!(
        json_of_success(run_webhooks_command(&data_dir, &["remove", &id, "--json"]))["removed"],
        id.as_str()
    );
    assert_eq!(json_of_success(run_webhooks_command(&data_dir, &["list", "--json"])), json!([]));
    for command in
        [&["remove", &id][..], &["test", &id], &["ref", &id, "--user", "ana"], &["parked", "retry", &id]]
    {
        let ran = run_webhooks_command(&data_dir, command);
        assert!(
            ran.exit_code == Some(1) && ran.combined_output().contains("no such endpoint"),
            "{}",
            ran.combined_output()
        );
    }
    let work = worker::WORK_STREAM.stream(system.connect_as(nats_server::Role::Worker).await);
    wait_until("nothing is left of it", async || {
        let left = work.scan(jetstream::ScanFrom::Sequence(1), "$KV.work.>", 100).await.unwrap();
        left.iter().all(|entry| !entry.subject.contains(&id)).then_some(())
    })
    .await;
    // Nobody wants to know any more, so nothing is told.
    post_summary(&system, "ana", summary("21:00:00", r#""steps":2"#)).await;
    let changes = events::CHANGES_STREAM.stream(system.connect_as(nats_server::Role::Worker).await);
    assert_eq!(changes.info().await.unwrap().unwrap().state.messages, 1);
}
