//! The key of a log: signed notes (C2SP signed-note) with Ed25519 (RFC 8032), one key for each log.
//!
//! The key's name is the log's origin. A verifier key is the text `<origin>+<key id>+<key>`: the id in eight
//! hexadecimal digits, the key as base64 of the byte 1, which stands for Ed25519, and the 32 bytes of the public key.

/// The longest origin.
pub(crate) const ORIGIN_BYTES_MAX: usize = 255;
/// The longest text that is signed.
pub(crate) const TEXT_BYTES_MAX: usize = 65_536;
/// The longest note that is read: the longest text, and room for 16 cosignatures of those that take 5 KiB.
pub(crate) const NOTE_BYTES_MAX: usize = 262_144;

/// The signature type of C2SP signed-note.
pub(crate) const ED25519_SIGNATURE_TYPE: u8 = 1;

/// A key can't be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogKeyError {
    /// Not the name of a log.
    #[error("an origin is 1 to {ORIGIN_BYTES_MAX} bytes without spaces, control characters and plus signs")]
    Origin,
    /// Not a verifier key.
    #[error("not a verifier key of the form <origin>+<key id>+<key>")]
    Malformed,
    /// The key id is not that of the name and the key.
    #[error("the key id does not belong to the name and the key")]
    KeyId,
    /// A key for signatures of another type.
    #[error("not a key for Ed25519 signatures")]
    Algorithm,
}

/// Whether a log can have this name.
pub(crate) fn is_valid_origin(name: &str) -> bool {
    name.len() <= ORIGIN_BYTES_MAX
        && signed_note::is_key_name_valid(name)
        && !name.contains(|character: char| character.is_control())
}

/// What a note is made of, or a part of it.
pub(crate) fn into_utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|_| unreachable!("BUG: a note is made of text"))
}
