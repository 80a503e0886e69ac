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

/// The user of a subject; `None` if it is not a user's.
pub(crate) fn user_from_subject(subject: &str) -> Option<UserRef> {
    let (partition, user) = subject.strip_prefix(SUBJECT_PREFIX)?.split_once('.')?;
    // A number has one spelling here, like a user ref.
    let is_canonical = !partition.starts_with(['0', '+']) || partition == "0";
    let partition: u32 = partition.parse().ok().filter(|_| is_canonical)?;
    (partition == partition_of(user)).then(|| user.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_subject_has_one_spelling() {
        let user = UserRef::from_bytes(*b"0123456789abcdef");
        let text = user.to_string();
        assert_eq!(user_from_subject(&user_subject(&user)), Some(user));
        for wrong in [
            format!("events.v1.07.{text}"),
            format!("events.v1.+7.{text}"),
            format!("events.v1.8.{text}"),
            format!("events.v1.7.{}", &text[..25]),
            format!("events.v1.7.{}", text.to_uppercase()),
            format!("events.v1.{}.{}", partition_of(&text.to_uppercase()), text.to_uppercase()),
            format!("events.v1.{}.{}", partition_of(&text[..25]), &text[..25]),
            format!("events.v1.7.{text}.x"),
            format!("events.v2.7.{text}"),
            "events.v1.7".to_owned(),
        ] {
            assert_eq!(user_from_subject(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn golden_subject() {
        let user = UserRef::from_bytes(*b"0123456789abcdef");
        // FNV-1a computed once by hand in Python over "gaytemzugu3doobzmfrggzdfmy".
        assert_eq!(user_subject(&user), "events.v1.7.gaytemzugu3doobzmfrggzdfmy");
    }
}
