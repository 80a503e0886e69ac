//! Project Wycheproof's vectors through our own wrappers: what is tested is not the cipher but how we call it.
//!
//! The vectors are in `wycheproof/`; each file says where it is from and what was left out.

use data_encoding::HEXLOWER;
use hmac::Mac;
use serde::Deserialize;

use crate::aead::{AeadKey, HEADER_BYTES};
use crate::pseudonym::hmac_sha256;
use crate::{OpenError, RequestSignature};

#[derive(Deserialize)]
struct Vectors<G> {
    groups: Vec<G>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SealGroup {
    iv_size: usize,
    tests: Vec<SealVector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SealVector {
    tc_id: u32,
    comment: String,
    key: String,
    iv: String,
    aad: String,
    msg: String,
    ct: String,
    tag: String,
    result: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MacGroup {
    tag_size: usize,
    tests: Vec<MacVector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MacVector {
    tc_id: u32,
    comment: String,
    key: String,
    msg: String,
    tag: String,
    result: String,
}

fn unhex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// Anything but the two words is a vector that this test does not know how to judge.
fn is_valid(result: &str) -> bool {
    assert!(["valid", "invalid"].contains(&result), "{result}");
    result == "valid"
}

/// How often a vector was accepted, and how often refused: a test that ran nothing must not pass.
#[derive(Debug, Default, PartialEq, Eq)]
struct VerdictCounts {
    accepted: u32,
    refused: u32,
}

impl VerdictCounts {
    fn count(&mut self, is_accepted: bool) {
        if is_accepted { self.accepted += 1 } else { self.refused += 1 }
    }
}

#[test]
fn sealed_bytes_open_exactly_where_the_vector_is_valid() {
    let vectors: Vectors<SealGroup> = serde_json::from_str(include_str!("wycheproof/aes_gcm.json")).unwrap();
    let (mut ours, mut other_nonces) = (VerdictCounts::default(), VerdictCounts::default());
    for group in &vectors.groups {
        for vector in &group.tests {
            let name = format!("{} {}", vector.tc_id, vector.comment);
            let key = AeadKey::new(&unhex(&vector.key).try_into().unwrap());
            let mut sealed = [vec![1], unhex(&vector.iv), unhex(&vector.ct), unhex(&vector.tag)].concat();
            let opened = key.open(&unhex(&vector.aad), &mut sealed);
            if group.iv_size == (HEADER_BYTES - 1) * 8 {
                let expected = if is_valid(&vector.result) {
                    Ok(unhex(&vector.msg))
                } else {
                    Err(OpenError::Authentication)
                };
                ours.count(opened.is_ok());
                assert_eq!(opened.map(|plain| plain.to_vec()), expected, "{name}");
            } else {
                // Our nonces have 12 bytes and no length of their own: with any other, the bytes are not ours, be
                // they a valid encryption or not.
                other_nonces.count(opened.is_ok());
                assert!(opened.is_err(), "{name}");
            }
        }
    }
    assert_eq!(ours, VerdictCounts { accepted: 39, refused: 27 });
    assert_eq!(other_nonces, VerdictCounts { accepted: 0, refused: 39 });
}

#[test]
fn a_mac_verifies_exactly_where_the_vector_is_valid_and_whole() {
    let vectors: Vectors<MacGroup> =
        serde_json::from_str(include_str!("wycheproof/hmac_sha256.json")).unwrap();
    let (mut whole, mut cut) = (VerdictCounts::default(), VerdictCounts::default());
    for group in &vectors.groups {
        for vector in &group.tests {
            let name = format!("{} {}", vector.tc_id, vector.comment);
            // As a request's signature is read and compared: a cut tag is no signature, whatever its bytes.
            let signature = RequestSignature::from_hex(&vector.tag);
            let mut mac = hmac_sha256(&unhex(&vector.key));
            mac.update(&unhex(&vector.msg));
            let is_accepted = signature.is_some_and(|tag| mac.verify_slice(tag.as_bytes()).is_ok());
            if group.tag_size == 256 {
                whole.count(is_accepted);
                assert_eq!(is_accepted, is_valid(&vector.result), "{name}");
            } else {
                cut.count(is_accepted);
                assert!(signature.is_none(), "{name}");
            }
        }
    }
    assert_eq!(whole, VerdictCounts { accepted: 33, refused: 54 });
    assert_eq!(cut, VerdictCounts { accepted: 0, refused: 87 });
}
