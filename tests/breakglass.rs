//! Breaking the glass: two people, once, and every step in the log.

use std::path::Path;
use std::process::Output;

use jetstream::{Broker, BrokerAddress};
use serde_json::{Value, json};

use crate::harness::{RawRequest, System, TestFolder, run_syncwell, summary, wait_until};

fn create_person_key(folder: &Path, name: &str) -> (String, String) {
    let file = folder.join(format!("{name}.key")).to_str().unwrap().to_owned();
    let made = run_syncwell(&["breakglass", "person", name, "--key", &file], &[]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (file, String::from_utf8(made.stdout).unwrap().trim().to_owned())
}

fn stdout_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn stderr_of_failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The steps that an auditor sees.
fn breakglass_events(system: &System) -> Vec<Value> {
    let tail = system.run_command(&["events", "tail", "-n", "50", "--json"]);
    let events = stdout_text(&tail)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .collect::<Vec<_>>();
    events.into_iter().filter(|event| event["type"].as_str().unwrap().contains("breakglass")).collect()
}

/// A request with the operator's credentials and no key of a person.
async fn request_as_operator(system: &System, subject: &str, payload: &Value) -> Value {
    let read = |name: &str| std::fs::read_to_string(system.data_dir().join(name)).unwrap();
    let running: Value = serde_json::from_str(&read("running.json")).unwrap();
    let address = BrokerAddress {
        url: running["nats"].as_str().unwrap().to_owned(),
        seed: read("keys/operator.nk"),
        ca_file: None,
        role: "operator",
    };
    let broker = Broker::connect(address).await.unwrap();
    let answer = broker.request(subject.to_owned(), payload.to_string().into()).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

const USER: &str = "ana.glass@example.org";

#[tokio::test]
async fn approved_lookup_works_once_and_every_step_is_logged() {
    let folder = TestFolder::new();
    let (ana, ana_line) = create_person_key(folder.path(), "ana");
    let (ben, ben_line) = create_person_key(folder.path(), "ben");
    let (eve, _) = create_person_key(folder.path(), "eve");
    let people = format!("[\"{ana_line}\", \"{ben_line}\"]");
    let system = System::start_with_env(&[("SYNCWELL_BREAKGLASS__PEOPLE", &people)]);
    let credentials = system.credentials(USER, &[]);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut expected = Vec::new();
    for (number, request) in [
        RawRequest::post(&credentials, summary("20:00:00", r#""steps":1"#)).header("traceparent", trace),
        RawRequest::post(&credentials, summary("20:00:01", r#""steps":-1"#)),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = request.send(&system.base_url).await;
        assert_eq!(answer.status, [201, 422][number]);
        expected.push(answer.headers["x-correlation-id"].clone());
    }
    assert_eq!(expected[0], "0af7651916cd43dd8448eb211c80319c", "the caller's trace names the request");
    let other = system.credentials("somebody.else", &[]);
    RawRequest::post(&other, summary("20:00:00", r#""steps":5"#)).send(&system.base_url).await;

    let step = |arguments: &[&str], key: &str| {
        system.run_command(&[&["breakglass"], arguments, &["--key", key]].concat())
    };
    let request = ["request", "--user", USER, "--reason", "posts are refused", "--ticket", "T-17"];
    let requested = step(&request, &ana);
    assert!(requested.status.success(), "{requested:?}");
    let name = stdout_text(&requested);
    assert!(stderr_of_failure(&step(&["lookup", &name], &ana)).contains("nobody else has approved"));
    assert!(stderr_of_failure(&step(&["approve", &name], &ana)).contains("who requested can't approve"));
    assert!(stderr_of_failure(&step(&["approve", &name], &eve)).contains("nobody's who may"));
    assert!(stderr_of_failure(&step(&request, &eve)).contains("nobody's who may"));
    assert!(step(&["approve", &name], &ben).status.success());
    assert!(stderr_of_failure(&step(&["lookup", &name], &ben)).contains("only who requested"));

    // Ana's refused look-up stands in the log for everybody to copy: it is of no use to anybody.
    let refused =
        breakglass_events(&system).into_iter().find(|event| event["content"]["refusal"].is_string()).unwrap();
    let copied = json!({
        "statement": refused["content"]["statement"], "signature": refused["content"]["signature"],
    });
    let answer = request_as_operator(&system, "breakglass.v1.step", &copied).await;
    assert_eq!(answer, json!({ "refused": "this very statement was used already" }));

    assert!(std::fs::read_to_string(&system.process.log_path).unwrap().contains(&expected[0]));
    system.wait_until_indexed(3).await;
    let looked_up = step(&["lookup", &name, "--json"], &ana);
    assert!(looked_up.status.success(), "{looked_up:?}");
    let found: Value = serde_json::from_str(&stdout_text(&looked_up)).unwrap();
    let ids: Vec<_> = found["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["correlation_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, expected, "these, in order, and nobody else's");
    assert!(stderr_of_failure(&step(&["lookup", &name], &ana)).contains("used already"));

    // An auditor sees it all, without any key.
    let steps = breakglass_events(&system);
    let kinds: Vec<_> = steps
        .iter()
        .map(|event| {
            let kind = event["type"].as_str().unwrap().split('.').nth(2).unwrap();
            (kind, event["content"]["person"].as_str().unwrap())
        })
        .collect();
    let expected = [
        ("requested", "ana"),
        ("refused", "ana"),
        ("refused", "ana"),
        ("refused", "-"),
        ("approved", "ben"),
        ("refused", "ben"),
        ("refused", "ana"),
        ("looked_up", "ana"),
        ("refused", "ana"),
    ];
    assert_eq!(kinds, expected);
    assert!(steps.iter().all(|event| event["user_ref"] == steps[0]["user_ref"]), "with the user ref");
    assert!(steps[0]["content"]["statement"].as_str().unwrap().contains("posts are refused"));
    assert!(!json!(steps).to_string().contains(USER), "never with the user id");
    // The rows are as they were, and the view goes on.
    let more =
        RawRequest::post(&credentials, summary("20:00:02", r#""steps":2"#)).send(&system.base_url).await;
    assert_eq!(more.status, 200);
}

#[tokio::test]
async fn invalid_requests_are_refused_with_a_reason() {
    let folder = TestFolder::new();
    let (ana, ana_line) = create_person_key(folder.path(), "ana");
    let people = format!("[\"{ana_line}\"]");
    let system = System::start_with_env(&[("SYNCWELL_BREAKGLASS__PEOPLE", &people)]);
    let step =
        |arguments: &[&str]| system.run_command(&[&["breakglass"], arguments, &["--key", &ana]].concat());
    let reason = format!("{USER} complains");
    let named = step(&["request", "--user", USER, "--reason", &reason, "--ticket", "T"]);
    assert_eq!(named.status.code(), Some(2), "a reason is for everybody to read");
    for (reason, ticket) in [("", "T-1"), ("because", " "), (&"x".repeat(501), "T-1"), ("two\nlines", "T-1")]
    {
        let refused = step(&["request", "--user", USER, "--reason", reason, "--ticket", ticket]);
        assert!(stderr_of_failure(&refused).contains("a reason and a ticket"), "{refused:?}");
    }
    let nobody = step(&["request", "--user", "two words", "--reason", "r", "--ticket", "T"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert_eq!(step(&["lookup", "nonsense"]).status.code(), Some(2));
    // A request that nobody made.
    let requested = stdout_text(&step(&["request", "--user", USER, "--reason", "r", "--ticket", "T"]));
    let (user, _) = requested.split_once('/').unwrap();
    let unknown = format!("{user}/0197f0a0-0000-7000-8000-000000000000");
    assert!(stderr_of_failure(&step(&["lookup", &unknown])).contains("no such request"));
    let tail = stdout_text(&system.run_command(&["events", "tail", "-n", "1", "--json"]));
    assert!(tail.contains("breakglass.refused"), "and it left a trace: {tail}");
    wait_until("it runs on", async || system.run_command(&["doctor"]).status.code().map(drop)).await;
}
