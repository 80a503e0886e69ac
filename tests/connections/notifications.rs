//! Other systems are told that a connection needs its user.

use serde_json::json;

use super::ConnectedSystem;
use crate::harness::provider::{Endpoint, Fault, ProviderProfile};
use crate::harness::{CertificateAuthority, TestFolder, run_cli};
use crate::outgoing_webhooks::receiver::ReceiverServer;

/// Long enough not to stand in a pseudonym by chance.
const USER: &str = "ana.told@example.org";

#[tokio::test]
async fn refused_refresh_is_sent_to_webhook_receivers() {
    let folder = TestFolder::new();
    let authority = CertificateAuthority::new(folder.path());
    let receiver = ReceiverServer::start(&authority, folder.path());
    let feed = [
        ("SYNCWELL_FEED__ALLOW_PRIVATE", r#"["127.0.0.0/8"]"#),
        ("SYNCWELL_FEED__CA_FILE", authority.ca_file.to_str().unwrap()),
        ("SYNCWELL_FEED__LINK_BASE", "https://api.example"),
    ];
    let connected = ConnectedSystem::start_with_env(
        vec![ProviderProfile { expires_in: Some(2), ..ProviderProfile::default() }],
        &feed,
    );
    let data_dir = connected.system.data_dir();
    let added = run_cli(&data_dir, &["webhooks", "add", &receiver.url("/told"), "--json"]);
    assert_eq!(added.exit_code, Some(0), "{}", added.combined_output());
    let endpoint = added.json()["id"].as_str().unwrap().to_owned();
    let named = run_cli(&data_dir, &["webhooks", "ref", &endpoint, "--user", USER, "--json"]);

    connected.simulator().inject_fault(Endpoint::Refresh, 1, Fault::OAuthError("invalid_grant"));
    let app = connected.app(USER);
    let id = app.connect().await;
    app.wait_for_reauth(&id, "refresh_refused").await;
    let told = receiver.wait_for_deliveries(1, |_| true).await.remove(0);
    assert!(told.is_signed_with(added.json()["secret"].as_str().unwrap()));
    let (told, body) = (told.json(), told.body);
    assert_eq!(told["type"], "connection.needs_reauth");
    assert_eq!(told["data"]["user_ref"], named.json()["user_ref"], "{body}");
    assert_eq!(told["data"]["connection_id"], json!(id));
    assert_eq!(told["data"]["link"], format!("https://api.example/v1/connections/{id}"));
    assert!(!body.contains(USER) && !body.contains(connected.simulator().name()), "{body}");
}
