//! The command (contract, section 7).

use std::io::Write;

use serde_json::Value;

use crate::harness::{Process, System, TestFolder, run_syncwell, summary, yesterday};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn posted_summary_is_shown_by_events_and_view() {
    let system = System::start();
    let file = |name: &str, content: &str| {
        let path = system.folder.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(content.as_bytes()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.json", &summary("20:00:00", r#""steps":9234"#));
    let bad = file("bad.json", &summary("20:00:00", r#""steps":-1"#));
    let posted = system.run_command(&["post", &good, "--user", "hand"]);
    assert_eq!(posted.status.code(), Some(0), "{}", text(&posted.stderr));
    assert!(
        text(&posted.stdout).contains(": created (") && text(&posted.stdout).contains("sequence 1"),
        "{}",
        text(&posted.stdout)
    );
    let both = system.run_command(&["post", &bad, &good, "--user", "hand", "--json"]);
    assert_eq!(both.status.code(), Some(1), "one was refused");
    let lines: Vec<Value> =
        text(&both.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["refused"]["errors"][0]["pointer"], "/steps");
    assert_eq!(lines[1]["accepted"]["outcome"], "unchanged");

    let tail = text(&system.run_command(&["events", "tail", "--json"]).stdout);
    let events: Vec<Value> = tail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2);
    assert!(!tail.contains("9234") && !tail.contains("hand"), "metadata only");
    let id = events[0]["event_id"].as_str().unwrap();
    for which in ["1", id] {
        let shown = system.run_command(&["events", "show", which, "--json"]);
        assert_eq!(serde_json::from_slice::<Value>(&shown.stdout).unwrap(), events[0]);
    }
    let revealed = system.run_command(&["events", "show", "1", "--json", "--reveal"]);
    let content = &serde_json::from_slice::<Value>(&revealed.stdout).unwrap()["content"];
    assert_eq!(content["body"], summary("20:00:00", r#""steps":9234"#));
    assert_eq!(content["key_id"], "1.default");
    assert_eq!(system.run_command(&["events", "show", "99"]).status.code(), Some(1));
    assert_eq!(system.run_command(&["events", "show", "nonsense"]).status.code(), Some(2));

    let date = yesterday().to_string();
    let row = system.run_command(&["view", "get", "--user", "hand", "--date", &date, "--json"]);
    let row: Value = serde_json::from_slice(&row.stdout).unwrap();
    // What was revealed before stands in the log too.
    assert_eq!((&row["summaries"][0]["steps"], &row["position"]), (&9234.into(), &3.into()));
    let table = text(&system.run_command(&["view", "get", "--user", "hand"]).stdout);
    assert!(table.contains("resting_hr") && table.contains("9234"), "{table}");
    assert_eq!(
        system.run_command(&["view", "get", "--user", "nobody", "--date", &date]).status.code(),
        Some(1)
    );
}

#[tokio::test]
async fn exit_codes_separate_usage_from_unreachable() {
    let nowhere = TestFolder::new();
    let nowhere = nowhere.path().to_str().unwrap();
    let code = |arguments: &[&str]| run_syncwell(arguments, &[]).status.code();
    assert_eq!(code(&["nonsense"]), Some(2));
    assert_eq!(code(&["post"]), Some(2));
    assert_eq!(code(&["events", "tail", "--data-dir", nowhere]), Some(3));
    assert_eq!(code(&["view", "get", "--user", "x", "--data-dir", nowhere]), Some(3));
    assert_eq!(code(&["credentials", "--user", "x", "--data-dir", nowhere]), Some(3));
    let system = System::start();
    let closed = ["events", "tail", "--nats", "nats://127.0.0.1:1", "--data-dir"];
    assert_eq!(code(&[&closed[..], &[system.data_dir().to_str().unwrap()]].concat()), Some(3));
    assert_eq!(system.run_command(&["credentials", "--user", "a b"]).status.code(), Some(2));
    let elsewhere = TestFolder::new();
    let no_broker = ["up", "--nats", "nats://127.0.0.1:1", "--listen", "127.0.0.1:0", "--data-dir"];
    assert_eq!(code(&[&no_broker[..], &[elsewhere.path().to_str().unwrap()]].concat()), Some(3));
    let second = run_syncwell(
        &["up", "--listen", "127.0.0.1:0", "--data-dir", system.data_dir().to_str().unwrap()],
        &[],
    );
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains("another `syncwell up` runs"), "{}", text(&second.stderr));
    let configured = run_syncwell(
        &["up", "--data-dir", nowhere],
        &[("SYNCWELL_RATES__NONSENSE", "1"), ("SYNCWELL_SYNC__WAIT_SECONDS", "x")],
    );
    assert_eq!(configured.status.code(), Some(2));
    let complaint = text(&configured.stderr);
    assert!(
        complaint.contains("`rates.nonsense`") && complaint.contains("`sync.wait_seconds`"),
        "{complaint}"
    );
}

#[test]
fn every_command_has_help_with_an_example() {
    let commands: [&[&str]; 12] = [
        &["up"],
        &["setup"],
        &["ingest"],
        &["projector"],
        &["keys", "serve"],
        &["keys", "create"],
        &["credentials"],
        &["post"],
        &["events", "tail"],
        &["events", "show"],
        &["view", "get"],
        &["bench", "ingest"],
    ];
    for command in commands {
        let help = run_syncwell(&[command, &["--help"]].concat(), &[]);
        let help = text(&help.stdout);
        assert!(
            help.contains("Example:\n  syncwell ") && help.contains(&command.join(" ")),
            "{command:?}:\n{help}"
        );
    }
}

#[tokio::test]
async fn setup_is_idempotent() {
    let system = System::start();
    system.run_command(&["post", "/dev/null", "--user", "x"]);
    for _ in 0..2 {
        let output = system.run_command(&["setup"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("holds 0 events and keeps its promises"));
    }
}

#[tokio::test]
async fn demo_prints_next_steps_and_stops_cleanly() {
    let folder = TestFolder::new();
    crate::harness::nats_server_binary();
    let data_dir = folder.path().join("data");
    let arguments = ["up", "--demo", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
    let (mut demo, last) = Process::start(&arguments, &[], folder.path().join("demo.log"), "(`syncwell` is");
    assert!(last.contains("Ctrl-C ends everything"), "{last}");
    assert_eq!(demo.stop().await, Some(0));
}
