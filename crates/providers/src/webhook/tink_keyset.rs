//! A provider's public keys, as a Tink key set in JSON.
//!
//! ```text
//! { "primaryKeyId": …, "key": [ { "keyId": …, "status": "ENABLED", "outputPrefixType": "TINK",
//!     "keyData": { "typeUrl": "…EcdsaPublicKey", "keyMaterialType": "ASYMMETRIC_PUBLIC", "value": "<base64>" } } ] }
//! ```
//!
//! The value is a protobuf: 1 version, 2 parameters (1 hash, 2 curve, 3 encoding), 3 and 4 the point's coordinates.
//! Keys that can't verify what is sent are left out, as a provider may add one of a new kind before it uses it; a set
//! with none that can is refused.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use data_encoding::BASE64;
use serde::Deserialize;

use super::protobuf::{Field, fields};

const TYPE_URL: &str = "type.googleapis.com/google.crypto.tink.EcdsaPublicKey";
/// The parameters in Tink's numbers: SHA-256 is 3, NIST P-256 is 2, DER is 2.
const PARAMETERS: [(u64, Field<'static>); 3] =
    [(1, Field::Number(3)), (2, Field::Number(2)), (3, Field::Number(2))];
const COORDINATE_BYTES: usize = 32;
/// An uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;
/// The most keys of a set.
const KEYS_MAX: usize = 64;

/// The keys that can verify: ECDSA over P-256 with SHA-256, signatures in DER, with Tink's prefix.
#[derive(Clone)]
pub struct TinkKeyset(Vec<(u32, ParsedPublicKey)>);

/// The text is no key set that anything can be verified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TinkKeysetError {
    /// Not JSON of a key set's form.
    #[error("not a Tink key set in JSON")]
    Malformed,
    /// More keys than are taken.
    #[error("the key set has too many keys")]
    TooManyKeys,
    /// None of the keys is enabled, on P-256 with SHA-256, for DER and with Tink's prefix.
    #[error("the key set has no key that can be used")]
    NoUsableKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysetJson {
    key: Vec<KeyJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyJson {
    key_id: u32,
    status: String,
    output_prefix_type: String,
    key_data: KeyDataJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyDataJson {
    type_url: String,
    value: String,
}

impl TinkKeyset {
    /// Reads a key set's JSON.
    pub fn parse(json: &str) -> Result<Self, TinkKeysetError> {
        let keyset: KeysetJson = serde_json::from_str(json).map_err(|_| TinkKeysetError::Malformed)?;
        if keyset.key.len() > KEYS_MAX {
            return Err(TinkKeysetError::TooManyKeys);
        }
        let keys: Vec<_> = keyset.key.iter().filter_map(|key| Some((key.key_id, public_key(key)?))).collect();
        if keys.is_empty() { Err(TinkKeysetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    pub(super) fn contains_key(&self, id: u32) -> bool {
        self.0.iter().any(|(key_id, _)| *key_id == id)
    }

    /// Whether a key with this id made the DER signature. Tink allows for two keys with one id.
    pub(super) fn verifies(&self, id: u32, message: &[u8], der: &[u8]) -> bool {
        self.0.iter().any(|(key_id, key)| *key_id == id && key.verify_sig(message, der).is_ok())
    }
}

impl fmt::Debug for TinkKeyset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

fn public_key(key: &KeyJson) -> Option<ParsedPublicKey> {
    let usable =
        key.status == "ENABLED" && key.output_prefix_type == "TINK" && key.key_data.type_url == TYPE_URL;
    let value = if usable { BASE64.decode(key.key_data.value.as_bytes()).ok()? } else { return None };
    let (mut parameters, mut x, mut y) = (None, None, None);
    for (number, field) in fields(&value)? {
        match (number, field) {
            // Left out where it is zero, which is the only version there is.
            (1, Field::Number(0)) => {}
            (2, Field::Bytes(bytes)) => parameters = Some(bytes),
            (3, Field::Bytes(bytes)) => x = Some(bytes),
            (4, Field::Bytes(bytes)) => y = Some(bytes),
            (_, Field::Number(_) | Field::Bytes(_)) => return None,
        }
    }
    if fields(parameters?)? != PARAMETERS {
        return None;
    }
    let point = [&[UNCOMPRESSED], coordinate(x?)?.as_slice(), coordinate(y?)?.as_slice()].concat();
    // Refuses a point that is not on the curve.
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).ok()
}

/// A big-endian number without its leading zeros, of which Tink writes one too many and others too few.
fn coordinate(bytes: &[u8]) -> Option<[u8; COORDINATE_BYTES]> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let number = bytes.get(zeros..)?;
    let mut coordinate = [0; COORDINATE_BYTES];
    coordinate.get_mut(COORDINATE_BYTES.checked_sub(number.len())?..)?.copy_from_slice(number);
    Some(coordinate)
}

#[cfg(test)]
mod tests;
