//! What it costs to verify a request whose token is remembered and which a device's key signed.

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use http_edge::{AuthSettings, IssuerKeySet, KeySetSource, TokenVerifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use keys::{DeviceId, KeyHolder, Pseudonymizer, SigningKeys, UserId, VersionedSecrets, create_secret_file};
use runtime::system_clock;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::statistics::median;
use crate::terminal::print;

/// Runs of each measurement; the medians are told.
const RUNS: usize = 9;
/// Requests of one run.
const REQUESTS: u32 = 20_000;
/// Tokens that are verified anew: each costs a signature.
const TOKENS: usize = 500;
/// Bytes of a body: a summary with a few workouts.
const BODY_BYTES: usize = 600;

struct VerifyBenchReport {
    cached_token_us: f64,
    signature_us: f64,
    uncached_token_us: f64,
}

pub(super) async fn run(as_json: bool) -> anyhow::Result<ExitCode> {
    let folder = std::env::temp_dir().join(format!("syncwell-bench-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder)?;
    let figures = measure(&folder).await;
    std::fs::remove_dir_all(&folder)?;
    let VerifyBenchReport { cached_token_us, signature_us, uncached_token_us } = figures?;
    let both = cached_token_us + signature_us;
    if as_json {
        print(json!({
            "cached_token_us": cached_token_us, "device_signature_us": signature_us, "both_us": both,
            "uncached_es256_token_us": uncached_token_us,
        }));
    } else {
        print(format_args!("a remembered token             {cached_token_us:>8.2} µs of CPU"));
        print(format_args!(
            "a device's signature           {signature_us:>8.2} µs (key derived, {BODY_BYTES} bytes)"
        ));
        print(format_args!("both                           {both:>8.2} µs"));
        print(format_args!("an ES256 token that is new     {uncached_token_us:>8.2} µs"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(folder: &Path) -> anyhow::Result<VerifyBenchReport> {
    let secret = folder.join("secret");
    create_secret_file(&secret)?;
    let pseudonyms = Pseudonymizer::new(VersionedSecrets::read(&secret)?.to_current().1);
    let issuer = BenchIssuer::create(folder)?;
    let settings =
        AuthSettings { issuer: "bench".to_owned(), audience: "bench".to_owned(), leeway_seconds: 5 };
    let key_set = IssuerKeySet::open(KeySetSource::File(folder.join("jwks.json")))?;
    let verifier = TokenVerifier::new(settings, key_set.into(), pseudonyms.clone());

    let token = issuer.token(0)?;
    verify_token(&verifier, &token).await?;
    let mut cached = Vec::new();
    for _ in 0..RUNS {
        let started = process_cpu_us();
        for _ in 0..REQUESTS {
            black_box(verify_token(&verifier, black_box(&token)).await?);
        }
        cached.push((process_cpu_us() - started) / f64::from(REQUESTS));
    }
    let tokens: Vec<_> = (1..=TOKENS).map(|number| issuer.token(number)).collect::<Result<_, _>>()?;
    let started = process_cpu_us();
    for token in &tokens {
        black_box(verify_token(&verifier, token).await?);
    }
    let uncached_token_us = (process_cpu_us() - started) / TOKENS as f64;

    let user = pseudonyms.user_ref(&"bench".parse::<UserId>()?);
    let keys = SigningKeys::new(VersionedSecrets::read(&secret)?);
    let id = keys.current_id(KeyHolder::Device(DeviceId::new(&pseudonyms, &user)));
    let body = vec![b'x'; BODY_BYTES];
    let signature = keys.key(&user, id).map(|key| key.sign("1771286385123", &body));
    let signature = signature.ok_or_else(|| anyhow::anyhow!("BUG: the master is held"))?;
    let mut signed = Vec::new();
    for _ in 0..RUNS {
        let started = process_cpu_us();
        for _ in 0..REQUESTS {
            let key = keys.accepted_key(&user, black_box(id));
            let holds = key.is_some_and(|key| key.verify("1771286385123", black_box(&body), &signature));
            anyhow::ensure!(holds, "the signature must be right");
        }
        signed.push((process_cpu_us() - started) / f64::from(REQUESTS));
    }
    Ok(VerifyBenchReport { cached_token_us: median(cached), signature_us: median(signed), uncached_token_us })
}

async fn verify_token(verifier: &TokenVerifier, token: &str) -> anyhow::Result<http_edge::Caller> {
    let caller = verifier.verify(token, system_clock()).await;
    caller.map_err(|refusal| anyhow::anyhow!("the token was refused: {}", refusal.code().as_str()))
}

/// An issuer with a P-256 key.
struct BenchIssuer(EncodingKey);

impl BenchIssuer {
    fn create(folder: &Path) -> anyhow::Result<Self> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref())?;
        // An uncompressed point: 04, x, y.
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "kid": "bench", "x": BASE64URL_NOPAD.encode(x), "y": BASE64URL_NOPAD.encode(y),
        });
        std::fs::write(folder.join("jwks.json"), json!({ "keys": [jwk] }).to_string())?;
        Ok(Self(EncodingKey::from_ec_der(made.as_ref())))
    }

    fn token(&self, number: usize) -> anyhow::Result<String> {
        let now = system_clock().as_second();
        let claims = json!({
            "iss": "bench", "aud": "bench", "sub": "bench", "iat": now, "exp": now + 600,
            "scope": "sync:write sync:read", "jti": number.to_string(),
        });
        let header = Header { kid: Some("bench".to_owned()), ..Header::new(Algorithm::ES256) };
        Ok(encode(&header, &claims, &self.0)?)
    }
}

/// Microseconds of CPU that this process has used: what others do at the same time does not count.
fn process_cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
