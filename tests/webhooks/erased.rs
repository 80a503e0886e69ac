//! Deliveries about an account that is no more.

use keys::{EraseStep, ErasureId, KeyErasureClient, Pseudonymizer, VersionedSecrets};
use nats_server::Role;

use super::{OTHER_USER, Scheme, Senders, USER, assert_accepted, assert_refused, received};
use crate::harness::until;

#[tokio::test]
async fn a_delivery_about_nobody_else_is_gone_and_others_are_kept() {
    let senders = Senders::of(&[Scheme::Fitbit]);
    let system = senders.system();
    let fitbit = &senders.all[0];
    let about = |users: &[&str]| fitbit.request(&fitbit.notice_about(users));
    assert_accepted(Scheme::Fitbit, &about(&[USER]).send(&system.base_url).await);
    assert_eq!(received(&system).await.len(), 1);
    let secret = VersionedSecrets::read(&system.data_dir().join("secrets/pseudonym")).unwrap();
    let pseudonyms = Pseudonymizer::new(secret.current().1.clone());
    let user = pseudonyms.provider_user_ref("fitbit", Some(USER));
    let eraser = KeyErasureClient::new(system.connect(Role::Worker).await);
    eraser.erase(&user, &EraseStep::Mark { erasure_id: ErasureId::from_bytes([1; 16]) }).await.unwrap();
    let mut times = 1;
    let gone = until("ingest knows", async || {
        // Another delivery every time: what was seen before is answered as before.
        times += 1;
        let answer = about(&vec![USER; times]).send(&system.base_url).await;
        (answer.status == 410).then_some(answer)
    })
    .await;
    assert_refused(&gone, 410, "account_erased", "an account that is no more");
    let before = received(&system).await.len();
    assert_accepted(Scheme::Fitbit, &about(&[USER, OTHER_USER]).send(&system.base_url).await);
    assert_eq!(received(&system).await.len(), before + 1, "the other's part alone");
}
