use data_encoding::HEXLOWER;
use serde_json::json;

use super::*;

/// The key of RFC 6979, A.2.5, as Tink's own test vectors use it; put into the protobuf with Python.
const RFC_6979: &str = "EgYIAxACGAIaIGD+1LolWp0xyWHrdMY1bWjASbiSO2H6bOZpYi5g8p+2IiB5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";
/// A key that Google published for its webhooks, with a zero too many before each coordinate.
const GOOGLE: &str = "EgYIAxACGAIaIQBDWg3kaiabjtrVXbSSbcn6e3QqiCLD+B4GuhC/Z1C6miIhACarm0VQv9WjNZG/AB0itXCIGFW5ddInmBFUjK/8w0v3";

fn key(id: u32, value: &str) -> serde_json::Value {
    json!({
        "keyId": id,
        "status": "ENABLED",
        "outputPrefixType": "TINK",
        "keyData": { "typeUrl": TYPE_URL, "keyMaterialType": "ASYMMETRIC_PUBLIC", "value": value },
    })
}

fn parse(keys: &[serde_json::Value]) -> Result<TinkKeyset, TinkKeysetError> {
    TinkKeyset::parse(&json!({ "primaryKeyId": 1, "key": keys }).to_string())
}

#[test]
fn tink_s_own_vector() {
    // tink-cc, ecdsa_test_vectors.cc, vector 1: DER, over an empty message. The prefix of vector 2 is not signed.
    let der = "3046022100baca7d618e43d44f2754a5368f60b4a41925e2c04d27a672b276ae1f4b3c63a2\
        022100d404a3015cb229f7cb036c2b5f77cc546065eed4b75837cec2883d1e35d5eb9f";
    let der = HEXLOWER.decode(der.as_bytes()).unwrap();
    let keyset = parse(&[key(0x9988_7766, RFC_6979)]).unwrap();
    assert!(keyset.verifies(0x9988_7766, b"", &der));
    assert!(!keyset.verifies(0x9988_7766, b"\0", &der));
    assert!(!keyset.verifies(0x9988_7767, b"", &der));
    assert!(keyset.contains_key(0x9988_7766) && !keyset.contains_key(0));
}

#[test]
fn a_real_key_is_read() {
    assert!(parse(&[key(7, GOOGLE)]).unwrap().contains_key(7));
}

#[test]
fn keys_that_can_not_be_used_are_left_out() {
    let changed = |field: &str, value: &str| {
        let mut key = key(2, RFC_6979);
        key[field] = json!(value);
        key
    };
    let mut other_type = key(2, RFC_6979);
    other_type["keyData"]["typeUrl"] = json!("type.googleapis.com/google.crypto.tink.Ed25519PublicKey");
    let value = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = BASE64.decode(RFC_6979.as_bytes()).unwrap();
        change(&mut bytes);
        key(2, &BASE64.encode(&bytes))
    };
    for unusable in [
        changed("status", "DISABLED"),
        changed("outputPrefixType", "RAW"),
        other_type,
        key(2, "!"),
        key(2, ""),
        // Another hash, another curve, another encoding.
        value(&|bytes| bytes[3] = 4),
        value(&|bytes| bytes[5] = 3),
        value(&|bytes| bytes[7] = 1),
        // Another point, which is not on the curve; and a coordinate that is too long.
        value(&|bytes| bytes[12] ^= 1),
        value(&|bytes| {
            bytes[9] = 33;
            bytes.insert(10, 1);
        }),
        // Another version, a field that is not known, and a cut one.
        value(&|bytes| bytes.extend([0x08, 1])),
        value(&|bytes| bytes.extend([0x28, 1])),
        value(&|bytes| bytes.truncate(40)),
    ] {
        assert_eq!(
            parse(std::slice::from_ref(&unusable)).unwrap_err(),
            TinkKeysetError::NoUsableKey,
            "{unusable}"
        );
        let keyset = parse(&[unusable, key(1, GOOGLE)]).unwrap();
        assert!(keyset.contains_key(1) && !keyset.contains_key(2));
    }
    assert!(
        parse(&[value(&|bytes| bytes.extend([0x08, 0]))]).unwrap().contains_key(2),
        "version 0 may be written"
    );
}

#[test]
fn sets_that_are_none() {
    let malformed = Err(TinkKeysetError::Malformed);
    for text in ["", "[]", "{}", r#"{"key":{}}"#, r#"{"key":[{"keyId":-1}]}"#, r#"{"key":[]"#] {
        assert_eq!(TinkKeyset::parse(text).map(|_| ()), malformed, "{text}");
    }
    assert_eq!(parse(&[]).unwrap_err(), TinkKeysetError::NoUsableKey);
    let many: Vec<_> = (0..65).map(|id| key(id, RFC_6979)).collect();
    assert_eq!(parse(&many).unwrap_err(), TinkKeysetError::TooManyKeys);
}
