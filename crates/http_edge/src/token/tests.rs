mod tampered_jws;
mod wycheproof;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use runtime::system_clock;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::KeySetSource;

/// The verifier without its waits: a key set that is given is never waited for.
struct BlockingVerifier(TokenVerifier);

impl BlockingVerifier {
    fn new(settings: AuthSettings, jwks: &str) -> Self {
        let key_set = Arc::new(IssuerKeySet::with_fixed_set(jwks).unwrap());
        Self(TokenVerifier::new(settings, key_set, Pseudonymizer::new(Zeroizing::new([1; 32]))))
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, ApiError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.0.verify(token, now))
    }
}

struct Issuer {
    key: EncodingKey,
    pair: Ed25519KeyPair,
    public: Vec<u8>,
}

impl Issuer {
    fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        Self { key: EncodingKey::from_ed_der(pkcs8.as_ref()), pair, public }
    }

    fn jwk(&self, id: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "alg": "EdDSA", "use": "sig", "x": BASE64URL_NOPAD.encode(&self.public) })
    }

    fn verifier(&self) -> BlockingVerifier {
        let settings = AuthSettings {
            issuer: "https://issuer.test".to_owned(),
            audience: "syncwell".to_owned(),
            leeway_seconds: 5,
        };
        let jwks = json!({ "keys": [self.jwk("one"), Issuer::new().jwk("two")] }).to_string();
        BlockingVerifier::new(settings, &jwks)
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
        assert!(caller.has_scope(Scope::SyncWrite) && caller.has_scope(Scope::SyncRead));
        assert_eq!(caller.token_id.as_deref(), Some("t-1"));
    }
    let other = issuer.token(|claims, _| claims["scope"] = json!("sync:readings"));
    assert!(!verifier.verify(&other, system_clock()).unwrap().has_scope(Scope::SyncRead));
}

#[test]
fn a_remembered_token_still_expires() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token(|_, _| {});
    verifier.verify(&token, system_clock()).unwrap();
    let later = system_clock() + jiff::SignedDuration::from_secs(606);
    assert_eq!(verifier.verify(&token, later).unwrap_err().code(), ProblemCode::InvalidToken);
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
        assert_eq!(
            refused.map(|_| ()).map_err(|refusal| refusal.code()),
            Err(ProblemCode::InvalidToken),
            "{what}"
        );
    }
}

