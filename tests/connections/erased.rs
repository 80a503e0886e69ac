//! An account ends that is connected: every provider is asked to revoke its tokens, and nothing is kept of them.

use jetstream::ScanFrom;
use keys::{KeysStream, Pseudonymizer, VersionedSecrets};
use nats_server::Role;

use super::Connected;
use crate::harness::provider::{Endpoint, Misbehaviour, Variant};
use crate::harness::{Needles, RawRequest, until};

#[tokio::test]
async fn tokens_are_revoked_at_every_provider_before_the_account_is_gone() {
    let variants = ["one", "two"].map(|name| Variant { name: name.to_owned(), ..Variant::default() });
    let connected = Connected::to_all(variants.to_vec());
    let (one, two) = (&connected.providers.simulators[0], &connected.providers.simulators[1]);
    one.sign_in(475);
    let (ana, ben) = (connected.app_at(0, "ana"), connected.app_at(1, "ben"));
    ana.connect().await;
    connected.app_at(1, "ana").connect().await;
    let kept = ben.connect().await;
    let of_one = [one.access_tokens(), one.refresh_tokens()].concat();
    assert_eq!((one.access_tokens().len(), two.access_tokens().len()), (1, 2));
    // One provider does not do it at once.
    for misbehaviour in [Misbehaviour::Fail(500), Misbehaviour::Drop] {
        one.misbehave(Endpoint::Revoke, 1, misbehaviour);
    }
    let body = serde_json::json!({ "user_id": "ana" });
    let accepted = ana.post("/v1/erasures", &body).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let accepted = accepted.json();
    let (id, token) = (accepted["erasure_id"].as_str().unwrap(), accepted["receipt_token"].as_str().unwrap());
    let erasure = until("the account is erased", async || {
        let request = RawRequest::get(&ana.credentials, &format!("/v1/erasures/{id}"));
        let erasure = request.header("authorization", format!("Bearer {token}")).send(&ana.view).await.json();
        erasure["receipt"].is_object().then_some(erasure)
    })
    .await;
    let destroyed = &erasure["receipt"]["destroyed"];
    assert_eq!(destroyed["connections_revoked"], 2, "{destroyed}");
    assert_eq!(destroyed["provider_accounts"], 2, "{destroyed}");
    assert!(one.access_tokens().is_empty() && one.refresh_tokens().is_empty());
    assert_eq!(two.access_tokens().len(), 1, "ben's");
    assert_eq!(ben.read(&kept).await["status"], "active");
    // What the provider's deliveries about ana are filed under has no key any more, and gets none.
    let secret = VersionedSecrets::read(&connected.system.data_dir().join("secrets/pseudonym")).unwrap();
    let pseudonyms = Pseudonymizer::new(secret.current().1.clone());
    let provider_user = pseudonyms.provider_user_ref("one", Some("475"));
    let keys = KeysStream::open(connected.system.connect(Role::Keys).await);
    let records = keys.last_per_subject(&format!("$KV.keys.{provider_user}.*")).await.unwrap();
    assert_eq!(records.len(), 2, "the two marks: {records:?}");
    // Nothing is left in the worker's records.
    let worker = connected.system.connect(Role::Worker).await;
    let records = worker::WorkBucket::Connections.stream(worker.clone());
    let left = records.scan(ScanFrom::Sequence(1), "$KV.connections.>", 100).await.unwrap();
    assert_eq!(left.len(), 1, "ben's");
    let work = worker::WorkBucket::Work.stream(worker);
    until("the task is done with", async || {
        let tasks = work.scan(ScanFrom::Sequence(1), "$KV.work.erasure.*", 100).await.unwrap();
        tasks.is_empty().then_some(())
    })
    .await;
    let folder = connected.system.stop().await;
    let (files, found) = Needles::of(of_one).search_below(folder.path());
    assert!(files > 10 && found.is_empty(), "{found:#?}");
}
