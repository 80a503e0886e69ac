//! What else is told than summaries. The changes are put into the stream as the projector would: what folds them is tested
//! where it is folded.

use events::{ChangeFeed, ChangeKind, ChangeNotification, ChangeTarget, new_event_id};
use keys::{DataKey, DataKeyId, UserRef};
use nats_server::Role;
use schemas::Sequence;
use serde_json::json;

use super::{WebhookFixture, add_endpoint, json_of_success, run_webhooks_command};
use crate::harness::now;

#[tokio::test]
async fn each_kind_is_sent_to_its_subscribers() {
    let scene = WebhookFixture::new("[1]");
    let system = scene.start_system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    let (_, secret) = add_endpoint(&data_dir, &[&receiver.url("/all"), "--user-ref", "shared"]);
    add_endpoint(&data_dir, &[&receiver.url("/some"), "--kind", "account.erased", "--kind", "export.ready"]);

    let user = UserRef::from_bytes([7; 16]);
    // Nobody has this key: what it is about can't be told, and that something changed can.
    let lost = DataKey::new(DataKeyId::from_bytes([7; 10]), 2026, &[7; 32]);
    let changes: Vec<_> = (1..)
        .zip(ChangeKind::ALL)
        .map(|(number, kind)| {
            let sequence = Sequence::new(number).unwrap();
            let change = ChangeNotification::new(kind, user, new_event_id(now()), sequence, now());
            let subject = ChangeTarget { date: None, id: Some("abc".to_owned()) };
            if kind == ChangeKind::AccountErased { change } else { change.with_target(&subject, &lost) }
        })
        .collect();
    let appender = ChangeFeed::new(system.connect_as(Role::Projector).await).appender();
    appender.append(&changes).await.unwrap();

    let told = receiver.wait_for_deliveries(4, |delivery| delivery.path == "/all").await;
    for change in &changes {
        let name = change.kind.as_str();
        let delivery = told.iter().find(|delivery| delivery.json()["type"] == name).unwrap();
        assert!(delivery.is_signed_with(&secret));
        let data = json!({ "user_ref": user.to_string(), "position": change.sequence });
        let expected = json!({ "type": name, "timestamp": change.time, "data": data });
        assert_eq!(delivery.json(), expected);
    }
    let some = receiver.wait_for_deliveries(2, |delivery| delivery.path == "/some").await;
    let mut kinds: Vec<_> =
        some.iter().map(|some| some.json()["type"].as_str().unwrap().to_owned()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["account.erased", "export.ready"]);
    let listed = json_of_success(run_webhooks_command(&data_dir, &["list", "--json"]));
    assert_eq!(listed[1]["kinds"], json!(["export.ready", "account.erased"]));
}
