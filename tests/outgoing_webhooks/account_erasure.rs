//! That an account is no more is told by name alone.

use serde_json::json;

use super::{WebhookFixture, add_endpoint, json_of_success, run_webhooks_command};
use crate::harness::{RawRequest, summary};

#[tokio::test]
async fn erasure_is_announced_to_receivers() {
    let scene = WebhookFixture::new("[1]");
    let system = scene.start_system();
    let (_, secret) = add_endpoint(
        &system.data_dir(),
        &[&scene.receiver.url("/gone"), "--kind", "account.erased", "--user-ref", "shared"],
    );
    let ana = system.credentials("ana", &["--scope", "sync:write account:manage"]);
    let post = RawRequest::post(&ana, summary("20:00:00", r#""steps":1"#));
    assert_eq!(post.send(&system.base_url).await.status, 201);
    let mut request = RawRequest::get(&ana, "/v1/erasures").header("content-type", "application/json");
    (request.method, request.body) = ("POST", json!({ "user_id": "ana" }).to_string().into_bytes());
    assert_eq!(request.send(&system.base_url).await.status, 202);
    let told = scene.receiver.wait_for_deliveries(1, |delivery| delivery.path == "/gone").await.remove(0);
    assert!(told.is_signed_with(&secret));
    let told = told.json();
    assert_eq!(told["type"], "account.erased");
    assert!(told["data"]["user_ref"].is_string() && told["data"].get("id").is_none(), "{told}");
    assert_eq!(
        json_of_success(run_webhooks_command(&system.data_dir(), &["list", "--json"]))
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
