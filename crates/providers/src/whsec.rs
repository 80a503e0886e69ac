//! Secrets as Standard Webhooks writes them: `whsec_` and base64.

use std::ops::RangeInclusive;

use data_encoding::BASE64;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";

/// The key's bytes, if the text is such a secret and their number is within the range.
pub(crate) fn decode(text: &str, bytes: RangeInclusive<usize>) -> Option<Zeroizing<Vec<u8>>> {
    let key = Zeroizing::new(BASE64.decode(text.strip_prefix(PREFIX)?.as_bytes()).ok()?);
    bytes.contains(&key.len()).then_some(key)
}

/// The text of a key.
pub(crate) fn encode(key: &[u8]) -> String {
    format!("{PREFIX}{}", BASE64.encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_spelling() {
        let text = encode(&[7; 24]);
        assert_eq!(text, "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH");
        assert_eq!(decode(&text, 24..=64).unwrap().as_slice(), [7; 24]);
        assert!(decode(&text, 25..=64).is_none());
        assert!(decode(&text, 1..=23).is_none());
        for wrong in [
            "",
            "whsec_",
            "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH",
            "whsec_Bw",
            "whsec_Bw=",
            "whsec_Bx==",
            "whsec_-_==",
        ] {
            assert!(decode(wrong, 1..=64).is_none(), "{wrong}");
        }
    }
}
