use zeroize::Zeroizing;

use super::*;

fn delivery(id: Option<&str>, signature: &str) -> Delivery {
    Delivery {
        id: id.map(str::to_owned),
        parts: Vec::new(),
        evidence_headers: vec![("x-signature".to_owned(), signature.to_owned())],
        response: providers::WebhookResponse { status: 204, content_type: None, body: String::new() },
    }
}

#[test]
fn a_retry_is_the_same_delivery() {
    let secret = Pseudonymizer::new(Zeroizing::new([1; 32]));
    let key = |provider, id, signature, body: &str| {
        DeliveryKey::new(&secret, provider, &delivery(id, signature), body.as_bytes())
    };
    let by_body = key("oura", None, "a", "{}");
    assert_eq!(by_body, key("oura", None, "b", "{}"), "a retry is signed anew");
    assert_ne!(by_body, key("whoop", None, "a", "{}"));
    assert_ne!(by_body, key("oura", None, "a", "{} "), "bytes are not read as JSON");
    let by_id = key("oura", Some("msg_1"), "a", "{}");
    assert_eq!(by_id, key("oura", Some("msg_1"), "b", "[]"));
    assert_ne!(by_id, key("oura", Some("msg_2"), "a", "{}"));
    assert_ne!(by_id, key("oura", None, "a", "msg_1"), "an id is no body");
}

#[test]
fn golden_key() {
    // Computed once with Python's hmac module.
    let secret = Pseudonymizer::new(Zeroizing::new([1; 32]));
    let key = DeliveryKey::new(&secret, "fitbit", &delivery(None, "a"), b"[]");
    assert_eq!(key.bucket_key(), GOLDEN_KEY);
}

const GOLDEN_KEY: &str = "ef1db668c15caccbf54f680426f4dcab";

#[test]
fn golden_entries() {
    let at = Timestamp::from_millisecond(0x0102_0304_0506).unwrap();
    assert_eq!(encode_entry(CLAIMED, at), [1, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(encode_entry(DONE, at), [1, 1, 0, 0, 1, 2, 3, 4, 5, 6]);
    let open = Claim::Open(OpenClaim { first_seen: at, revision: 7 });
    assert_eq!(decode_entry(&encode_entry(CLAIMED, at), 7).unwrap(), open);
    assert_eq!(decode_entry(&encode_entry(DONE, at), 7).unwrap(), Claim::Done);
    for wrong in [
        &[][..],
        &[1, 0],
        &[2, 0, 0, 0, 1, 2, 3, 4, 5, 6],
        &[1, 2, 0, 0, 1, 2, 3, 4, 5, 6],
        &[1, 0, 127, 0, 1, 2, 3, 4, 5, 6],
    ] {
        assert!(matches!(decode_entry(wrong, 7), Err(DeliveryDedupError::Malformed)), "{wrong:?}");
    }
}

#[test]
fn the_bucket_forgets_after_a_day_and_an_hour() {
    let config = DELIVERY_DEDUP_STREAM.config(3);
    assert_eq!(config["max_age"], 90_000_000_000_000_u64);
    assert_eq!((&config["num_replicas"], &config["max_msgs_per_subject"]), (&3.into(), &1.into()));
}