#[test]
fn a_key_set_without_a_usable_key_is_refused() {
    let parse = |text: &str| Jwks::parse(text).map(|_| ());
    assert!(matches!(parse("{}"), Err(JwksError::NotAJwkSet(_))));
    assert!(matches!(parse(r#"{"keys":[]}"#), Err(JwksError::NoUsableKey)));
    let weak = json!({ "keys": [{ "kty": "RSA", "kid": "weak", "e": "AQAB", "n": BASE64URL_NOPAD.encode(&[0xff; 128]) }] });
    assert!(matches!(parse(&weak.to_string()), Err(JwksError::NoUsableKey)), "1024 bits");
    let mut encryption = Issuer::new().jwk("one");
    encryption["use"] = json!("enc");
    assert!(matches!(parse(&json!({ "keys": [encryption] }).to_string()), Err(JwksError::NoUsableKey)));
    let mut operations = Issuer::new().jwk("one");
    operations.as_object_mut().unwrap().remove("use");
    assert!(parse(&json!({ "keys": [operations] }).to_string()).is_ok());
    operations["key_ops"] = json!(["encrypt"]);
    assert!(matches!(parse(&json!({ "keys": [operations] }).to_string()), Err(JwksError::NoUsableKey)));
}

#[test]
fn a_token_may_be_for_one_device() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let device = DeviceId::from_bytes([0xab; 16]);
    let with = |did: Value| issuer.token(|claims, _| claims["did"] = did);
    let caller = verifier.verify(&with(json!(device.to_string())), system_clock()).unwrap();
    assert_eq!(caller.device, Some(device));
    for wrong in [json!("phone"), json!(""), json!(7)] {
        let refused = verifier.verify(&with(wrong.clone()), system_clock()).unwrap_err();
        assert_eq!(refused.code(), ProblemCode::InvalidToken, "{wrong}");
    }
}

/// The attacks of the best current practice (RFC 8725), beside those above.
#[test]
fn what_a_header_must_not_say() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let header = |change: fn(&mut Header)| issuer.token(|_, header| change(header));
    let own_key: jsonwebtoken::jwk::Jwk = serde_json::from_value(Issuer::new().jwk("one")).unwrap();
    let wrong = [
        ("critical", header(|header| header.crit = Some(vec!["exp".to_owned()]))),
        ("an embedded key", issuer.token(|_, header| header.jwk = Some(own_key))),
        ("a key by URL", header(|header| header.jku = Some("https://evil.test/jwks".to_owned()))),
        ("a certificate by URL", header(|header| header.x5u = Some("https://evil.test/cert".to_owned()))),
        ("a certificate", header(|header| header.x5c = Some(vec!["MIIB".to_owned()]))),
        ("an ID token's type", header(|header| header.typ = Some("id_token+jwt".to_owned()))),
        ("a logout token", header(|header| header.typ = Some("logout+jwt".to_owned()))),
    ];
    for (what, token) in wrong {
        assert_eq!(
            verifier.verify(&token, system_clock()).unwrap_err().code(),
            ProblemCode::InvalidToken,
            "{what}"
        );
    }
    for typ in [None, Some("JWT"), Some("at+jwt"), Some("application/AT+JWT")] {
        let token = issuer.token(|_, header| header.typ = typ.map(str::to_owned));
        assert!(verifier.verify(&token, system_clock()).is_ok(), "{typ:?}");
    }
}

/// Of two claims of one name, two readers may take different ones: none may be taken.
#[test]
fn doubled_claims_are_refused() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier();
    let now = system_clock().as_second();
    let sign = |doubled: &str| {
        let claims = format!(
            r#"{{"iss":"https://issuer.test","aud":"syncwell","sub":"user-1","iat":{now},"exp":{},"scope":"sync:write"{doubled}}}"#,
            now + 600
        );
        let signed = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(br#"{"alg":"EdDSA","kid":"one"}"#),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        );
        let signature = BASE64URL_NOPAD.encode(issuer.pair.sign(signed.as_bytes()).as_ref());
        verifier.verify(&format!("{signed}.{signature}"), system_clock())
    };
    assert!(sign("").is_ok(), "the hand-made token is a good one but for what is doubled");
    for doubled in [
        r#","sub":"admin""#.to_owned(),
        r#","iss":"https://issuer.test""#.to_owned(),
        r#","aud":"syncwell""#.to_owned(),
        r#","scope":"sync:read""#.to_owned(),
        format!(r#","exp":{}"#, now + 60),
        format!(r#","iat":{now}"#),
    ] {
        assert_eq!(sign(&doubled).unwrap_err().code(), ProblemCode::InvalidToken, "{doubled}");
    }
}

/// All three algorithms are accepted, each only with a key that is for it.
#[test]
fn an_algorithm_is_bound_to_its_key() {
    let random = SystemRandom::new();
    let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let ec_pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref()).unwrap();
    let point = ec_pair.public_key().as_ref();
    let rsa_pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let modulus = rsa_pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
    let encode_part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let jwks = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "kid": "ec", "x": encode_part(&point[1..33]), "y": encode_part(&point[33..65]) },
        { "kty": "RSA", "kid": "rsa", "e": "AQAB", "n": encode_part(&modulus) },
    ]});
    let settings = AuthSettings {
        issuer: "https://issuer.test".to_owned(),
        audience: "syncwell".to_owned(),
        leeway_seconds: 5,
    };
    let verifier = BlockingVerifier::new(settings, &jwks.to_string());
    let now = system_clock().as_second();
    let claims =
        json!({ "iss": "https://issuer.test", "aud": "syncwell", "sub": "u", "iat": now, "exp": now + 60 })
            .to_string();
    let token = |algorithm: &str, kid: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>| {
        let head = format!(r#"{{"alg":"{algorithm}","kid":"{kid}"}}"#);
        let signed = format!("{}.{}", encode_part(head.as_bytes()), encode_part(claims.as_bytes()));
        format!("{signed}.{}", encode_part(&sign(signed.as_bytes())))
    };
    let sign_ec = |message: &[u8]| ec_pair.sign(&random, message).unwrap().as_ref().to_vec();
    let sign_rsa = |message: &[u8]| {
        let mut signature = vec![0; rsa_pair.public_modulus_len()];
        rsa_pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
        signature
    };
    let is_accepted = |token: &str| verifier.verify(token, system_clock()).is_ok();
    assert!(is_accepted(&token("ES256", "ec", &sign_ec)));
    assert!(is_accepted(&token("RS256", "rsa", &sign_rsa)));
    for (algorithm, kid, sign) in [
        ("RS256", "ec", &sign_ec as &dyn Fn(&[u8]) -> Vec<u8>),
        ("ES256", "rsa", &sign_rsa),
        ("ES384", "ec", &sign_ec),
        ("RS512", "rsa", &sign_rsa),
        ("PS256", "rsa", &sign_rsa),
        ("EdDSA", "ec", &sign_ec),
        ("HS256", "rsa", &sign_rsa),
        ("none", "rsa", &sign_rsa),
    ] {
        assert!(!is_accepted(&token(algorithm, kid, sign)), "{algorithm} with {kid}");
    }
}

/// A key that is new to us is fetched for, at once and once a minute.
#[tokio::test]
async fn an_unknown_key_has_the_set_fetched_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let issuer = Issuer::new();
    let publish = |ids: &[&str]| {
        let keys: Vec<_> = ids.iter().map(|id| issuer.jwk(id)).collect();
        std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
    };
    publish(&["one", "spare"]);
    let settings = AuthSettings {
        issuer: "https://issuer.test".to_owned(),
        audience: "syncwell".to_owned(),
        leeway_seconds: 5,
    };
    let key_set = Arc::new(IssuerKeySet::open(KeySetSource::File(file.clone())).unwrap());
    let verifier = TokenVerifier::new(settings, key_set, Pseudonymizer::new(Zeroizing::new([1; 32])));
    let token = |id: &'static str| issuer.token(|_, header| header.kid = Some(id.to_owned()));
    assert!(verifier.verify(&token("one"), system_clock()).await.is_ok());
    publish(&["one", "two"]);
    assert!(verifier.verify(&token("two"), system_clock()).await.is_ok(), "it was fetched for this token");
    publish(&["one", "two", "three"]);
    assert!(verifier.verify(&token("three"), system_clock()).await.is_err(), "not again within a minute");
    assert!(verifier.verify(&token("one"), system_clock()).await.is_ok());
}
