//! The issuer's public keys, each with the one algorithm that it is for.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// The least modulus of an RSA key, in bits.
const RSA_BITS_MIN: usize = 2_048;

/// Why a key set can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Not a key set.
    #[error("the key set is not a JWK Set (RFC 7517)")]
    NotAJwkSet(#[source] serde_json::Error),
    /// No key that tokens could be verified by.
    #[error("the key set has no signing key for EdDSA, ES256 or RS256 (of 2048 bits or more)")]
    NoUsableKey,
}

pub(super) struct Jwks(Vec<VerificationKey>);

pub(super) struct VerificationKey {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl Jwks {
    pub(super) fn parse(text: &str) -> Result<Self, JwksError> {
        let set: JwkSet = serde_json::from_str(text).map_err(JwksError::NotAJwkSet)?;
        let keys: Vec<_> = set.keys.iter().filter_map(verification_key).collect();
        if keys.is_empty() { Err(JwksError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// The key of this id. A token that names none is only served where there is but one key.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&VerificationKey> {
        match (id, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
        }
    }
}

/// `None` for a key that is not for us: of another kind, for encryption, or too weak.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "another crate's enum: whatever it will know, we accept these three"
)]
fn verification_key(jwk: &Jwk) -> Option<VerificationKey> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let operations = jwk.common.key_operations.as_ref();
    if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::RSA(rsa) if modulus_bits(&rsa.n) >= RSA_BITS_MIN => Algorithm::RS256,
        _ => return None,
    };
    // Where the set itself says what a key is for, it must be the same.
    if jwk.common.key_algorithm.is_some_and(|named| named.to_string() != format!("{algorithm:?}")) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(VerificationKey { id: jwk.common.key_id.clone(), algorithm, key })
}

fn modulus_bits(n: &str) -> usize {
    let Ok(bytes) = data_encoding::BASE64URL_NOPAD.decode(n.as_bytes()) else { return 0 };
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let first = bytes.get(zeros).map_or(0, |byte| 8 - byte.leading_zeros() as usize);
    first + bytes.len().saturating_sub(zeros + 1) * 8
}
