//! What else is told than summaries. The changes are put into the stream as the projector would: what folds them is tested
//! where it is folded.

use events::{Change, ChangeKind, ChangeSubject, Changes, new_event_id};
use keys::{DataKey, DataKeyId, UserRef};
use nats_server::Role;
use schemas::Sequence;
use serde_json::json;

use super::{Scene, add, done, webhooks};
use crate::harness::now;

#[tokio::test]
async fn every_kind_is_told_to_whom_wants_it() {
    let scene = Scene::new("[1]");
    let system = scene.system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    let (_, secret) = add(&data_dir, &[&receiver.url("/all"), "--user-ref", "shared"]);
    add(&data_dir, &[&receiver.url("/some"), "--kind", "account.erased", "--kind", "export.ready"]);

    let user = UserRef::from_bytes([7; 16]);
    // Nobody has this key: what it is about can't be told, and that something changed can.
    let lost = DataKey::new(DataKeyId::from_bytes([7; 10]), 2026, &[7; 32]);
    let changes: Vec<_> = (1..)
        .zip(ChangeKind::ALL)
        .map(|(number, kind)| {
            let sequence = Sequence::new(number).unwrap();
            let change = Change::new(kind, user, new_event_id(now()), sequence, now());
            let subject = ChangeSubject { date: None, id: Some("abc".to_owned()) };
            if kind == ChangeKind::AccountErased { change } else { change.about(&subject, &lost) }
        })
        .collect();
    let appender = Changes::over(system.connect(Role::Projector).await).appender();
    appender.append(&changes).await.unwrap();

    let told = receiver.wait_for(4, |delivery| delivery.path == "/all").await;
    for change in &changes {
        let name = change.kind.as_str();
        let delivery = told.iter().find(|delivery| delivery.json()["type"] == name).unwrap();
        assert!(delivery.is_signed_with(&secret));
        let data = json!({ "user_ref": user.to_string(), "position": change.sequence });
        let expected = json!({ "type": name, "timestamp": change.time, "data": data });
        assert_eq!(delivery.json(), expected);
    }
    let some = receiver.wait_for(2, |delivery| delivery.path == "/some").await;
    let mut kinds: Vec<_> =
        some.iter().map(|some| some.json()["type"].as_str().unwrap().to_owned()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["account.erased", "export.ready"]);
    let listed = done(webhooks(&data_dir, &["list", "--json"]));
    assert_eq!(listed[1]["kinds"], json!(["export.ready", "account.erased"]));
}
