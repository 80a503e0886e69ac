//! Where an event stands in the log: `events.v1.<partition>.<user ref>`.
//!
//! The kind stands in the event, not in the subject: every distinct subject costs the broker memory.

use keys::UserRef;

/// Partitions of the log. Fixed for good: the number is part of the format.
pub const PARTITIONS: u32 = 64;

/// What every event's subject begins with.
pub(crate) const SUBJECT_PREFIX: &str = "events.v1.";

/// The user's partition: FNV-1a-32 of the user ref's text, as the server's own `partition()` computes it.
pub fn partition(user: &UserRef) -> u32 {
    partition_of(&user.to_string())
}

pub(crate) fn partition_of(user: &str) -> u32 {
    const OFFSET_BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let hash = user.bytes().fold(OFFSET_BASIS, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME));
    hash % PARTITIONS
}

/// The subject of all the user's events.
pub fn user_subject(user: &UserRef) -> String {
    format!("{SUBJECT_PREFIX}{}.{user}", partition(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_subject() {
        let user = UserRef::from_bytes(*b"0123456789abcdef");
        // FNV-1a computed once by hand in Python over "gaytemzugu3doobzmfrggzdfmy".
        assert_eq!(user_subject(&user), "events.v1.7.gaytemzugu3doobzmfrggzdfmy");
    }
}
