//! The senders of webhooks, against values that other implementations (Python's `hmac`, Standard Webhooks' own vector)
//! came to.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::Value;

use crate::harness::provider::webhooks::{ProviderDelivery, Scheme, WebhookSender};
use crate::harness::{RawRequest, TestFolder};

const BODY: &str = r#"{"steps":4210}"#;

fn header(request: &RawRequest, name: &str) -> String {
    String::from_utf8(request.headers[name].clone()).unwrap()
}

#[test]
fn signatures_match_other_implementations() {
    let notice =
        ProviderDelivery::new(BODY).with_signed_at(Timestamp::from_millisecond(1_795_291_200_123).unwrap());
    let hex = "c4784237cba731a4b30a0cd029a7e3e1ba76f4205743f462171abd65bb60f42f";
    let elements = "t=1795291200,v1=9208aea33ec8a463044c122cd7edd9161de442ee1d99668c56dea96b6dac6b72";
    for (scheme, name, signature) in [
        (Scheme::Fitbit, "x-fitbit-signature", "zEIO8IT6IbiTxmgCuJOxTAGTmrQ="),
        (
            Scheme::Oura,
            "x-oura-signature",
            "3F12A4BA8C188E1F4CB05A1B076CED120900AC20B54D1D6BEE5ACDA809FDC56C",
        ),
        (Scheme::Whoop, "x-whoop-signature", "h5uchazD+67+zFBqmRKYv9y8YmxwwKCaEMYj8F1BOI0="),
        (Scheme::Polar, "polar-webhook-signature", hex),
        (Scheme::Suunto, "x-hmac-sha256-signature", hex),
        (Scheme::Strava, "x-strava-signature", elements),
        (Scheme::Terra, "terra-signature", elements),
    ] {
        let sender = WebhookSender::new(scheme).with_secret("key");
        let request = sender.request(&notice);
        assert_eq!(header(&request, name), signature, "{scheme:?}");
        assert_eq!((request.method, request.body.as_slice()), ("POST", BODY.as_bytes()));
    }
    let oura = WebhookSender::new(Scheme::Oura).request(&notice);
    assert_eq!(header(&oura, "x-oura-timestamp"), "1795291200");
    let whoop = WebhookSender::new(Scheme::Whoop).request(&notice);
    assert_eq!(header(&whoop, "x-whoop-signature-timestamp"), "1795291200123");
}

#[test]
fn signature_matches_the_standard_webhooks_vector() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let notice = ProviderDelivery::new(r#"{"test": 2432232314}"#)
        .with_signed_at(Timestamp::from_second(1_614_265_330).unwrap())
        .with_id("msg_p5jXN8AQM9LWM0D4loKWxJek");
    for (scheme, prefix) in [(Scheme::StandardWebhooks, "webhook"), (Scheme::Junction, "svix")] {
        let request = WebhookSender::new(scheme).with_secret(secret).request(&notice);
        assert_eq!(
            header(&request, &format!("{prefix}-signature")),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(header(&request, &format!("{prefix}-id")), notice.id);
        assert_eq!(header(&request, &format!("{prefix}-timestamp")), "1614265330");
    }
}

/// x and y of the one key in a keyset, where Google's keys have them.
fn public_key_point(sender: &WebhookSender) -> (u64, Vec<u8>) {
    let keyset: Value = serde_json::from_str(&sender.keyset()).unwrap();
    let value = BASE64.decode(keyset["key"][0]["keyData"]["value"].as_str().unwrap().as_bytes()).unwrap();
    // Their beginnings, as in the real keyset: `EgYIAxACGAIaIQ`.
    assert_eq!(value[..11], [0x12, 6, 8, 3, 16, 2, 24, 2, 0x1a, 33, 0]);
    assert_eq!((&value[43..46], value.len()), (&[0x22, 33, 0][..], 78));
    (keyset["primaryKeyId"].as_u64().unwrap(), [&[4], &value[11..43], &value[46..]].concat())
}

#[test]
fn signature_verifies_as_tink() {
    let sender = WebhookSender::new(Scheme::GoogleHealth);
    let request = sender.request(&ProviderDelivery::new(BODY));
    assert_eq!(header(&request, "authorization"), sender.verify_token);
    let wire = BASE64.decode(header(&request, "x-healthapi-signature").as_bytes()).unwrap();
    let (id, point) = public_key_point(&sender);
    assert_eq!(wire[0], 1);
    assert_eq!(u64::from(u32::from_be_bytes(wire[1..5].try_into().unwrap())), id);
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    key.verify(BODY.as_bytes(), &wire[5..]).unwrap();
    key.verify(b"{}", &wire[5..]).unwrap_err();
    let other = sender.with_other_tink_key().request(&ProviderDelivery::new(BODY));
    let other = BASE64.decode(header(&other, "x-healthapi-signature").as_bytes()).unwrap();
    assert_eq!(other[..5], wire[..5], "the same id");
    key.verify(BODY.as_bytes(), &other[5..]).unwrap_err();
}

#[test]
fn sends_user_ids_and_handshakes() {
    let mut shook = BTreeSet::new();
    for scheme in Scheme::ALL {
        let sender = WebhookSender::new(scheme);
        let request = sender.request(&sender.delivery_about(&["471"]));
        let body = String::from_utf8(request.body.clone()).unwrap();
        assert!(body.contains("471"), "{scheme:?}: {body}");
        let path = format!("/v1/webhooks/{}", sender.provider);
        let path = sender.path_secret.as_ref().map_or(path.clone(), |secret| format!("{path}/{secret}"));
        assert_eq!(request.path, path);
        let again = sender.delivery_about(&["471"]);
        assert_eq!(
            sender.request(&again).headers.keys().collect::<Vec<_>>(),
            request.headers.keys().collect::<Vec<_>>()
        );
        if let Some(handshake) = sender.handshake("echo-me") {
            assert!(handshake.path.starts_with(&path));
            shook.insert(scheme);
        }
        let folder = TestFolder::new();
        let told = sender.environment(folder.path());
        let prefix = format!("SYNCWELL_PROVIDERS__{}__", sender.provider.to_ascii_uppercase());
        assert!(!told.is_empty() && told.iter().all(|(name, _)| name.starts_with(&prefix)), "{told:?}");
    }
    let with =
        [Scheme::Fitbit, Scheme::GoogleHealth, Scheme::Oura, Scheme::Withings, Scheme::Polar, Scheme::Strava];
    assert_eq!(shook, with.into());
    let several = WebhookSender::new(Scheme::Fitbit).delivery_about(&["A1", "B2"]).body;
    let several: Value = serde_json::from_slice(&several).unwrap();
    assert_eq!((&several[0]["ownerId"], &several[1]["ownerId"]), (&"A1".into(), &"B2".into()));
}
