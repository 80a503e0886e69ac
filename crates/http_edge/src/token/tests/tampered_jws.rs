//! Web signatures (RFC 7515) in every form that looks like a good one: the kinds of tampering that Project Wycheproof's
//! set for JSON web signatures tries, made here with keys of our own.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD};
use runtime::system_clock;
use serde_json::json;
use zeroize::Zeroizing;

use crate::token::*;

/// The order of P-256's group (FIPS 186-5; SEC 2, section 2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

struct Signer {
    ec: EcdsaKeyPair,
    /// The same key, writing signatures in DER as other protocols do.
    ec_der: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    verifier: TokenVerifier,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ec_pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec_pkcs8.as_ref()).unwrap();
        let ec_der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, ec_pkcs8.as_ref()).unwrap();
        let ed_pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(ed_pkcs8.as_ref()).unwrap();
        let (x, y) = ec.public_key().as_ref()[1..].split_at(32);
        let jwks = json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "ec", "x": BASE64URL_NOPAD.encode(x), "y": BASE64URL_NOPAD.encode(y) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": BASE64URL_NOPAD.encode(ed.public_key().as_ref()) },
        ]});
        let settings = AuthSettings { issuer: "i".to_owned(), audience: "a".to_owned(), leeway_seconds: 5 };
        let key_set = Arc::new(IssuerKeySet::with_fixed_set(&jwks.to_string()).unwrap());
        let verifier = TokenVerifier::new(settings, key_set, Pseudonymizer::new(Zeroizing::new([1; 32])));
        Self { ec, ec_der, ed, verifier }
    }

    fn signed_part(&self, header: &str) -> String {
        let now = system_clock().as_second();
        let claims = json!({ "iss": "i", "aud": "a", "sub": "u", "iat": now, "exp": now + 60 }).to_string();
        format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()))
    }

    fn sign_ec(&self, message: &str) -> Vec<u8> {
        self.ec.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
    }

    fn accepts(&self, token: &str) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.verifier.verify(token, system_clock())).is_ok()
    }
}

const EC: &str = r#"{"alg":"ES256","kid":"ec"}"#;

#[test]
fn a_signature_that_is_not_quite_one_is_refused() {
    let signer = Signer::new();
    let message = signer.signed_part(EC);
    let good = signer.sign_ec(&message);
    assert!(signer.accepts(&format!("{message}.{}", BASE64URL_NOPAD.encode(&good))));
    let (r, s) = good.split_at(32);
    let der = signer.ec_der.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec();
    let zero = [0; 32];
    for (what, signature) in [
        ("empty", Vec::new()),
        ("a byte short", good[..63].to_vec()),
        ("a byte long", [&good[..], &[0]].concat()),
        ("with leading zeros", [&[0], &good[..]].concat()),
        ("in DER", der),
        ("r and s swapped", [s, r].concat()),
        ("r zero", [&zero, s].concat()),
        ("s zero", [r, &zero].concat()),
        ("both zero", vec![0; 64]),
        ("r the group's order", [&P256_ORDER, s].concat()),
        ("s the group's order", [r, &P256_ORDER].concat()),
        ("both the group's order", [P256_ORDER, P256_ORDER].concat()),
        ("of another message", signer.sign_ec("other")),
        ("of the claims alone", signer.sign_ec(message.split_once('.').unwrap().1)),
        ("Ed25519's", signer.ed.sign(message.as_bytes()).as_ref().to_vec()),
    ] {
        assert!(!signer.accepts(&format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))), "{what}");
    }
    for bit in 0..good.len() * 8 {
        let mut changed = good.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!signer.accepts(&format!("{message}.{}", BASE64URL_NOPAD.encode(&changed))), "bit {bit}");
    }
}

#[test]
fn there_is_one_compact_form() {
    let signer = Signer::new();
    let message = signer.signed_part(EC);
    // One whose alphabets differ, so that it can be told which was read.
    let signature = std::iter::repeat_with(|| signer.sign_ec(&message))
        .find(|signature| BASE64URL_NOPAD.encode(signature).contains(['-', '_']))
        .unwrap();
    let encoded = BASE64URL_NOPAD.encode(&signature);
    let (head, claims) = message.split_once('.').unwrap();
    assert!(signer.accepts(&format!("{head}.{claims}.{encoded}")));
    for (what, token) in [
        ("padded", format!("{message}.{}", BASE64URL.encode(&signature))),
        (
            "in base64's own alphabet",
            format!("{message}.{}", BASE64.encode(&signature).trim_end_matches('=')),
        ),
        ("with a line break", format!("{message}.{encoded}\n")),
        ("with a space", format!("{message}. {encoded}")),
        ("a part more", format!("{message}.{encoded}.")),
        ("a part less", message.clone()),
        ("an empty header", format!(".{claims}.{encoded}")),
        ("an empty payload", format!("{head}..{encoded}")),
        ("only dots", "..".to_owned()),
        ("the JSON form", json!({ "protected": head, "payload": claims, "signature": encoded }).to_string()),
        ("with a byte that is no text", format!("{message}.{encoded}\u{fffd}")),
    ] {
        assert!(!signer.accepts(&token), "{what}");
    }
    // The last character of 64 bytes carries 4 bits that are nobody's.
    let last = encoded.chars().last().unwrap();
    for other in ('A'..='Z').chain('a'..='z').chain('0'..='9').filter(|other| *other != last) {
        let respelled = format!("{message}.{}{other}", &encoded[..encoded.len() - 1]);
        assert!(!signer.accepts(&respelled), "{other} for {last}");
    }
}

#[test]
fn a_header_says_one_thing_and_says_it_plainly() {
    let signer = Signer::new();
    let token = |header: &str| {
        let message = signer.signed_part(header);
        let signature = signer.sign_ec(&message);
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    };
    assert!(signer.accepts(&token(EC)));
    for header in [
        r#"{"kid":"ec"}"#,
        r#"{"alg":"","kid":"ec"}"#,
        r#"{"alg":null,"kid":"ec"}"#,
        r#"{"alg":"none","kid":"ec"}"#,
        r#"{"alg":"None","kid":"ec"}"#,
        r#"{"alg":"es256","kid":"ec"}"#,
        r#"{"alg":"ES256K","kid":"ec"}"#,
        r#"{"alg":"ES384","kid":"ec"}"#,
        r#"{"alg":"ECDH-ES","kid":"ec"}"#,
        r#"{"alg":["ES256"],"kid":"ec"}"#,
        r#"{"alg":"EdDSA","kid":"ec"}"#,
        r#"{"alg":"ES256","kid":"ed"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"EC"}"#,
        r#"{"alg":"ES256","kid":7}"#,
        r#"{"alg":"none","alg":"ES256","kid":"ec"}"#,
        r#"{"alg":"ES256","kid":"ec","kid":"ec"}"#,
        r#"{"alg":"ES256","kid":"ec","crit":["b64"],"b64":false}"#,
        r#"{"alg":"ES256","kid":"ec","crit":[]}"#,
        r#"{"alg":"ES256","kid":"ec"} "x""#,
        r#""ES256""#,
        "",
    ] {
        assert!(!signer.accepts(&token(header)), "{header}");
    }
    let unsigned = format!("{}.", signer.signed_part(r#"{"alg":"none"}"#));
    assert!(!signer.accepts(&unsigned));
}
