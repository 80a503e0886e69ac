use http::HeaderValue;

use super::*;

/// The vector of the reference libraries' own tests (standard-webhooks, `sign function works`).
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SENT_AT: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn secret() -> StandardWebhookSecret {
    SECRET.parse().unwrap()
}

fn other() -> StandardWebhookSecret {
    StandardWebhookSecret::from_bytes(&[9; 24]).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ID_HEADER, HeaderValue::from_str(id).unwrap());
    headers.insert(TIMESTAMP_HEADER, HeaderValue::from_str(timestamp).unwrap());
    headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(signature).unwrap());
    headers
}

fn verify_signature(signature: &str, secrets: &[StandardWebhookSecret]) -> Result<(), StandardWebhookError> {
    verify(&headers(ID, &SENT_AT.to_string(), signature), BODY, secrets, at(SENT_AT)).map(|_| ())
}

#[test]
fn the_published_vector() {
    assert_eq!(secret().sign(ID, SENT_AT, BODY).unwrap(), SIGNATURE);
    let headers = headers(ID, &SENT_AT.to_string(), SIGNATURE);
    assert_eq!(verify(&headers, BODY, &[secret()], at(SENT_AT)), Ok(ID));
}

#[test]
fn a_golden_signature() {
    // Computed with Python's hmac module.
    let key: Vec<u8> = (0..32).collect();
    let signature =
        StandardWebhookSecret::from_bytes(&key).unwrap().sign("msg_1", 1_800_000_000, br#"{"a":1}"#);
    assert_eq!(signature.unwrap(), "v1,phm7mOHwFDU6jBwBkmhF3Cqd0H0Nz7MaiOdih/irqbk=");
}

#[test]
fn any_secret_and_any_signature_will_do() {
    let wrong = other().sign(ID, SENT_AT, BODY).unwrap();
    assert_eq!(verify_signature(&format!("{wrong} {SIGNATURE}"), &[secret()]), Ok(()));
    assert_eq!(verify_signature(&format!("{SIGNATURE} {wrong}"), &[secret()]), Ok(()));
    assert_eq!(verify_signature(&format!("v1a,AAAA v2,! {SIGNATURE}"), &[secret()]), Ok(()));
    assert_eq!(verify_signature(SIGNATURE, &[other(), secret()]), Ok(()));
    assert_eq!(verify_signature(SIGNATURE, &[secret(), other()]), Ok(()));
}

#[test]
fn wrong_signatures_are_refused() {
    let wrong = other().sign(ID, SENT_AT, BODY).unwrap();
    assert_eq!(verify_signature(&wrong, &[secret()]), Err(StandardWebhookError::InvalidSignature));
    assert_eq!(verify_signature(SIGNATURE, &[other()]), Err(StandardWebhookError::InvalidSignature));
    assert_eq!(verify_signature(SIGNATURE, &[]), Err(StandardWebhookError::InvalidSignature));
    let other_version = SIGNATURE.replace("v1,", "v1a,");
    assert_eq!(verify_signature(&other_version, &[secret()]), Err(StandardWebhookError::InvalidSignature));
    let good = headers(ID, &SENT_AT.to_string(), SIGNATURE);
    for bit in 0..BODY.len() * 8 {
        let mut changed = BODY.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        let result = verify(&good, &changed, &[secret()], at(SENT_AT));
        assert_eq!(result, Err(StandardWebhookError::InvalidSignature), "bit {bit}");
    }
    for (id, timestamp) in [("msg_other", SENT_AT), (ID, SENT_AT + 1)] {
        let other = headers(id, &timestamp.to_string(), SIGNATURE);
        let result = verify(&other, BODY, &[secret()], at(SENT_AT));
        assert_eq!(result, Err(StandardWebhookError::InvalidSignature));
    }
}

#[test]
fn stale_is_what_is_rightly_signed() {
    let headers = headers(ID, &SENT_AT.to_string(), SIGNATURE);
    let verify_at = |seconds, secret| verify(&headers, BODY, &[secret], at(seconds));
    for seconds in [SENT_AT - 300, SENT_AT + 300] {
        assert_eq!(verify_at(seconds, secret()), Ok(ID));
    }
    for seconds in [SENT_AT - 301, SENT_AT + 301] {
        assert_eq!(verify_at(seconds, secret()), Err(StandardWebhookError::StaleTimestamp));
        assert_eq!(verify_at(seconds, other()), Err(StandardWebhookError::InvalidSignature));
    }
}

#[test]
fn malformed_headers_are_refused() {
    let timestamp = SENT_AT.to_string();
    let good = headers(ID, &timestamp, SIGNATURE);
    for name in [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER] {
        let mut missing = good.clone();
        missing.remove(&name);
        assert_eq!(
            verify(&missing, BODY, &[secret()], at(SENT_AT)),
            Err(StandardWebhookError::Malformed),
            "{name}"
        );
        let mut twice = good.clone();
        twice.append(&name, good[&name].clone());
        assert_eq!(
            verify(&twice, BODY, &[secret()], at(SENT_AT)),
            Err(StandardWebhookError::Malformed),
            "{name}"
        );
    }
    for bad in [
        headers("", &timestamp, SIGNATURE),
        headers("a.b", &timestamp, SIGNATURE),
        headers("a b", &timestamp, SIGNATURE),
        headers(ID, "1614265330.0", SIGNATURE),
        headers(ID, "+1614265330", SIGNATURE),
        headers(ID, "01614265330", SIGNATURE),
        headers(ID, &timestamp, ""),
        headers(ID, &timestamp, "v1"),
        headers(ID, &timestamp, SIGNATURE.trim_end_matches('=')),
        headers(ID, &timestamp, &SIGNATURE.replace('+', "-")),
        headers(ID, &timestamp, &format!("{SIGNATURE}  {SIGNATURE}")),
        headers(ID, &timestamp, &[SIGNATURE; 17].join(" ")),
    ] {
        assert_eq!(
            verify(&bad, BODY, &[secret()], at(SENT_AT)),
            Err(StandardWebhookError::Malformed),
            "{bad:?}"
        );
    }
}

#[test]
fn what_can_not_be_signed() {
    for id in ["", "a.b", "a b", "a\nb", "ö", &"a".repeat(257)] {
        assert_eq!(secret().sign(id, SENT_AT, BODY), Err(InvalidSignedHeaders), "{id}");
    }
    assert_eq!(secret().sign(ID, -1, BODY), Err(InvalidSignedHeaders));
}

#[test]
fn secrets_have_24_to_64_bytes_and_are_not_printed() {
    for length in [24, 32, 64] {
        let secret = StandardWebhookSecret::from_bytes(&vec![7; length]).unwrap();
        let text = secret.expose();
        let read: StandardWebhookSecret = text.parse().unwrap();
        assert_eq!(read.sign(ID, 0, b"").unwrap(), secret.sign(ID, 0, b"").unwrap());
        assert_eq!(format!("{secret:?}"), "[redacted]");
    }
    for length in [0, 23, 65] {
        assert_eq!(
            StandardWebhookSecret::from_bytes(&vec![7; length]).unwrap_err(),
            InvalidStandardWebhookSecret
        );
    }
    for text in ["", "whsec_", SECRET.trim_start_matches("whsec_"), "whsec_plJ3nmyCDGBKInavdOK15jsl"] {
        assert_eq!(
            text.parse::<StandardWebhookSecret>().unwrap_err(),
            InvalidStandardWebhookSecret,
            "{text}"
        );
    }
}
