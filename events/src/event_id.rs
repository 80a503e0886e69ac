//! An event's name, from the request that caused it.
//!
//! The name is a function of the signed request alone: its time is the one that the phone signed, its tail a keyed
//! hash of user, timestamp and signature. So the same bytes sent again name the same event, on whichever ingest they
//! arrive and without a look-up; the log drops the second one by this name, and the answer can still tell the first's.

use jiff::Timestamp;
use keys::{ErasureId, OAuthState, Pseudonymizer, RequestSignature, UserRef};
use schemas::EventId;
use sha2::{Digest, Sha256};

/// The name of the event that a signed request causes. `signed_at` is what `timestamp` spells.
pub fn request_event_id(
    secret: &Pseudonymizer,
    user: &UserRef,
    signed_at: Timestamp,
    timestamp: &str,
    signature: &RequestSignature,
) -> EventId {
    let parts: [&[u8]; 3] = [user.as_bytes(), timestamp.as_bytes(), signature.as_bytes()];
    from_hash(signed_at, &secret.keyed_hash("syncwell.event-id.v1", &parts))
}

/// The name of the event that uses an authorisation's state. A state is used once: the log drops a second event of this
/// name for longer than a state is good.
pub fn authorization_event_id(secret: &Pseudonymizer, state: &OAuthState) -> EventId {
    let hash = secret.keyed_hash("syncwell.authorization-event-id.v1", &[state.as_bytes()]);
    from_hash(state.created_at().unwrap_or_default(), &hash)
}

/// The name of the event about one user of a provider's delivery, which was first seen at this time.
pub fn webhook_event_id(
    secret: &Pseudonymizer,
    user: &UserRef,
    first_seen: Timestamp,
    delivery: &[u8],
) -> EventId {
    from_hash(first_seen, &secret.keyed_hash("syncwell.webhook-event-id.v1", &[user.as_bytes(), delivery]))
}

/// The name of the event that says what came of a command: whoever gave the command can wait for it.
pub fn result_event_id(command: EventId) -> EventId {
    let hash =
        Sha256::digest([b"syncwell.answer-id.v1:".as_slice(), command.to_string().as_bytes()].concat());
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash[..10]);
    EventId::new(command.unix_ms(), tail)
}

/// The name of the event that says that a step of an erasure was done, however often it is: 6 and more is the last of all.
pub fn erasure_step_event_id(requested_at: Timestamp, erasure: &ErasureId, step: u8) -> EventId {
    let hash = Sha256::digest(
        [b"syncwell.erasure-step-id.v1:".as_slice(), erasure.as_bytes().as_slice(), &[step]].concat(),
    );
    from_hash(requested_at, &hash.into())
}

fn from_hash(time: Timestamp, hash: &[u8; 32]) -> EventId {
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash[..10]);
    EventId::new(u64::try_from(time.as_millisecond()).unwrap_or(0), tail)
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
        let secret = Pseudonymizer::new(zeroize::Zeroizing::new([1; 32]));
        let user = UserRef::from_bytes([2; 16]);
        let signature = RequestSignature::from_hex(&"ab".repeat(32)).unwrap();
        let at = Timestamp::from_second(1_771_286_385).unwrap();
        let id = request_event_id(&secret, &user, at, "1771286385", &signature);
        assert_eq!(id, request_event_id(&secret, &user, at, "1771286385", &signature));
        assert_eq!(id.unix_ms(), 1_771_286_385_000);
        let other = RequestSignature::from_hex(&"ac".repeat(32)).unwrap();
        let others = [
            request_event_id(&secret, &UserRef::from_bytes([3; 16]), at, "1771286385", &signature),
            request_event_id(&secret, &user, at, "1771286385000", &signature),
            request_event_id(&secret, &user, at, "1771286385", &other),
            request_event_id(
                &Pseudonymizer::new(zeroize::Zeroizing::new([9; 32])),
                &user,
                at,
                "1771286385",
                &signature,
            ),
        ];
        assert!(others.iter().all(|other| *other != id));
    }

    #[test]
    fn an_answer_is_named_after_its_command_and_is_another_event() {
        let command = EventId::new(1_771_286_385_000, [7; 10]);
        let answer = result_event_id(command);
        assert_eq!((answer, answer.unix_ms()), (result_event_id(command), command.unix_ms()));
        assert_ne!(answer, command);
        assert_ne!(answer, result_event_id(EventId::new(1_771_286_385_000, [8; 10])));
        assert_ne!(answer, result_event_id(answer));
    }
}
