//! Nobody can read at rest what was sent, and no file or log line names a user.

use std::path::Path;

use client::Credentials;
use data_encoding::{BASE64_NOPAD, HEXLOWER};

use crate::harness::{
    LeakScanner, RawRequest, System, TestFolder, run_syncwell, send_raw, summary, yesterday,
};

/// Posts, errors, reads, devices, break-glass, crashes and a view folded anew, all with the log at its loudest.
#[tokio::test]
async fn health_values_and_user_ids_are_never_written_in_clear() {
    let user = "planted.person@example.org";
    let planted = [user, "173519", "97.53125", "planted-workout-kind", "1234.5678"];
    let keys = TestFolder::new();
    let people = create_people(keys.path());
    let environment = [("SYNCWELL_LOG", "trace"), ("SYNCWELL_BREAKGLASS__PEOPLE", people.as_str())];
    let mut system = System::start_with_env(&environment);
    let credentials = system.credentials(user, &["--scope", "sync:write sync:read device:enroll"]);
    let mut secrets = vec![credentials.token.clone(), credentials.signing_key_hex.clone()];

    let values = format!(
        r#""steps":173519,"hrv":97.53125,"workouts":[{{"type":"planted-workout-kind","duration":5,"calories":1234.5678,"start_time":"{}T06:00:00Z"}}]"#,
        yesterday()
    );
    let request = RawRequest::post(&credentials, summary("20:00:00", &values));
    assert_eq!(request.send(&system.base_url).await.status, 201);
    assert_eq!(request.send(&system.base_url).await.status, 200);
    let device = enroll_and_revoke_devices(&system, &credentials).await;
    secrets.push(device["signing_key_hex"].as_str().unwrap().to_owned());
    send_invalid_requests(&system, &credentials, &request, &values).await;
    check_owner_reads(&system, &credentials).await;
    let ids = run_breakglass_lookup(&system, keys.path(), user).await;
    assert!(ids.len() > 5, "the index knows the requests by then: {ids:?}");

    // A crash, a view that is gone, and a start that folds it anew.
    system.process.kill();
    std::fs::remove_dir_all(system.data_dir().join("view")).unwrap();
    let log_of_first = system.process.log_path.clone();
    let first = std::fs::read(&log_of_first).unwrap();
    let system = System::start_in(system.folder, &environment);
    check_owner_reads(&system, &credentials).await;
    assert_eq!(
        RawRequest::post(&credentials, summary("20:00:01", &values)).send(&system.base_url).await.status,
        200
    );

    let needles = LeakScanner::new(planted.into_iter().chain(secrets.iter().map(String::as_str)));
    let metrics =
        send_raw(&system.base_url, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut found = needles.scan("the metrics", metrics.body_text.as_bytes());
    for command in [["events", "tail"].as_slice(), &["doctor", "--json"]] {
        let output = system.run_command(command);
        found.extend(needles.scan("what a command says", &[output.stdout, output.stderr].concat()));
    }
    let log = system.process.log_path.clone();
    let folder = system.stop().await;
    let log = std::fs::read(log).unwrap();
    assert!(log.len() > first.len(), "both runs wrote to one log");
    let text = String::from_utf8_lossy(&log);
    let answered = text.lines().filter(|line| line.contains("\"answered\"")).count();
    assert!(answered >= 15, "every request left its line, so that there is something to search: {answered}");
    for field in [
        "sync_timestamp",
        "\"verification\":\"passed\"",
        "\"verification\":\"failed\"",
        "\"error_code\":\"invalid_signature\"",
        "body_bytes",
        "latency_ms",
    ] {
        assert!(text.contains(field), "{field} is not logged");
    }
    found.extend(needles.scan("the log", &log));
    let (files, more) = needles.scan_folder(folder.path());
    found.extend(more);
    assert!(files > 10, "the view and the broker's store are there");
    assert!(found.is_empty(), "{found:#?}");
}

/// Two people, as the configuration names them.
fn create_people(folder: &Path) -> String {
    let line = |name: &str| {
        let file = folder.join(name);
        let made = run_syncwell(&["breakglass", "person", name, "--key", file.to_str().unwrap()], &[]);
        format!("\"{}\"", String::from_utf8(made.stdout).unwrap().trim())
    };
    format!("[{}, {}]", line("ana"), line("ben"))
}

/// Enrols a device and revokes another.
async fn enroll_and_revoke_devices(system: &System, credentials: &Credentials) -> serde_json::Value {
    let mut enrol = RawRequest::get(credentials, "/v1/devices");
    enrol.method = "POST";
    let (first, second) = (enrol.send(&system.base_url).await, enrol.send(&system.base_url).await);
    let mut revoke = RawRequest::get(
        credentials,
        &format!("/v1/devices/{}", second.json()["device_id"].as_str().unwrap()),
    );
    revoke.method = "DELETE";
    assert_eq!(revoke.send(&system.base_url).await.status, 204);
    first.json()
}

/// Errors of every kind carry the values too, up to the door.
async fn send_invalid_requests(
    system: &System,
    credentials: &Credentials,
    request: &RawRequest,
    values: &str,
) {
    let out_of_bounds = summary("20:00:00", &values.replace("173519", "17351900"));
    let requests = [
        request.clone().header("x-sync-signature", "00"),
        request.clone().header("x-sync-timestamp", "planted.person@example.org"),
        request.clone().header("authorization", "Bearer planted.person@example.org"),
        request.clone().header("content-type", "text/planted-workout-kind"),
        request.clone().header("x-sync-key-id", "planted.person@example.org"),
        request.clone().header("traceparent", "planted.person@example.org"),
        RawRequest::post(credentials, out_of_bounds),
        RawRequest::post(credentials, values),
        RawRequest::get(credentials, "/v1/summaries?from=planted.person@example.org&to=173519"),
        RawRequest::get(credentials, "/planted.person@example.org"),
    ];
    for request in requests {
        let status = request.send(&system.base_url).await.status;
        assert!(status >= 400 || request.headers.contains_key("traceparent"), "{status}");
    }
}

async fn check_owner_reads(system: &System, credentials: &Credentials) {
    for path in ["", "/history"] {
        let answer = RawRequest::get(credentials, &format!("/v1/summaries/{}{path}", yesterday()))
            .send(&system.base_url)
            .await;
        assert!(answer.body_text.contains("173519"), "the owner reads what was sent");
    }
    let shown = system.run_command(&["view", "get", "--user", &credentials.user, "--json"]);
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("173519"),
        "and so does an operator who asks: {shown:?}"
    );
}

