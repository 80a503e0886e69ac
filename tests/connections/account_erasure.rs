//! An account ends that is connected: every provider is asked to revoke its tokens, and nothing is kept of them.

use jetstream::ScanFrom;
use keys::{KEYS_STREAM, Pseudonymizer, VersionedSecrets};
use nats_server::Role;

use super::ConnectedSystem;
use crate::harness::provider::{Endpoint, Fault, ProviderProfile};
use crate::harness::{LeakScanner, RawRequest, wait_until};

#[tokio::test]
async fn tokens_are_revoked_at_all_providers_before_erasure() {
    let variants =
        ["one", "two"].map(|name| ProviderProfile { name: name.to_owned(), ..ProviderProfile::default() });
    let connected = ConnectedSystem::start_with_providers(variants.to_vec());
    let (one, two) = (&connected.providers.simulators[0], &connected.providers.simulators[1]);
    one.set_signed_in_user(475);
    let (ana, ben) = (connected.app_at(0, "ana"), connected.app_at(1, "ben"));
    ana.connect().await;
    connected.app_at(1, "ana").connect().await;
    let kept = ben.connect().await;
    let of_one = [one.valid_access_tokens(), one.valid_refresh_tokens()].concat();
    assert_eq!((one.valid_access_tokens().len(), two.valid_access_tokens().len()), (1, 2));
    // One provider does not do it at once.
    for misbehaviour in [Fault::HttpStatus(500), Fault::CloseConnection] {
        one.inject_fault(Endpoint::Revoke, 1, misbehaviour);
    }
    let body = serde_json::json!({ "user_id": "ana" });
    let accepted = ana.post("/v1/erasures", &body).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let accepted = accepted.json();
    let (id, token) = (accepted["erasure_id"].as_str().unwrap(), accepted["receipt_token"].as_str().unwrap());
    let erasure = wait_until("the account is erased", async || {
        let request = RawRequest::get(&ana.credentials, &format!("/v1/erasures/{id}"));
        let erasure =
            request.header("authorization", format!("Bearer {token}")).send(&ana.projector_url).await.json();
        erasure["receipt"].is_object().then_some(erasure)
    })
    .await;
    let destroyed = &erasure["receipt"]["destroyed"];
    assert_eq!(destroyed["connections_revoked"], 2, "{destroyed}");
    assert_eq!(destroyed["provider_accounts"], 2, "{destroyed}");
    assert!(one.valid_access_tokens().is_empty() && one.valid_refresh_tokens().is_empty());
    assert_eq!(two.valid_access_tokens().len(), 1, "ben's");
    assert_eq!(ben.read_connection(&kept).await["status"], "active");
    // What the provider's deliveries about ana are filed under has no key any more, and gets none.
    let secret = VersionedSecrets::read(&connected.system.data_dir().join("secrets/pseudonym")).unwrap();
    let pseudonyms = Pseudonymizer::new(secret.current().1.clone());
    let provider_user = pseudonyms.provider_user_ref("one", Some("475"));
    let keys = KEYS_STREAM.stream(connected.system.connect_as(Role::Keys).await);
    let records = keys.last_per_subject(&format!("$KV.keys.{provider_user}.*")).await.unwrap();
    assert_eq!(records.len(), 2, "the two marks: {records:?}");
    // Nothing is left in the worker's records.
    let worker = connected.system.connect_as(Role::Worker).await;
    let records = worker::CONNECTIONS_STREAM.stream(worker.clone());
    let left = records.scan(ScanFrom::Sequence(1), "$KV.connections.>", 100).await.unwrap();
    assert_eq!(left.len(), 1, "ben's");
    let work = worker::WORK_STREAM.stream(worker);
    wait_until("the task is done with", async || {
        let tasks = work.scan(ScanFrom::Sequence(1), "$KV.work.erasure.*", 100).await.unwrap();
        tasks.is_empty().then_some(())
    })
    .await;
    let folder = connected.system.stop().await;
    let (files, found) = LeakScanner::new(of_one).scan_folder(folder.path());
    assert!(files > 10 && found.is_empty(), "{found:#?}");
}
