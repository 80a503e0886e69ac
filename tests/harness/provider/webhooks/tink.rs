//! A signing key as Google's Tink has it: a prefix before each signature, and a keyset in JSON around a protobuf.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64;
use serde_json::json;

#[derive(Debug)]
pub(super) struct TinkKey {
    pub(super) id: u32,
    pair: EcdsaKeyPair,
}

impl TinkKey {
    pub(super) fn generate(id: u32) -> Self {
        Self { id, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap() }
    }

    /// Version 1, the key's id in big-endian, the signature in DER.
    pub(super) fn sign(&self, body: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), body).unwrap();
        [&[1], self.id.to_be_bytes().as_slice(), signature.as_ref()].concat()
    }

    /// Byte for byte in the form of the keyset that Google publishes.
    pub(super) fn keyset(&self) -> String {
        let key = json!({
            "keyData": {
                "typeUrl": "type.googleapis.com/google.crypto.tink.EcdsaPublicKey",
                "value": BASE64.encode(&self.public_key()),
                "keyMaterialType": "ASYMMETRIC_PUBLIC",
            },
            "status": "ENABLED",
            "keyId": self.id,
            "outputPrefixType": "TINK",
        });
        json!({ "primaryKeyId": self.id, "key": [key] }).to_string()
    }

    /// The protobuf `EcdsaPublicKey`: `params` (SHA-256, P-256, DER), `x` and `y`, each with a zero byte before it,
    /// as Google's are. The version is 0, which protobuf leaves out.
    fn public_key(&self) -> Vec<u8> {
        // 0x04, x, y.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let params = [0x12, 6, 0x08, 3, 0x10, 2, 0x18, 2];
        [&params, [0x1a, 33, 0].as_slice(), x, &[0x22, 33, 0], y].concat()
    }
}