/// Breaks the glass, and fails to once.
async fn run_breakglass_lookup(system: &System, keys: &Path, user: &str) -> Vec<serde_json::Value> {
    let step = |arguments: &[&str], person: &str| {
        let key = keys.join(person);
        system.run_command(&[&["breakglass"], arguments, &["--key", key.to_str().unwrap()]].concat())
    };
    let requested = step(&["request", "--user", user, "--reason", "a test", "--ticket", "T-1"], "ana");
    let name = String::from_utf8(requested.stdout).unwrap().trim().to_owned();
    assert_eq!(step(&["lookup", &name], "ana").status.code(), Some(1));
    assert!(step(&["approve", &name], "ben").status.success());
    system.wait_until_indexed(10).await;
    let told = step(&["lookup", &name, "--json"], "ana");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    told["requests"].as_array().unwrap().clone()
}

/// The search itself must be able to find something.
#[test]
fn leak_scanner_finds_every_encoding() {
    let folder = TestFolder::new();
    let plain = "xy planted.person@example.org z";
    for (name, content) in [("plain", plain.to_owned()), ("hex", HEXLOWER.encode(plain.as_bytes()))] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    for skipped in 0..3 {
        std::fs::write(
            folder.path().join(format!("base64-{skipped}")),
            BASE64_NOPAD.encode(&plain.as_bytes()[skipped..]),
        )
        .unwrap();
    }
    let (files, found) = LeakScanner::new(["planted.person@example.org"]).scan_folder(folder.path());
    assert_eq!((files, found.len()), (5, 5), "{found:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn secret_files_are_private_to_the_owner() {
    use std::os::unix::fs::PermissionsExt;
    let system = System::start();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in ["keys", "secrets"] {
        let folder = system.data_dir().join(folder);
        assert_eq!(mode(&folder), 0o700);
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            files += 1;
        }
        assert!(files >= 4);
    }
}
