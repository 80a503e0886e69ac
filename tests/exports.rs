//! A person takes their data along: asked for, made, fetched by a link that ends, and gone after a while.

mod s3;
mod stalled_worker;

use std::io::{Cursor, Read};

use client::Credentials;
use serde_json::Value;
use zip::ZipArchive;

use crate::erasures::{SCOPES, erase_account};
use crate::harness::{LeakScanner, RawRequest, RawResponse, System, run_cli, summary, wait_until, yesterday};

async fn request_export(system: &System, who: &Credentials) -> RawResponse {
    let mut request = RawRequest::get(who, "/v1/exports");
    request.method = "POST";
    request.send(&system.base_url).await
}

async fn read_export(system: &System, who: &Credentials, id: &str) -> Value {
    let answer = RawRequest::get(who, &format!("/v1/exports/{id}")).send(&system.base_url).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Asks for one and waits until it is ready.
async fn create_export(system: &System, who: &Credentials) -> Value {
    let accepted = request_export(system, who).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let id = accepted.json()["export_id"].as_str().unwrap().to_owned();
    assert_eq!(accepted.headers["location"], format!("/v1/exports/{id}"));
    wait_until("the export is ready", async || {
        let export = read_export(system, who, &id).await;
        assert_ne!(export["status"], "failed", "{export}");
        (export["status"] == "ready").then_some(export)
    })
    .await
}

/// Our links begin with whatever host was asked, and these requests say that it is called syncwell.
fn local_download_url(system: &System, made: &Value) -> String {
    made["download_url"].as_str().unwrap().replace("http://syncwell", &system.base_url)
}

/// Fetches what is behind a link, as anybody would who has it.
async fn download(url: &str) -> (u16, Vec<u8>) {
    let url = url.to_owned();
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(authority).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.unwrap();
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer[head + 4..].to_vec())
}

fn open_zip(bytes: Vec<u8>) -> ZipArchive<Cursor<Vec<u8>>> {
    ZipArchive::new(Cursor::new(bytes)).unwrap()
}

