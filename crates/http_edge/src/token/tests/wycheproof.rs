//! Project Wycheproof's signature vectors by keys that came through our own key set: what is tested is not the curve
//! but which key and which algorithm we end up calling it with.
//!
//! A vector's message is any bytes, not a token, so it goes to where `decode` sends a token's first two parts. The
//! vectors are in `wycheproof/`; each file says where it is from and what was left out.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::token::jwks::Jwks;

#[derive(Deserialize)]
struct Vectors {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    jwk: Value,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    msg: String,
    sig: String,
    result: String,
}

/// How many were accepted and how many refused, each as it should be. Both are asserted: a test that ran nothing must
/// not pass.
fn run(text: &str, algorithm: Algorithm) -> (u32, u32) {
    let vectors: Vectors = serde_json::from_str(text).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for group in &vectors.groups {
        let jwks = Jwks::parse(&json!({ "keys": [group.jwk] }).to_string()).unwrap();
        let key = jwks.find(group.jwk["kid"].as_str()).unwrap();
        assert_eq!(key.algorithm, algorithm);
        for vector in &group.tests {
            let message = HEXLOWER.decode(vector.msg.as_bytes()).unwrap();
            let signature = BASE64URL_NOPAD.encode(&HEXLOWER.decode(vector.sig.as_bytes()).unwrap());
            let verifies =
                jsonwebtoken::crypto::verify(&signature, &message, &key.key, key.algorithm).unwrap();
            // "acceptable" is what a lenient reader may let pass, and we need not.
            assert!(["valid", "invalid", "acceptable"].contains(&&*vector.result), "{}", vector.result);
            assert_eq!(verifies, vector.result == "valid", "{} {}", vector.tc_id, vector.comment);
            if verifies { accepted += 1 } else { refused += 1 }
        }
    }
    (accepted, refused)
}

#[test]
fn eddsa_verifies_exactly_the_valid_signatures() {
    assert_eq!(run(include_str!("wycheproof/ed25519.json"), Algorithm::EdDSA), (88, 63));
}

#[test]
fn es256_verifies_exactly_the_valid_signatures() {
    assert_eq!(run(include_str!("wycheproof/p256.json"), Algorithm::ES256), (173, 89));
}

#[test]
fn rs256_verifies_exactly_the_valid_signatures() {
    assert_eq!(run(include_str!("wycheproof/rsa_2048.json"), Algorithm::RS256), (9, 250));
}
