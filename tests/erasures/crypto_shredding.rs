//! Plant, erase, search.

use std::collections::BTreeMap;

use events::Event;
use jetstream::Broker;
use keys::{DataKeyId, KEYS_STREAM, Kek, KeyClient, UserRef, VersionedSecrets};
use nats_server::Role;

use super::{create_user_with_data, erase_account};
use crate::harness::{LeakScanner, RawRequest, System, read_all_events, summary};

/// The wrapped keys of every user, as they stand in the keys' stream.
async fn read_wrapped_keys(system: &System) -> BTreeMap<(UserRef, DataKeyId), Vec<u8>> {
    let keys = KEYS_STREAM.stream(system.connect_as(Role::Keys).await);
    let records = keys.last_per_subject("$KV.keys.*.*").await.unwrap();
    let key = |record: &jetstream::StoredMessage| {
        let (user, id) = record.subject.strip_prefix("$KV.keys.")?.split_once('.')?;
        let is_key = record.payload.len() > 2;
        Some(((user.parse().ok()?, id.parse().ok().filter(|_| is_key)?), record.payload.to_vec()))
    };
    records.iter().filter_map(key).collect()
}

/// How many events of each user open with the keys that still exist.
async fn count_decryptable_events(system: &System, broker: Broker) -> BTreeMap<UserRef, usize> {
    let secret = VersionedSecrets::read(&system.data_dir().join("secrets/kek")).unwrap();
    let keys = KeyClient::new(broker, Kek::new(&secret).into());
    let mut opened = BTreeMap::new();
    for recorded in read_all_events(system.connect_as(Role::Auditor).await).await {
        let envelope = recorded.envelope().unwrap();
        let user = envelope.header.user;
        let Some(id) = envelope.header.key_id else { continue };
        let count: &mut usize = opened.entry(user).or_default();
        if let Ok(Some(key)) = keys.get(&user, id).await {
            Event::open(envelope, &key).unwrap();
            *count += 1;
        }
    }
    opened
}

#[tokio::test]
async fn erased_events_cannot_be_decrypted_others_can() {
    let system = System::start();
    let planted = ["181173", "71.28125", "planted-kind-of-ana", "ana.who.leaves@example.org"];
    let values = r#""steps":181173,"hrv":71.28125,"workouts":[{"type":"planted-kind-of-ana","duration":5,"start_time":"DATET06:00:00Z"}]"#
        .replace("DATE", &crate::harness::yesterday().to_string());
    let before = read_wrapped_keys(&system).await;
    assert!(before.is_empty());
    let ana = create_user_with_data(&system, planted[3], &values).await;
    let of_ana = read_wrapped_keys(&system).await;
    assert_eq!(of_ana.len(), 2);
    let ben = create_user_with_data(&system, "ben", r#""steps":222"#).await;
    for minute in 10..20 {
        for who in [&ana, &ben] {
            let post = RawRequest::post(who, summary(&format!("20:{minute}:00"), &values));
            assert!(post.send(&system.base_url).await.status < 300);
        }
    }
    let erasure = erase_account(&system, &ana).await;
    let ana: UserRef = erasure["receipt"]["user_ref"].as_str().unwrap().parse().unwrap();
    let after = read_wrapped_keys(&system).await;
    assert_eq!(after.len(), 2, "ben's keys are there");
    assert!(after.keys().all(|(user, _)| *user != ana));
    let opened = count_decryptable_events(&system, system.connect_as(Role::Projector).await).await;
    assert_eq!(opened[&ana], 0, "none of the events of the one who left");
    assert_eq!(opened.values().sum::<usize>(), 12, "all of the other's: {opened:?}");
    let folder = system.stop().await;
    let mut needles = LeakScanner::new(planted);
    // The wrapped keys themselves are overwritten in the broker's files, so that no key-encryption key brings them back.
    for ((_, id), record) in &of_ana {
        needles.add_pattern(&format!("the wrapped key {id}"), record[6..].to_vec());
    }
    let (files, found) = needles.scan_folder(folder.path());
    assert!(files > 10 && found.is_empty(), "{found:#?}");
    // The search finds a wrapped key where there is one.
    let mut needles = LeakScanner::default();
    for ((_, id), record) in &after {
        needles.add_pattern(&format!("the wrapped key {id}"), record[6..].to_vec());
    }
    let (_, found) = needles.scan_folder(folder.path());
    assert_eq!(found.len(), 2, "{found:?}");
}
