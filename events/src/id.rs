//! An event's name, from the request that caused it.
//!
//! The name is a function of the signed request alone: its time is the one that the phone signed, its tail a keyed
//! hash of user, timestamp and signature. So the same bytes sent again name the same event, on whichever ingest they
//! arrive and without a look-up; the log drops the second one by this name, and the answer can still tell the first's.

use jiff::Timestamp;
use schemas::EventId;
use vault::{Pseudonyms, Signature, UserRef};

/// The name of the event that a signed request causes. `signed_at` is what `timestamp` spells.
pub fn event_id(
    secret: &Pseudonyms,
    user: &UserRef,
    signed_at: Timestamp,
    timestamp: &str,
    signature: &Signature,
) -> EventId {
    let hash = secret
        .keyed_hash("syncwell.event-id.v1", &[user.as_bytes(), timestamp.as_bytes(), signature.as_bytes()]);
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash[..10]);
    EventId::new(u64::try_from(signed_at.as_millisecond()).unwrap_or(0), tail)
}

/// A name for an event that no signed request causes: its time, and random bytes.
pub fn new_event_id(now: Timestamp) -> EventId {
    let mut tail = [0; 10];
    tail.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[6..]);
    EventId::new(u64::try_from(now.as_millisecond()).unwrap_or(0), tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_function_of_the_signed_request() {
        let secret = Pseudonyms::new(zeroize::Zeroizing::new([1; 32]));
        let user = UserRef::from_bytes([2; 16]);
        let signature = Signature::from_hex(&"ab".repeat(32)).unwrap();
        let at = Timestamp::from_second(1_771_286_385).unwrap();
        let id = event_id(&secret, &user, at, "1771286385", &signature);
        assert_eq!(id, event_id(&secret, &user, at, "1771286385", &signature));
        assert_eq!(id.unix_ms(), 1_771_286_385_000);
        let other = Signature::from_hex(&"ac".repeat(32)).unwrap();
        let others = [
            event_id(&secret, &UserRef::from_bytes([3; 16]), at, "1771286385", &signature),
            event_id(&secret, &user, at, "1771286385000", &signature),
            event_id(&secret, &user, at, "1771286385", &other),
            event_id(&Pseudonyms::new(zeroize::Zeroizing::new([9; 32])), &user, at, "1771286385", &signature),
        ];
        assert!(others.iter().all(|other| *other != id));
    }
}
