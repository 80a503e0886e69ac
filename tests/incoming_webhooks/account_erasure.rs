//! Deliveries about an account that is no more.

use keys::{EraseStep, ErasureId, KeyErasureClient, Pseudonymizer, VersionedSecrets};
use nats_server::Role;

use super::{OTHER_USER, Scheme, USER, WebhookSenders, assert_accepted, assert_refused, system_deliveries};
use crate::harness::wait_until;

#[tokio::test]
async fn erased_users_get_410_and_others_are_kept() {
    let senders = WebhookSenders::new(&[Scheme::Fitbit]);
    let system = senders.start_system();
    let fitbit = &senders.all[0];
    let about = |users: &[&str]| fitbit.request(&fitbit.delivery_about(users));
    assert_accepted(Scheme::Fitbit, &about(&[USER]).send(&system.base_url).await);
    assert_eq!(system_deliveries(&system).await.len(), 1);
    let secret = VersionedSecrets::read(&system.data_dir().join("secrets/pseudonym")).unwrap();
    let pseudonyms = Pseudonymizer::new(secret.current().1.clone());
    let user = pseudonyms.provider_user_ref("fitbit", Some(USER));
    let eraser = KeyErasureClient::new(system.connect_as(Role::Worker).await);
    eraser.erase(&user, &EraseStep::Mark { erasure_id: ErasureId::from_bytes([1; 16]) }).await.unwrap();
    let mut times = 1;
    let gone = wait_until("ingest knows", async || {
        // Another delivery every time: what was seen before is answered as before.
        times += 1;
        let answer = about(&vec![USER; times]).send(&system.base_url).await;
        (answer.status == 410).then_some(answer)
    })
    .await;
    assert_refused(&gone, 410, "account_erased", "an account that is no more");
    let before = system_deliveries(&system).await.len();
    assert_accepted(Scheme::Fitbit, &about(&[USER, OTHER_USER]).send(&system.base_url).await);
    assert_eq!(system_deliveries(&system).await.len(), before + 1, "the other's part alone");
}
