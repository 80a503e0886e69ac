//! Nobody can read at rest what was sent, and no file or log line names a user.

use std::path::Path;

use data_encoding::{BASE64_NOPAD, HEXLOWER};

use crate::harness::{RawRequest, System, raw, summary, yesterday};

/// Every way in which a value could stand in a file: plain, hex, and base64 in all three alignments.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    let mut spellings = vec![value.as_bytes().to_vec(), HEXLOWER.encode(value.as_bytes()).into_bytes()];
    for skipped in 0..3 {
        // The characters that the value alone decides, whatever stands before and behind it.
        let shifted = [vec![0; skipped], value.as_bytes().to_vec()].concat();
        let encoded = BASE64_NOPAD.encode(&shifted);
        let (from, to) = ((skipped * 8).div_ceil(6), shifted.len() * 8 / 6);
        spellings.push(encoded.as_bytes()[from..to].to_vec());
    }
    spellings
}

fn search(folder: &Path, planted: &[&str], found: &mut Vec<String>) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += search(&path, planted, found);
            continue;
        }
        files += 1;
        search_bytes(&path.display().to_string(), &std::fs::read(&path).unwrap(), planted, found);
    }
    files
}

fn search_bytes(place: &str, bytes: &[u8], planted: &[&str], found: &mut Vec<String>) {
    for value in planted {
        for spelling in spellings(value) {
            if bytes.windows(spelling.len()).any(|window| window == spelling) {
                found.push(format!("{value} in {place}"));
            }
        }
    }
}

#[tokio::test]
async fn planted_values_and_user_ids_are_nowhere() {
    let user = "planted.person@example.org";
    let planted = [user, "173519", "97.53125", "planted-workout-kind", "1234.5678"];
    let system = System::start_with(&[("SYNCWELL_LOG", "trace")]);
    let credentials = system.credentials(user, &[]);
    let values = format!(
        r#""steps":173519,"hrv":97.53125,"workouts":[{{"type":"planted-workout-kind","duration":5,"calories":1234.5678,"start_time":"{}T06:00:00Z"}}]"#,
        yesterday()
    );
    let request = RawRequest::post(&credentials, summary("20:00:00", &values));
    assert_eq!(request.send(&system.base_url).await.status, 201);
    assert_eq!(request.send(&system.base_url).await.status, 200);
    // Errors of every kind carry the values too, up to the door.
    request.clone().header("x-sync-signature", "00").send(&system.base_url).await;
    RawRequest::post(&credentials, summary("20:00:00", &values.replace("173519", "17351900")))
        .send(&system.base_url)
        .await;
    RawRequest::post(&credentials, values.clone()).send(&system.base_url).await;
    for path in ["", "/history"] {
        let answer = RawRequest::get(&credentials, &format!("/v1/summaries/{}{path}", yesterday()))
            .send(&system.base_url)
            .await;
        assert!(answer.text.contains("173519"), "the owner reads what was sent");
    }
    let shown = system.command(&["view", "get", "--user", user, "--json"]);
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("173519"),
        "and so does an operator who asks: {shown:?}"
    );
    let metrics =
        raw(&system.base_url, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut found = Vec::new();
    search_bytes("the metrics", metrics.text.as_bytes(), &planted, &mut found);
    let log = system.process.log.clone();
    let folder = system.stop().await;
    let log = std::fs::read(log).unwrap();
    let lines = String::from_utf8_lossy(&log).lines().filter(|line| line.contains("\"answered\"")).count();
    assert!(lines >= 7, "every request left its line, so that there is something to search: {lines}");
    search_bytes("the log", &log, &planted, &mut found);
    let files = search(folder.path(), &planted, &mut found);
    assert!(files > 10, "the view and the broker's store are there");
    assert!(found.is_empty(), "{found:#?}");
}

/// The search itself must be able to find something.
#[test]
fn the_search_finds_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
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
    let mut found = Vec::new();
    assert_eq!(search(folder.path(), &["planted.person@example.org"], &mut found), 5);
    assert_eq!(found.len(), 5, "{found:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn secrets_are_for_their_owner_alone() {
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
