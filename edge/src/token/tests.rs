use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::system_clock;

struct Issuer {
    key: EncodingKey,
    public: Vec<u8>,
}

impl Issuer {
    fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        Self { key: EncodingKey::from_ed_der(pkcs8.as_ref()), public: pair.public_key().as_ref().to_vec() }
    }

    fn jwk(&self, id: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "alg": "EdDSA", "use": "sig", "x": BASE64URL_NOPAD.encode(&self.public) })
    }

    fn verifier(&self) -> TokenVerifier {
        let settings = AuthSettings {
            issuer: "https://issuer.test".to_owned(),
            audience: "syncwell".to_owned(),
            jwks: json!({ "keys": [self.jwk("one"), Issuer::new().jwk("two")] }).to_string(),
            leeway_seconds: 5,
        };
        TokenVerifier::new(settings, Pseudonyms::new(Zeroizing::new([1; 32]))).unwrap()
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Header)) -> String {
        let now = system_clock().as_second();
        let mut claims = json!({
            "iss": "https://issuer.test", "aud": "syncwell", "sub": "user-1", "iat": now, "exp": now + 600,
            "scope": "sync:read sync:write", "jti": "t-1",
        });
        let mut header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::EdDSA) };
        change(&mut claims, &mut header);
        encode(&header, &claims, &self.key).unwrap()
    }
}

#[test]
fn a_good_token_names_its_caller() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token(|_, _| {});
    for _ in 0..2 {
        let caller = verifier.verify(&token, system_clock()).unwrap();
        assert!(caller.may(Scope::SyncWrite) && caller.may(Scope::SyncRead));
        assert_eq!(caller.token_id.as_deref(), Some("t-1"));
    }
    let other = issuer.token(|claims, _| claims["scope"] = json!("sync:readings"));
    assert!(!verifier.verify(&other, system_clock()).unwrap().may(Scope::SyncRead));
}

#[test]
fn a_remembered_token_still_expires() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token(|_, _| {});
    verifier.verify(&token, system_clock()).unwrap();
    let later = system_clock() + jiff::SignedDuration::from_secs(606);
    assert_eq!(verifier.verify(&token, later).unwrap_err().code(), Code::InvalidToken);
}

#[test]
fn every_other_token_is_refused() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let now = system_clock().as_second();
    let remove = |name: &'static str| {
        move |claims: &mut Value, _: &mut Header| {
            claims.as_object_mut().unwrap().remove(name);
        }
    };
    let set =
        |name: &'static str, value: Value| move |claims: &mut Value, _: &mut Header| claims[name] = value;
    let mut wrong = vec![
        ("another key's id", issuer.token(|_, header| header.kid = Some("two".to_owned()))),
        ("an unknown key's id", issuer.token(|_, header| header.kid = Some("three".to_owned()))),
        ("no key id among several keys", issuer.token(|_, header| header.kid = None)),
        ("another issuer's key", Issuer::new().token(|_, _| {})),
        (
            "expired",
            issuer.token(|claims, _| {
                claims["iat"] = json!(now - 700);
                claims["exp"] = json!(now - 10)
            }),
        ),
        ("not yet valid", issuer.token(set("nbf", json!(now + 60)))),
        (
            "issued in the future",
            issuer.token(|claims, _| {
                claims["iat"] = json!(now + 60);
                claims["exp"] = json!(now + 120)
            }),
        ),
        ("valid for too long", issuer.token(set("exp", json!(now + 3_601)))),
        ("another issuer", issuer.token(set("iss", json!("https://other.test")))),
        ("another audience", issuer.token(set("aud", json!(["other"])))),
        ("a sub with spaces", issuer.token(set("sub", json!("user 1")))),
        ("an empty sub", issuer.token(set("sub", json!("")))),
        ("a sub that is a number", issuer.token(set("sub", json!(1)))),
        ("no token at all", "nonsense".to_owned()),
        ("empty", String::new()),
        ("too long", "a".repeat(9_000)),
    ];
    for name in ["iss", "aud", "sub", "iat", "exp"] {
        wrong.push((name, issuer.token(remove(name))));
    }
    let good = issuer.token(|_, _| {});
    let (signed, _) = good.rsplit_once('.').unwrap();
    wrong.push(("without a signature", format!("{signed}.")));
    let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","kid":"one"}"#);
    wrong.push(("alg none", format!("{none}.{}.", signed.split_once('.').unwrap().1)));
    let hs256 = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    let claims =
        json!({ "iss": "https://issuer.test", "aud": "syncwell", "sub": "u", "iat": now, "exp": now + 60 });
    wrong.push((
        "the public key as a shared secret",
        encode(&hs256, &claims, &EncodingKey::from_secret(&issuer.public)).unwrap(),
    ));
    for (what, token) in wrong {
        let refused = verifier.verify(&token, system_clock());
        assert_eq!(refused.map(|_| ()).map_err(|refusal| refusal.code()), Err(Code::InvalidToken), "{what}");
    }
}

#[test]
fn a_key_set_without_a_usable_key_is_refused() {
    let parse = |text: &str| Jwks::parse(text).map(|_| ());
    assert!(matches!(parse("{}"), Err(JwksError::Form(_))));
    assert!(matches!(parse(r#"{"keys":[]}"#), Err(JwksError::Empty)));
    let weak = json!({ "keys": [{ "kty": "RSA", "kid": "weak", "e": "AQAB", "n": BASE64URL_NOPAD.encode(&[0xff; 128]) }] });
    assert!(matches!(parse(&weak.to_string()), Err(JwksError::Empty)), "1024 bits");
    let mut encryption = Issuer::new().jwk("one");
    encryption["use"] = json!("enc");
    assert!(matches!(parse(&json!({ "keys": [encryption] }).to_string()), Err(JwksError::Empty)));
}
