//! Other systems are told that a connection needs its user.

use serde_json::json;

use super::Connected;
use crate::feed::receiver::Receiver;
use crate::harness::provider::{Endpoint, Misbehaviour, Variant};
use crate::harness::{Authority, TestFolder, run_in};

/// Long enough not to stand in a pseudonym by chance.
const USER: &str = "ana.told@example.org";

#[tokio::test]
async fn a_receiver_is_told_that_a_refresh_was_refused_and_by_which_name_the_user_goes() {
    let folder = TestFolder::new();
    let authority = Authority::new(folder.path());
    let receiver = Receiver::start(&authority, folder.path());
    let feed = [
        ("SYNCWELL_FEED__ALLOW_PRIVATE", r#"["127.0.0.0/8"]"#),
        ("SYNCWELL_FEED__CA_FILE", authority.ca_file.to_str().unwrap()),
        ("SYNCWELL_FEED__LINK_BASE", "https://api.example"),
    ];
    let connected = Connected::with(vec![Variant { expires_in: Some(2), ..Variant::default() }], &feed);
    let data_dir = connected.system.data_dir();
    let added = run_in(&data_dir, &["webhooks", "add", &receiver.url("/told"), "--json"]);
    assert_eq!(added.code, Some(0), "{}", added.text());
    let endpoint = added.json()["id"].as_str().unwrap().to_owned();
    let named = run_in(&data_dir, &["webhooks", "ref", &endpoint, "--user", USER, "--json"]);

    connected.simulator().misbehave(Endpoint::Refresh, 1, Misbehaviour::Refuse("invalid_grant"));
    let app = connected.app(USER);
    let id = app.connect().await;
    app.needs_reauth(&id, "refresh_refused").await;
    let told = receiver.wait_for(1, |_| true).await.remove(0);
    assert!(told.is_signed_with(added.json()["secret"].as_str().unwrap()));
    let (told, body) = (told.json(), told.body);
    assert_eq!(told["type"], "connection.needs_reauth");
    assert_eq!(told["data"]["user_ref"], named.json()["user_ref"], "{body}");
    assert_eq!(told["data"]["connection_id"], json!(id));
    assert_eq!(told["data"]["link"], format!("https://api.example/v1/connections/{id}"));
    assert!(!body.contains(USER) && !body.contains(connected.simulator().name()), "{body}");
}