fn read_zip_text(archive: &mut ZipArchive<Cursor<Vec<u8>>>, name: &str) -> String {
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn export_contains_all_own_data_and_is_private() {
    let system = System::start();
    let planted = ["181173", "71.28125", "planted-kind"];
    let values = format!(
        r#""steps":181173,"hrv":71.28125,"workouts":[{{"type":"planted-kind","duration":5,"start_time":"{}T06:00:00Z"}}]"#,
        yesterday()
    );
    let ana = system.credentials("ana", &["--scope", SCOPES]);
    let ben = system.credentials("ben", &["--scope", SCOPES]);
    for (who, values) in [(&ana, values.as_str()), (&ben, r#""steps":7"#)] {
        let post = RawRequest::post(who, summary("20:00:00", values));
        assert_eq!(post.send(&system.base_url).await.status, 201);
    }
    let mut enrol = RawRequest::get(&ana, "/v1/devices");
    enrol.method = "POST";
    assert_eq!(enrol.send(&system.base_url).await.status, 201);
    let made = create_export(&system, &ana).await;
    let (id, url) = (made["export_id"].as_str().unwrap(), local_download_url(&system, &made));
    let (status, bytes) = download(&url).await;
    assert_eq!((status, Some(bytes.len() as u64)), (200, made["bytes"].as_u64()));
    let mut archive = open_zip(bytes);
    let rows: Value = serde_json::from_str(&read_zip_text(&mut archive, "summaries.json")).unwrap();
    let shown = RawRequest::get(&ana, &format!("/v1/summaries/{}", yesterday())).send(&system.base_url).await;
    let mut shown = shown.json();
    shown.as_object_mut().unwrap().remove("position");
    assert_eq!(rows, Value::Array(vec![shown]), "as the API shows it");
    let events = read_zip_text(&mut archive, "events.ndjson");
    assert_eq!(events.lines().count(), 3, "a summary, a device, the wish for an export: {events}");
    assert!(events.contains("planted-kind"));
    let devices: Value = serde_json::from_str(&read_zip_text(&mut archive, "devices.json")).unwrap();
    assert_eq!(devices.as_array().unwrap().len(), 1);
    let manifest: export_archive::ArchiveManifest =
        serde_json::from_str(&read_zip_text(&mut archive, "manifest.json")).unwrap();
    assert_eq!((manifest.export_id.as_str(), manifest.files.len()), (id, 8));

    // One a day, and nobody else's.
    let again = request_export(&system, &ana).await;
    assert_eq!((again.status, again.problem_code().as_str()), (429, "rate_limited"));
    assert!(again.headers["retry-after"].parse::<u64>().unwrap() > 80_000, "{again:?}");
    let of_ana = RawRequest::get(&ben, &format!("/v1/exports/{id}")).send(&system.base_url).await;
    assert_eq!(of_ana.problem_code(), "not_found");
    // A link for another path, a changed expiry, a changed signature.
    let expires = url.split("expires=").nth(1).unwrap().split('&').next().unwrap();
    let later = (expires.parse::<i64>().unwrap() + 1).to_string();
    let other = id.chars().rev().collect::<String>();
    for changed in [
        url.replace(id, &other),
        url.replace(expires, &later),
        url.replace(expires, "1"),
        url[..url.len() - 1].to_owned(),
        url.split('?').next().unwrap().to_owned(),
    ] {
        assert_eq!(download(&changed).await.0, 404, "{changed}");
    }
    let secret = keys::VersionedSecrets::read(&system.data_dir().join("secrets/pseudonym")).unwrap();
    let pseudonyms = keys::Pseudonymizer::new(secret.current().1.clone());
    let user = manifest.user_ref.parse().unwrap();
    let name = export_store::ObjectName { user, export: id.parse().unwrap() };
    let ended = export_store::DownloadLink { object: name, expires: crate::harness::now().as_second() - 1 }
        .path_and_query(&pseudonyms);
    let ended = RawRequest::get(&ben, &ended).send(&system.base_url).await;
    assert_eq!((ended.status, ended.problem_code().as_str()), (403, "link_expired"));
    // Sealed at rest, for three days.
    let stored = system.data_dir().join("exports");
    let (files, found) = LeakScanner::new(planted).scan_folder(&stored);
    assert!(files == 1 && found.is_empty(), "{files} {found:?}");
    for command in [["view", "verify"].as_slice(), &["audit", "verify"], &["doctor"]] {
        let ran = run_cli(&system.data_dir(), command);
        assert_eq!(ran.exit_code, Some(0), "{command:?}: {}", ran.combined_output());
    }
}

/// Whoever leaves takes the exports along, also one that is being made.
#[tokio::test]
async fn erasure_deletes_exports() {
    let system = System::start_with_env(&[
        ("SYNCWELL_EXPORTS__PAUSE_SECONDS", "0"),
        ("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"),
    ]);
    let ana = system.credentials("ana", &["--scope", SCOPES]);
    let post = RawRequest::post(&ana, summary("20:00:00", r#""steps":1"#));
    assert_eq!(post.send(&system.base_url).await.status, 201);
    let made = create_export(&system, &ana).await;
    let url = local_download_url(&system, &made);
    assert_eq!(request_export(&system, &ana).await.status, 202);
    let receipt = erase_account(&system, &ana).await;
    assert!(receipt["receipt"]["destroyed"]["exports"].as_u64().unwrap() >= 1, "{receipt}");
    assert_eq!(download(&url).await.0, 410);
    assert_eq!(request_export(&system, &ana).await.problem_code(), "account_erased");
    let left = LeakScanner::new(["planted-nothing"]).scan_folder(&system.data_dir().join("exports")).0;
    assert_eq!(left, 0, "no file is left");
}
