//! The change feed, from a summary that changes to a receiver that is told: signed, once or with the same name, and
//! without a word of anybody's health.

mod erased;
mod failures;
mod kills;
mod kinds;
mod places;
pub(crate) mod receiver;

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde_json::{Value, json};

use self::receiver::Receiver;
use crate::harness::{Authority, Ran, RawRequest, System, TestFolder, run_in, summary, until, yesterday};

/// A receiver, and what SyncWell must be told to reach it.
struct Scene {
    receiver: Receiver,
    ca_file: PathBuf,
    retry_seconds: &'static str,
    _folder: TestFolder,
}

impl Scene {
    fn new(retry_seconds: &'static str) -> Self {
        let folder = TestFolder::new();
        let authority = Authority::new(folder.path());
        let receiver = Receiver::start(&authority, folder.path());
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

    fn system(&self) -> System {
        System::start_with(&self.environment())
    }
}

/// `syncwell webhooks …`, and what it printed.
fn webhooks(data_dir: &Path, arguments: &[&str]) -> Ran {
    run_in(data_dir, &[&["webhooks"], arguments].concat())
}

fn done(ran: Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    ran.json()
}

/// Registers an endpoint: its id and its secret.
fn add(data_dir: &Path, arguments: &[&str]) -> (String, String) {
    let added = done(webhooks(data_dir, &[&["add", "--json"], arguments].concat()));
    assert_eq!(added["projector"], "knows");
    let text = |name: &str| added[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

/// The one endpoint, as the list has it.
fn listed(data_dir: &Path) -> Value {
    let endpoints = done(webhooks(data_dir, &["list", "--json"]));
    assert_eq!(endpoints.as_array().unwrap().len(), 1, "{endpoints}");
    endpoints[0].clone()
}

async fn post(system: &System, user: &str, body: String) -> Value {
    let posted = RawRequest::post(&system.credentials(user, &[]), body).send(&system.base_url).await;
    assert!([200, 201].contains(&posted.status), "{posted:?}");
    posted.json()
}

/// A summary of so many days ago.
fn summary_of(days_ago: i32, values: &str) -> (Date, String) {
    let date = yesterday().checked_sub(jiff::Span::new().days(days_ago)).unwrap();
    (date, summary("20:00:00", values).replace(&yesterday().to_string(), &date.to_string()))
}

const USER: &str = "ana.feed@example.org";

#[tokio::test]
async fn a_change_arrives_signed_and_says_nothing_of_anybody_s_health() {
    let scene = Scene::new("[1]");
    let system = scene.system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    let (own, own_secret) = add(&data_dir, &[&receiver.url("/own?of=us")]);
    let (shared, shared_secret) = add(&data_dir, &[&receiver.url("/shared"), "--user-ref", "shared"]);
    let (_, erased_secret) = add(&data_dir, &[&receiver.url("/erased"), "--kind", "account.erased"]);
    assert!(own_secret != shared_secret && shared_secret != erased_secret);

    let tested = done(webhooks(&data_dir, &["test", &own, "--json"]));
    assert_eq!((&tested["delivered"], &tested["status"]), (&true.into(), &204.into()));
    let test = receiver.wait_for(1, |_| true).await.remove(0);
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
        post(&system, USER, summary("20:00:00", r#""steps":148213,"resting_hr":63.25,"hrv":161.75"#)).await;
    let at = |path: &'static str| {
        move |delivery: &receiver::Delivery| {
            delivery.path.starts_with(path) && delivery.json()["type"] == "summary.changed"
        }
    };
    let to_own = receiver.wait_for(1, at("/own")).await.remove(0);
    let to_shared = receiver.wait_for(1, at("/shared")).await.remove(0);
    assert!(to_own.is_signed_with(&own_secret) && to_shared.is_signed_with(&shared_secret));
    assert!(!to_shared.is_signed_with(&own_secret) && to_own.id() != to_shared.id());
    let named = |id: &str| {
        let named = webhooks(&data_dir, &["ref", id, "--user", USER]);
        assert_eq!(named.code, Some(0), "{}", named.text());
        named.output.trim().to_owned()
    };
    let (date, events) = (yesterday(), run_in(&data_dir, &["events", "tail", "--json"]).json());
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
        post(&system, USER, summary("21:00:00", r#""steps":148213,"resting_hr":63.25,"hrv":161.75"#)).await;
    assert_eq!(again["outcome"], "unchanged");
    post(&system, "somebody.else", summary("20:00:00", r#""steps":5"#)).await;
    for path in ["/own", "/shared"] {
        let all = receiver.wait_for(2, at(path)).await;
        assert_eq!(all.len(), 2, "{all:?}");
        assert_ne!(all[0].json()["data"]["user_ref"], all[1].json()["data"]["user_ref"]);
    }
    let all = receiver.deliveries();
    assert!(all.iter().all(|delivery| !delivery.path.starts_with("/erased")), "it wants other things");
    let bytes = format!("{all:?}");
    for secret in [USER, "somebody.else", "148213", "63.25", "161.75", "steps", "resting_hr", "hrv"] {
        assert!(!bytes.contains(secret), "{secret} in {bytes}");
    }
    let log = std::fs::read_to_string(&system.process.log).unwrap();
    for secret in [&own_secret[6..], "of=us", to_own.json()["data"]["user_ref"].as_str().unwrap()] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

#[tokio::test]
async fn an_endpoint_is_removed_with_all_that_waits_for_it() {
    let scene = Scene::new("[3600]");
    let system = scene.system();
    let data_dir = system.data_dir();
    let (id, _) = add(&data_dir, &[&scene.receiver.url("/")]);
    scene.receiver.answer(|_| receiver::Answer::Status(500));
    post(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    until("a message waits", async || (listed(&data_dir)["waiting"] == 1).then_some(())).await;
    assert_eq!(done(webhooks(&data_dir, &["remove", &id, "--json"]))["removed"], id.as_str());
    assert_eq!(done(webhooks(&data_dir, &["list", "--json"])), json!([]));
    for command in
        [&["remove", &id][..], &["test", &id], &["ref", &id, "--user", "ana"], &["parked", "retry", &id]]
    {
        let ran = webhooks(&data_dir, command);
        assert!(ran.code == Some(1) && ran.text().contains("no such endpoint"), "{}", ran.text());
    }
    let work = jetstream::Stream::new(system.connect(nats_server::Role::Worker).await, "WORK.API", "KV_work");
    until("nothing is left of it", async || {
        let left = work.scan(jetstream::ScanFrom::Sequence(1), "$KV.work.>", 100).await.unwrap();
        left.iter().all(|entry| !entry.subject.contains(&id)).then_some(())
    })
    .await;
    // Nobody wants to know any more, so nothing is told.
    post(&system, "ana", summary("21:00:00", r#""steps":2"#)).await;
    let changes =
        jetstream::Stream::new(system.connect(nats_server::Role::Worker).await, "WORK.API", "CHANGES");
    assert_eq!(changes.info().await.unwrap().unwrap().state.messages, 1);
}
