//! A person takes their data along: asked for, made, fetched by a link that ends, and gone after a while.

mod overtaken;
mod s3;

use std::io::{Cursor, Read};

use client::Credentials;
use serde_json::Value;
use zip::ZipArchive;

use crate::erasures::{SCOPES, erase};
use crate::harness::{Answer, Needles, RawRequest, System, run_in, summary, until, yesterday};

async fn ask(system: &System, who: &Credentials) -> Answer {
    let mut request = RawRequest::get(who, "/v1/exports");
    request.method = "POST";
    request.send(&system.base_url).await
}

async fn read(system: &System, who: &Credentials, id: &str) -> Value {
    let answer = RawRequest::get(who, &format!("/v1/exports/{id}")).send(&system.base_url).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Asks for one and waits until it is ready.
async fn export(system: &System, who: &Credentials) -> Value {
    let accepted = ask(system, who).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let id = accepted.json()["export_id"].as_str().unwrap().to_owned();
    assert_eq!(accepted.headers["location"], format!("/v1/exports/{id}"));
    until("the export is ready", async || {
        let export = read(system, who, &id).await;
        assert_ne!(export["status"], "failed", "{export}");
        (export["status"] == "ready").then_some(export)
    })
    .await
}

/// Our links begin with whatever host was asked, and these requests say that it is called syncwell.
fn of_ours(system: &System, made: &Value) -> String {
    made["download_url"].as_str().unwrap().replace("http://syncwell", &system.base_url)
}

/// Fetches what is behind a link, as anybody would who has it.
async fn fetch(url: &str) -> (u16, Vec<u8>) {
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

fn unpack(bytes: Vec<u8>) -> ZipArchive<Cursor<Vec<u8>>> {
    ZipArchive::new(Cursor::new(bytes)).unwrap()
}

fn text(archive: &mut ZipArchive<Cursor<Vec<u8>>>, name: &str) -> String {
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_person_takes_everything_along_and_nobody_else_does() {
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
    let made = export(&system, &ana).await;
    let (id, url) = (made["export_id"].as_str().unwrap(), of_ours(&system, &made));
    let (status, bytes) = fetch(&url).await;
    assert_eq!((status, Some(bytes.len() as u64)), (200, made["bytes"].as_u64()));
    let mut archive = unpack(bytes);
    let rows: Value = serde_json::from_str(&text(&mut archive, "summaries.json")).unwrap();
    let shown = RawRequest::get(&ana, &format!("/v1/summaries/{}", yesterday())).send(&system.base_url).await;
    let mut shown = shown.json();
    shown.as_object_mut().unwrap().remove("position");
    assert_eq!(rows, Value::Array(vec![shown]), "as the API shows it");
    let events = text(&mut archive, "events.ndjson");
    assert_eq!(events.lines().count(), 3, "a summary, a device, the wish for an export: {events}");
    assert!(events.contains("planted-kind"));
    let devices: Value = serde_json::from_str(&text(&mut archive, "devices.json")).unwrap();
    assert_eq!(devices.as_array().unwrap().len(), 1);
    let manifest: export_archive::Manifest =
        serde_json::from_str(&text(&mut archive, "manifest.json")).unwrap();
    assert_eq!((manifest.export_id.as_str(), manifest.files.len()), (id, 8));

    // One a day, and nobody else's.
    let again = ask(&system, &ana).await;
    assert_eq!((again.status, again.problem().as_str()), (429, "rate_limited"));
    assert!(again.headers["retry-after"].parse::<u64>().unwrap() > 80_000, "{again:?}");
    let of_ana = RawRequest::get(&ben, &format!("/v1/exports/{id}")).send(&system.base_url).await;
    assert_eq!(of_ana.problem(), "not_found");
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
        assert_eq!(fetch(&changed).await.0, 404, "{changed}");
    }
    let secret = keys::VersionedSecrets::read(&system.data_dir().join("secrets/pseudonym")).unwrap();
    let pseudonyms = keys::Pseudonymizer::new(secret.current().1.clone());
    let user = manifest.user_ref.parse().unwrap();
    let name = export_store::ObjectName { user, export: id.parse().unwrap() };
    let ended =
        export_store::Link { name, expires: crate::harness::now().as_second() - 1 }.render(&pseudonyms);
    let ended = RawRequest::get(&ben, &ended).send(&system.base_url).await;
    assert_eq!((ended.status, ended.problem().as_str()), (403, "link_expired"));
    // Sealed at rest, for three days.
    let stored = system.data_dir().join("exports");
    let (files, found) = Needles::of(planted).search_below(&stored);
    assert!(files == 1 && found.is_empty(), "{files} {found:?}");
    for command in [["view", "verify"].as_slice(), &["audit", "verify"], &["doctor"]] {
        let ran = run_in(&system.data_dir(), command);
        assert_eq!(ran.code, Some(0), "{command:?}: {}", ran.text());
    }
}

/// Whoever leaves takes the exports along, also one that is being made.
#[tokio::test]
async fn an_erasure_takes_exports_along() {
    let system = System::start_with(&[
        ("SYNCWELL_EXPORTS__PAUSE_SECONDS", "0"),
        ("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"),
    ]);
    let ana = system.credentials("ana", &["--scope", SCOPES]);
    let post = RawRequest::post(&ana, summary("20:00:00", r#""steps":1"#));
    assert_eq!(post.send(&system.base_url).await.status, 201);
    let made = export(&system, &ana).await;
    let url = of_ours(&system, &made);
    assert_eq!(ask(&system, &ana).await.status, 202);
    let receipt = erase(&system, &ana).await;
    assert!(receipt["receipt"]["destroyed"]["exports"].as_u64().unwrap() >= 1, "{receipt}");
    assert_eq!(fetch(&url).await.0, 410);
    assert_eq!(ask(&system, &ana).await.problem(), "account_erased");
    let left = Needles::of(["planted-nothing"]).search_below(&system.data_dir().join("exports")).0;
    assert_eq!(left, 0, "no file is left");
}
