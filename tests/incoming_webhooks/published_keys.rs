//! A provider that signs with keys which it publishes: they are fetched from where its table says.

use tokio::net::TcpListener;

use super::{Scheme, USER, assert_accepted, assert_refused, system_deliveries};
use crate::harness::provider::as_str_pairs;
use crate::harness::provider::webhooks::WebhookSender;
use crate::harness::{CertificateAuthority, KeyServer, System, TestFolder, wait_until};

/// The shipped table, but for where the keys are.
const TABLE: &str = include_str!("../../crates/providers/tables/google_health.toml");
const PUBLISHED_AT: &str = "https://www.gstatic.com/googlehealthapi/webhooks/webhooks_public_keyset.json";

#[tokio::test]
async fn deliveries_get_503_until_keys_are_fetched() {
    let folder = TestFolder::new();
    let authority = CertificateAuthority::new(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/keyset", listener.local_addr().unwrap().port());
    let server = KeyServer::start(listener, authority.server_config(folder.path()).into());
    assert!(TABLE.contains(PUBLISHED_AT));
    std::fs::create_dir(folder.path().join("tables")).unwrap();
    std::fs::write(folder.path().join("tables/google_health.toml"), TABLE.replace(PUBLISHED_AT, &url))
        .unwrap();

    let sender = WebhookSender::new(Scheme::GoogleHealth);
    let mut environment = sender.environment(folder.path());
    environment.retain(|(name, _)| !name.ends_with("KEYSET_FILE"));
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    environment.push(("SYNCWELL_PROVIDERS__FOLDER".to_owned(), path("tables")));
    environment.push(("SYNCWELL_PROVIDERS__CA_FILE".to_owned(), authority.ca_file.display().to_string()));
    let system = System::start_with_env(&as_str_pairs(&environment));

    // Without keys nothing can be judged: the provider is to send it again.
    let delivery = sender.request(&sender.delivery_about(&[USER]));
    let refused = delivery.send(&system.base_url).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    server.set_response(200, "<html>");
    assert_eq!(delivery.send(&system.base_url).await.status, 503, "a page is no key set");
    assert_eq!(system_deliveries(&system).await.len(), 0);
    server.set_response(200, &sender.keyset());
    let taken = wait_until("the keys are there", async || {
        Some(delivery.send(&system.base_url).await).filter(|answer| answer.status != 503)
    });
    assert_accepted(Scheme::GoogleHealth, &taken.await);
    assert_eq!(system_deliveries(&system).await.len(), 1);

    // The page goes away, and a stranger signs with a key that was never published.
    server.set_response(500, "");
    let fetches = server.fetch_count();
    for _ in 0..20 {
        let mut stranger = WebhookSender::new(Scheme::GoogleHealth);
        stranger.verify_token.clone_from(&sender.verify_token);
        let refused = stranger.request(&stranger.delivery_about(&[USER])).send(&system.base_url).await;
        assert_refused(&refused, 401, "invalid_signature", "a key that is not published");
    }
    assert!(server.fetch_count() <= fetches + 1, "whoever makes up keys has them fetched again and again");
    let again = sender.request(&sender.delivery_about(&["8315529049"]));
    assert_accepted(Scheme::GoogleHealth, &again.send(&system.base_url).await);
    assert_eq!(system_deliveries(&system).await.len(), 2);
}
