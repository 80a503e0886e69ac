//! Google Health: signed by its key, with our `Authorization`.

use data_encoding::BASE64;
use serde_json::json;

use super::*;

const AUTHORIZATION: &str = "Bearer a-secret-of-ours";
const BODY: &str =
    r#"{"data":{"version":"1","healthUserId":"health-1","operation":"UPSERT","dataType":"steps"}}"#;
/// Keys and signatures were made with Python's `cryptography`.
const KEY_1: (u32, &str) = (
    424_242,
    "EgYIAxACGAIaIQD56+RkFHzBAtkjJNCZ2SfBpQ5C1XoIoRb/7AopgZ2MZSIhAHC699EoiJAqagwdZ63RAxI8hZq2m/jpQxyThJMNS37u",
);
const KEY_2: (u32, &str) = (
    4_294_967_294,
    "EgYIAxACGAIaIL5iQQ93R021OuQ+0O7vKFN9JV21K86fHrNtSGmyDbv9IiDduJe/EtCK5qm7DGOUQVWfP/6whwJ0d2gbBT3tKK0D3Q==",
);
const BY_KEY_1: &str = "AQAGeTIwRQIhAK+bUVf1A27UnyrWZR1rpTzCF9NTHawj3AnWXuYkhpMhAiAyvZVIM9E1arvDdI11FntkU4i17J+9QOJm2aC/CGgfWw==";
const BY_KEY_2: &str = "Af////4wRgIhANW+74fxfUZA3sslaZ+s+meP6EoCiAVmb+7RwvO8OBSPAiEAmgNT+bkVKznuAl0useSczf+5hKjwDSW1vFiP8DGt42k=";
const WRONG: Result<VerifiedWebhook, WebhookError> = Err(WebhookError::InvalidSignature { status: 401 });

fn keyset(keys: &[(u32, &str)]) -> TinkKeyset {
    let key = |(id, value): &(u32, &str)| {
        json!({
            "keyId": id,
            "status": "ENABLED",
            "outputPrefixType": "TINK",
            "keyData": { "typeUrl": "type.googleapis.com/google.crypto.tink.EcdsaPublicKey", "value": value },
        })
    };
    let keys: Vec<_> = keys.iter().map(key).collect();
    TinkKeyset::parse(&json!({ "primaryKeyId": 424_242, "key": keys }).to_string()).unwrap()
}

fn secrets(keys: &[(u32, &str)]) -> WebhookSecrets {
    WebhookSecrets {
        verify: vec![secret("Bearer an-older-one"), secret(AUTHORIZATION)],
        keyset: Some(keyset(keys)),
        ..WebhookSecrets::default()
    }
}

fn to_google(sent: &TestRequest) -> Result<VerifiedWebhook, WebhookError> {
    sent.verify_by(provider("google_health").webhook.as_ref().unwrap(), &secrets(&[KEY_1, KEY_2]))
}

fn signed(signature: &str) -> TestRequest {
    TestRequest::post(&[("authorization", AUTHORIZATION), ("x-healthapi-signature", signature)], BODY)
}

#[test]
fn right_signatures_are_accepted() {
    for signature in [BY_KEY_1, BY_KEY_2] {
        let delivery = delivery(to_google(&signed(signature)));
        let provider_user = Some("health-1".to_owned());
        assert_eq!(
            delivery.parts,
            [DeliveryPart { provider_user, body: BODY.as_bytes().to_vec(), is_whole_body: true }]
        );
        // Never the Authorization: it is a secret.
        let evidence = [("x-healthapi-signature".to_owned(), signature.to_owned())];
        assert_eq!(delivery.evidence_headers, evidence);
        assert_eq!(delivery.response, WebhookResponse::empty(204));
    }
}

