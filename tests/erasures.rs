//! Accounts are erased: nothing is left that anybody can read, others are untouched, and the person has a receipt.

mod authorization;
mod backups;
mod concurrent_posts;
mod crypto_shredding;
mod grace_period;
mod process_kills;
mod retention;

use client::Credentials;
use serde_json::{Value, json};

use crate::harness::{RawRequest, RawResponse, System, run_cli, send_raw, summary, wait_until, yesterday};

pub(crate) const SCOPES: &str = "sync:write sync:read device:enroll account:manage";

/// A user with a row and a device, who may do everything.
async fn create_user_with_data(system: &System, user: &str, values: &str) -> Credentials {
    let credentials = system.credentials(user, &["--scope", SCOPES]);
    let posted = RawRequest::post(&credentials, summary("20:00:00", values)).send(&system.base_url).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    let mut enrol = RawRequest::get(&credentials, "/v1/devices");
    enrol.method = "POST";
    assert_eq!(enrol.send(&system.base_url).await.status, 201);
    credentials
}

pub(crate) async fn request_erasure(base_url: &str, credentials: &Credentials) -> RawResponse {
    let body = json!({ "user_id": credentials.user }).to_string();
    let mut request = RawRequest::get(credentials, "/v1/erasures").header("content-type", "application/json");
    (request.method, request.body) = ("POST", body.into_bytes());
    request.send(base_url).await
}

async fn read_erasure(base_url: &str, accepted: &Value) -> RawResponse {
    let (id, token) = (accepted["erasure_id"].as_str().unwrap(), accepted["receipt_token"].as_str().unwrap());
    let request = format!(
        "GET /v1/erasures/{id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    send_raw(base_url, request.as_bytes()).await
}

/// Asks for it, and waits until it is erased and there is a receipt.
pub(crate) async fn erase_account(system: &System, credentials: &Credentials) -> Value {
    let answer = request_erasure(&system.base_url, credentials).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let accepted = answer.json();
    assert_eq!(
        answer.headers["location"],
        format!("/v1/erasures/{}", accepted["erasure_id"].as_str().unwrap())
    );
    wait_for_receipt(&system.base_url, &accepted).await
}

/// Waits until it is erased and there is a receipt.
pub(crate) async fn wait_for_receipt(base_url: &str, accepted: &Value) -> Value {
    wait_until("the account is erased", async || {
        let erasure = read_erasure(base_url, accepted).await;
        let erasure = (erasure.status == 200).then(|| erasure.json())?;
        (erasure["status"] == "erased" && erasure["receipt"].is_object()).then_some(erasure)
    })
    .await
}

#[tokio::test]
async fn account_is_erased_in_steps_with_a_receipt() {
    let system = System::start();
    let (ana, ben) = (
        create_user_with_data(&system, "ana", r#""steps":111"#).await,
        create_user_with_data(&system, "ben", r#""steps":222"#).await,
    );
    assert!(run_cli(&system.data_dir(), &["audit", "verify"]).exit_code == Some(0));
    let erasure = erase_account(&system, &ana).await;
    let steps: Vec<_> =
        erasure["steps"].as_array().unwrap().iter().map(|done| done["step"].as_str().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "account_marked",
            "connections_revoked",
            "exports_deleted",
            "views_cleared",
            "sessions_ended",
            "keys_destroyed"
        ]
    );
    let receipt = &erasure["receipt"];
    assert_eq!(receipt["destroyed"]["data_keys"], 2, "one for the year, one for the account: {receipt}");
    // From here on there is no such account.
    let date = yesterday();
    let post = RawRequest::post(&ana, summary("21:00:00", r#""steps":333"#)).send(&system.base_url).await;
    assert_eq!((post.status, post.problem_code().as_str()), (410, "account_erased"));
    for path in [format!("/v1/summaries/{date}"), "/v1/devices".to_owned(), "/v1/connections".to_owned()] {
        let answer = RawRequest::get(&ana, &path).send(&system.base_url).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (410, "account_erased"), "{path}");
    }
    // Whoever lost the receipt token asks again.
    let again = request_erasure(&system.base_url, &ana).await;
    assert_eq!(again.json()["erasure_id"], erasure["erasure_id"]);
    // The other is as before.
    let row = RawRequest::get(&ben, &format!("/v1/summaries/{date}")).send(&system.base_url).await;
    assert_eq!(row.json()["steps"], 222);
    for command in [["audit", "verify"].as_slice(), &["view", "verify"], &["view", "rebuild", "--dry-run"]] {
        let ran = run_cli(&system.data_dir(), command);
        assert_eq!(ran.exit_code, Some(0), "{command:?}: {}", ran.combined_output());
    }
    let revealed =
        run_cli(&system.data_dir(), &["audit", "verify", "--reveal", "--reason", "a test", "--json"]);
    assert_eq!(
        (revealed.exit_code, &revealed.json()["holds"]),
        (Some(0), &json!(true)),
        "{}",
        revealed.combined_output()
    );
    verify_receipt(&system, &erasure);
}

/// What the person keeps is held against the log's key, in every form in which it may have been kept.
fn verify_receipt(system: &System, erasure: &Value) {
    let check = |text: &str| {
        let file = system.folder.path().join("receipt");
        std::fs::write(&file, text).unwrap();
        run_cli(&system.data_dir(), &["audit", "check-erasure", file.to_str().unwrap(), "--json"])
    };
    let receipt = &erasure["receipt"];
    for text in [erasure.to_string(), receipt.to_string(), receipt["proof"].as_str().unwrap().to_owned()] {
        let checked = check(&text);
        assert_eq!(checked.exit_code, Some(0), "{}", checked.combined_output());
        let told = checked.json();
        assert_eq!((&told["user_ref"], &told["destroyed"]), (&receipt["user_ref"], &receipt["destroyed"]));
    }
    for (what, from, to) in [
        ("another count", r#""data_keys":2"#, r#""data_keys":3"#),
        ("another time", "\"erased_at\":\"20", "\"erased_at\":\"30"),
        ("another user", "\"user_ref\":\"", "\"user_ref\":\"a"),
        ("another proof", "index ", "index 1"),
    ] {
        let changed = receipt.to_string().replace(from, to);
        assert_ne!(changed, receipt.to_string(), "{what}");
        let checked = check(&changed);
        assert_eq!(checked.exit_code, Some(1), "{what}: {}", checked.combined_output());
    }
    assert_eq!(check("nonsense").exit_code, Some(1));
}
