//! A grace period, during which it can be taken back.

use serde_json::Value;

use super::{create_user_with_data, read_erasure, request_erasure};
use crate::harness::{RawRequest, System, send_raw, summary};

async fn cancel_erasure(system: &System, accepted: &Value, token: &str) -> u16 {
    let id = accepted["erasure_id"].as_str().unwrap();
    let request = format!(
        "POST /v1/erasures/{id}/cancel HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    send_raw(&system.base_url, request.as_bytes()).await.status
}

#[tokio::test]
async fn erasure_can_be_cancelled_in_the_grace_period() {
    let system = System::start_with_env(&[("SYNCWELL_ERASURE__GRACE_SECONDS", "3600")]);
    let ana = create_user_with_data(&system, "ana", r#""steps":1"#).await;
    let ben = create_user_with_data(&system, "ben", r#""steps":1"#).await;
    let accepted = request_erasure(&system.base_url, &ana).await.json();
    let pending = read_erasure(&system.base_url, &accepted).await.json();
    assert_eq!((&pending["status"], &pending["receipt"]), (&"pending".into(), &Value::Null));
    let post = async |credentials, time: &str| {
        RawRequest::post(credentials, summary(time, r#""steps":2"#)).send(&system.base_url).await.status
    };
    assert_eq!(post(&ana, "21:00:00").await, 200, "the account works until then");
    assert_eq!(cancel_erasure(&system, &accepted, &ben.token).await, 404, "it is not ben's");
    assert_eq!(cancel_erasure(&system, &accepted, accepted["receipt_token"].as_str().unwrap()).await, 204);
    assert_eq!(read_erasure(&system.base_url, &accepted).await.json()["status"], "cancelled");
    assert_eq!(cancel_erasure(&system, &accepted, &ana.token).await, 409, "it was taken back already");
    let again = request_erasure(&system.base_url, &ana).await.json();
    assert_ne!(again["erasure_id"], accepted["erasure_id"]);
    assert_eq!(cancel_erasure(&system, &again, &ana.token).await, 204);
    assert_eq!(post(&ana, "22:00:00").await, 200);
}

#[tokio::test]
async fn erasure_without_grace_period_cannot_be_cancelled() {
    let system = System::start();
    let ana = create_user_with_data(&system, "ana", r#""steps":1"#).await;
    let accepted = request_erasure(&system.base_url, &ana).await.json();
    assert_eq!(cancel_erasure(&system, &accepted, accepted["receipt_token"].as_str().unwrap()).await, 409);
    super::wait_for_receipt(&system.base_url, &accepted).await;
    assert_eq!(cancel_erasure(&system, &accepted, &ana.token).await, 409);
}