#[test]
fn a_list_is_split() {
    // The signature was made with Python's `cryptography`.
    let body = r#"[{"data":{"healthUserId":"health-1","dataType":"steps"}}, {"data":{"healthUserId":"health-2","dataType":"sleep"}}]"#;
    let signature = "AQAGeTIwRQIgbnoIOaS8xq737CI4j5zZypsPiYr2Qem4jdqoI8VT1RUCIQDCrZMAkNjK/jvyhoAzLLLbCehcm7z/H4Q0CqlLb9aRKw==";
    let delivery = delivery(to_google(&TestRequest { body: body.as_bytes().to_vec(), ..signed(signature) }));
    let part = |user: &str, body: &str| DeliveryPart {
        provider_user: Some(user.to_owned()),
        body: body.as_bytes().to_vec(),
        is_whole_body: false,
    };
    assert_eq!(
        delivery.parts,
        [
            part("health-1", r#"[{"data":{"healthUserId":"health-1","dataType":"steps"}}]"#),
            part("health-2", r#"[{"data":{"healthUserId":"health-2","dataType":"sleep"}}]"#),
        ]
    );
}

#[test]
fn the_other_header_s_name_will_do_but_not_both() {
    let other = ("google-health-api-signature", BY_KEY_1);
    let sent = TestRequest::post(&[("authorization", AUTHORIZATION), other], BODY);
    assert_eq!(delivery(to_google(&sent)).evidence_headers, [(other.0.to_owned(), other.1.to_owned())]);
    let both = [("authorization", AUTHORIZATION), other, ("x-healthapi-signature", BY_KEY_1)];
    assert_eq!(to_google(&TestRequest::post(&both, BODY)), WRONG);
    let twice = [("authorization", AUTHORIZATION), other, other];
    assert_eq!(to_google(&TestRequest::post(&twice, BODY)), WRONG);
}

#[test]
fn any_changed_bit_is_refused() {
    for bit in 0..BODY.len() * 8 {
        let mut sent = signed(BY_KEY_1);
        sent.body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(to_google(&sent), WRONG, "body bit {bit}");
    }
    let bytes = BASE64.decode(BY_KEY_1.as_bytes()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let result = to_google(&signed(&BASE64.encode(&changed)));
        let is_in_key_id = (8..40).contains(&bit);
        let expected = if is_in_key_id { Err(WebhookError::UnknownKey { status: 401 }) } else { WRONG };
        assert_eq!(result, expected, "signature bit {bit}");
    }
    for length in 0..bytes.len() {
        assert_eq!(to_google(&signed(&BASE64.encode(&bytes[..length]))), WRONG, "cut to {length}");
    }
    for signature in ["", "!", BY_KEY_1.trim_end_matches('='), &BY_KEY_1.replace('/', "_")] {
        assert_eq!(to_google(&signed(signature)), WRONG, "{signature}");
    }
}

#[test]
fn another_key_s_signature_is_refused() {
    let swapped = secrets(&[(KEY_1.0, KEY_2.1)]);
    let provider = provider("google_health");
    let webhook = provider.webhook.as_ref().unwrap();
    assert_eq!(signed(BY_KEY_1).verify_by(webhook, &swapped), WRONG);
    let unknown = Err(WebhookError::UnknownKey { status: 401 });
    assert_eq!(signed(BY_KEY_1).verify_by(webhook, &secrets(&[KEY_2])), unknown);
    // Two keys with one id: Tink tries both.
    assert!(signed(BY_KEY_1).verify_by(webhook, &secrets(&[(KEY_1.0, KEY_2.1), KEY_1])).is_ok());
    let none = WebhookSecrets { keyset: None, ..secrets(&[KEY_1]) };
    assert_eq!(signed(BY_KEY_1).verify_by(webhook, &none), Err(WebhookError::NotConfigured("the key set")));
}

#[test]
fn the_authorization_is_demanded_of_signed_deliveries_too() {
    for authorization in ["", "Bearer a-secret-of-our", "bearer a-secret-of-ours", "a-secret-of-ours"] {
        let pairs = [("authorization", authorization), ("x-healthapi-signature", BY_KEY_1)];
        assert_eq!(to_google(&TestRequest::post(&pairs, BODY)), WRONG, "{authorization}");
    }
    assert_eq!(to_google(&TestRequest::post(&[("x-healthapi-signature", BY_KEY_1)], BODY)), WRONG);
    let twice = [
        ("authorization", AUTHORIZATION),
        ("authorization", AUTHORIZATION),
        ("x-healthapi-signature", BY_KEY_1),
    ];
    assert_eq!(to_google(&TestRequest::post(&twice, BODY)), WRONG);
    assert_eq!(
        to_google(&TestRequest::post(&[("authorization", AUTHORIZATION)], BODY)),
        WRONG,
        "nor is it enough"
    );
}

#[test]
fn the_handshake_is_answered_by_the_authorization_alone() {
    let probe = r#"{"type":"verification"}"#;
    let right = TestRequest::post(&[("authorization", AUTHORIZATION)], probe);
    assert_eq!(to_google(&right), Ok(VerifiedWebhook::Handshake(WebhookResponse::empty(200))));
    let older = TestRequest::post(&[("authorization", "Bearer an-older-one")], probe);
    assert_eq!(to_google(&older), Ok(VerifiedWebhook::Handshake(WebhookResponse::empty(200))));
    assert_eq!(to_google(&TestRequest::post(&[], probe)), WRONG);
    assert_eq!(to_google(&TestRequest::post(&[("authorization", "Bearer x")], probe)), WRONG);
    for other in [r#"{"type":"verify"}"#, r#"{"type":["verification"]}"#, "verification", ""] {
        assert_eq!(
            to_google(&TestRequest::post(&[("authorization", AUTHORIZATION)], other)),
            WRONG,
            "{other}"
        );
    }
}
