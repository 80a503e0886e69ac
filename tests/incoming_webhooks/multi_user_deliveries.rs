//! One delivery about several users: each is told what is about them, and nothing of the others.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{OTHER_USER, Scheme, USER, WebhookSenders, assert_accepted, reveal_event, system_deliveries};
use crate::harness::provider::webhooks::ProviderDelivery;

#[tokio::test]
async fn delivery_becomes_one_event_per_user() {
    let senders = WebhookSenders::new(&[Scheme::Fitbit, Scheme::GoogleHealth, Scheme::Garmin]);
    let system = senders.start_system();
    let mut refs = BTreeSet::new();
    for (number, sender) in senders.all.iter().enumerate() {
        let notice = sender.delivery_about(&[USER, OTHER_USER, USER]);
        let request = sender.request(&notice);
        assert_accepted(sender.scheme, &request.send(&system.base_url).await);
        assert_accepted(sender.scheme, &request.send(&system.base_url).await);
        let events = system_deliveries(&system).await;
        assert_eq!(events.len(), 2 * number + 2, "{:?}", sender.scheme);
        let mut users = BTreeSet::new();
        for event in &events[2 * number..] {
            refs.insert(event.header().unwrap().user.to_string());
            let content = reveal_event(&system, event)["content"].clone();
            assert_eq!(content["whole"], false);
            let user = content["provider_user"].as_str().unwrap().to_owned();
            let body = BASE64.decode(content["body_base64"].as_str().unwrap().as_bytes()).unwrap();
            let text = String::from_utf8(body).unwrap();
            let (own, other) = if user == USER { (USER, OTHER_USER) } else { (OTHER_USER, USER) };
            assert!(text.contains(own) && !text.contains(other), "{text}");
            let told: Value = serde_json::from_str(&text).unwrap();
            let elements = told.get("dailies").unwrap_or(&told).as_array().unwrap().len();
            assert_eq!(elements, if user == USER { 2 } else { 1 }, "{text}");
            users.insert(user);
        }
        assert_eq!(users, BTreeSet::from([USER.to_owned(), OTHER_USER.to_owned()]));
    }
    assert_eq!(refs.len(), 6, "a user of one provider is nobody at another");
}

/// The same person's deliveries are filed together, and apart from everybody else's.
#[tokio::test]
async fn deliveries_are_stored_under_the_provider_user() {
    let senders = WebhookSenders::new(&[Scheme::Suunto, Scheme::Terra]);
    let system = senders.start_system();
    let (suunto, terra) = (&senders.all[0], &senders.all[1]);
    let nobody = json!({ "type": "large_request_processing", "status": "sent" }).to_string();
    let again = [suunto.delivery_about(&[USER]).body, b" ".to_vec()].concat();
    let requests = [
        suunto.request(&suunto.delivery_about(&[USER])),
        suunto.request(&ProviderDelivery::new(again)),
        suunto.request(&suunto.delivery_about(&[OTHER_USER])),
        terra.request(&terra.delivery_about(&[USER])),
        terra.request(&ProviderDelivery::new(nobody.clone())),
    ];
    for request in requests {
        assert_eq!(request.send(&system.base_url).await.status, 200);
    }
    let events = system_deliveries(&system).await;
    let refs: Vec<_> = events.iter().map(|event| event.header().unwrap().user).collect();
    assert_eq!(refs[0], refs[1]);
    assert_eq!(refs.iter().collect::<BTreeSet<_>>().len(), 4);
    let content = reveal_event(&system, &events[4])["content"].clone();
    assert_eq!((&content["provider_user"], &content["whole"]), (&Value::Null, &json!(true)));
    assert_eq!(content["body_base64"], BASE64.encode(nobody.as_bytes()));
    let audited = system.run_command(&["audit", "verify", "--reveal", "--json"]);
    let audited: Value = serde_json::from_slice(&audited.stdout).unwrap();
    assert_eq!(audited["holds"], true, "{audited}");
}
