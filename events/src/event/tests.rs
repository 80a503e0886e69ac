mod exports_and_erasures;

use keys::{DataKeyId, DeviceId, RequestSignature, UserRef};
use proptest::prelude::*;

use super::*;
use crate::envelope::{EventHeader, MalformedEvent};
use crate::event_kind::{ContentEncoding, EventCategory};

/// One stored event of every kind and version that ever landed. Made once with Python's `cryptography` from the tables
/// in `envelope.rs` and `seal.rs`; never regenerated.
const SAMPLE_V1: &[u8] = include_bytes!("../../samples/syncwell.summary.received.v1.json");

const DEVICE_ENROLLED_V1: &[u8] = include_bytes!("../../samples/syncwell.device.enrolled.v1.json");
const DEVICE_REVOKED_V1: &[u8] = include_bytes!("../../samples/syncwell.device.revoked.v1.json");
const BREAK_GLASS_V1: [&[u8]; 4] = [
    include_bytes!("../../samples/syncwell.breakglass.requested.v1.json"),
    include_bytes!("../../samples/syncwell.breakglass.approved.v1.json"),
    include_bytes!("../../samples/syncwell.breakglass.looked_up.v1.json"),
    include_bytes!("../../samples/syncwell.breakglass.refused.v1.json"),
];

const ACCESS_RECORDED_V1: &[u8] = include_bytes!("../../samples/syncwell.access.recorded.v1.json");
const EVENT_DISCARDED_V1: &[u8] = include_bytes!("../../samples/syncwell.event.discarded.v1.json");

fn key() -> DataKey {
    DataKey::new(DataKeyId::from_bytes([4; 10]), 2026, &[7; 32])
}

fn head() -> EventHeader {
    EventHeader {
        id: "019c68e5-51e3-7fff-bfff-ffffffffffff".parse().unwrap(),
        kind: EventKind::SummaryReceivedV1,
        user: UserRef::from_bytes([1; 16]),
        time: "2026-02-16T23:59:46.125Z".parse().unwrap(),
        key_id: Some(key().id()),
    }
}

fn content() -> SignedRequest {
    SignedRequest {
        body: r#"{"date":"2026-02-16"}"#.to_owned(),
        timestamp: "1771286385123".to_owned(),
        signature: RequestSignature::from_hex(&"ab".repeat(32)).unwrap(),
        signing_key_id: "1.default".parse().unwrap(),
        token_id: Some("t-1".to_owned()),
    }
}

fn open(bytes: &[u8], key: &DataKey) -> Result<SignedRequest, OpenEventError> {
    match Event::open(Envelope::parse(bytes).unwrap(), key)? {
        Event::Summary(received) => Ok(received),
        Event::Device(_)
        | Event::DeviceReport(_)
        | Event::Connection(_)
        | Event::Webhook(_)
        | Event::Export(_)
        | Event::Account(_)
        | Event::BreakGlass(_)
        | Event::Operator(_) => panic!("another kind"),
    }
}

#[test]
fn every_version_that_ever_landed_still_opens() {
    let envelope = Envelope::parse(SAMPLE_V1).unwrap();
    assert_eq!(envelope.header, head());
    assert!(open(SAMPLE_V1, &key()).unwrap() == content());

    let device = DeviceId::from_bytes([0xab; 16]);
    let enrolled = DeviceEnrolled {
        device,
        key_id: format!("2.{device}").parse().unwrap(),
        token_id: Some("t-1".to_owned()),
    };
    let envelope = Envelope::parse(DEVICE_ENROLLED_V1).unwrap();
    assert!(
        matches!(Event::open(envelope, &key()), Ok(Event::Device(DeviceEvent::Enrolled(found))) if found == enrolled)
    );
    let revoked = DeviceRevoked { device, token_id: None };
    let envelope = Envelope::parse(DEVICE_REVOKED_V1).unwrap();
    assert!(
        matches!(Event::open(envelope, &key()), Ok(Event::Device(DeviceEvent::Revoked(found))) if found == revoked)
    );
}

/// What a sample holds, opened, is what is sealed again to the same length under the same head.
fn check_sample<T: SealedContent + PartialEq>(sample: &[u8], expected: &T) {
    let envelope = Envelope::parse(sample).unwrap();
    assert_eq!(envelope.header, EventHeader { kind: T::KIND, ..head() });
    let content = envelope.open(&key()).unwrap();
    assert!(decode_json::<T>(&content).is_some_and(|found| found == *expected), "{:?}", T::KIND);
    assert!(Event::open(Envelope::parse(sample).unwrap(), &key()).is_ok(), "{:?}", T::KIND);
    let again = expected.seal(&EventHeader { kind: T::KIND, ..head() }, &key());
    let sealed_at = sample.windows(15).position(|window| window == b"\"data_base64\":\"").unwrap() + 15;
    assert_eq!((again.len(), &again[..sealed_at]), (sample.len(), &sample[..sealed_at]));
    // A content of another kind is not taken for one of this.
    let other = EventHeader { kind: T::KIND, ..head() }.seal(&key(), br#"{"other":1}"#);
    let opened = Event::open(Envelope::parse(&other).unwrap(), &key());
    assert!(matches!(opened, Err(OpenEventError::Content(_))), "{:?}", T::KIND);
}

#[test]
fn samples_of_connections_and_deliveries() {
    let connection_id = keys::ConnectionId::from_bytes([0xab; 16]);
    let jti = Some("t-1".to_owned());
    check_sample(
        include_bytes!("../../samples/syncwell.connection.requested.v1.json"),
        &ConnectionRequested {
            connection_id,
            provider: "fitbit".to_owned(),
            redirect_uri: "myapp://connected".to_owned(),
            jti: jti.clone(),
        },
    );
    check_sample(
        include_bytes!("../../samples/syncwell.connection.authorized.v1.json"),
        &ConnectionAuthorized {
            connection_id,
            code: "c-1".to_owned(),
            state: "s-1".to_owned(),
            code_verifier: Some("v-1".to_owned()),
            jti: jti.clone(),
        },
    );
    check_sample(
        include_bytes!("../../samples/syncwell.connection.reauth_requested.v1.json"),
        &ConnectionReauthRequested { connection_id, jti },
    );
    check_sample(
        include_bytes!("../../samples/syncwell.connection.revocation_requested.v1.json"),
        &ConnectionRevocationRequested { connection_id, jti: None },
    );
    check_sample(
        include_bytes!("../../samples/syncwell.connection.activated.v1.json"),
        &ConnectionActivated {
            connection_id,
            scopes: Some(vec!["activity".to_owned()]),
            provider_user_ref: Some(UserRef::from_bytes([1; 16])),
            access_until: Some("2026-02-17T08:00:00Z".parse().unwrap()),
        },
    );
    check_sample(
        include_bytes!("../../samples/syncwell.connection.reauth_needed.v1.json"),
        &ConnectionReauthNeeded { connection_id, reason: schemas::ReauthReason::RefreshRefused },
    );
    check_sample(
        include_bytes!("../../samples/syncwell.connection.revoked.v1.json"),
        &ConnectionRevoked { connection_id, at_provider: schemas::ProviderRevocation::Revoked },
    );
    check_sample(
        include_bytes!("../../samples/syncwell.webhook.received.v1.json"),
        &WebhookReceived {
            provider: "fitbit".to_owned(),
            delivery_id: Some("d-1".to_owned()),
            provider_user: Some("u-1".to_owned()),
            headers: vec![("x-fitbit-signature".to_owned(), "c2ln".to_owned())],
            whole: true,
            body_base64: "W10=".to_owned(),
        },
    );
}

#[test]
fn a_device_s_report_is_a_signed_request_too() {
    let sample = include_bytes!("../../samples/syncwell.device.reported.v1.json");
    let opened = Event::open(Envelope::parse(sample).unwrap(), &key());
    let expected = SignedRequest { body: r#"{"os_compromised":true}"#.to_owned(), ..content() };
    assert!(matches!(opened, Ok(Event::DeviceReport(found)) if found == expected));
}

#[test]
fn steps_of_breaking_the_glass_are_read_without_a_key() {
    for (bytes, kind) in BREAK_GLASS_V1.into_iter().zip([
        EventKind::BreakGlassRequestedV1,
        EventKind::BreakGlassApprovedV1,
        EventKind::BreakGlassLookedUpV1,
        EventKind::BreakGlassRefusedV1,
    ]) {
        let envelope = Envelope::parse(bytes).unwrap();
        assert_eq!(envelope.header, EventHeader { kind, key_id: None, ..head() });
        let Ok(Event::BreakGlass(step)) = Event::read_plaintext(&envelope) else { panic!("{kind:?}") };
        assert_eq!(step.encode(head().id, kind, head().user, head().time), bytes, "one spelling");
        let statement: BreakGlassStatement = serde_json::from_str(&step.statement).unwrap();
        assert_eq!((statement.user_ref, step.person.as_str()), (head().user.to_string(), "ana"));
        assert_eq!(step.refusal.is_some(), kind == EventKind::BreakGlassRefusedV1);
        // Not sealed, and not to be taken for something that is.
        assert!(Event::open(envelope, &key()).is_err());
        for (from, to) in
            [("/breakglass", "/ingest"), ("breakglass.", "summary."), ("\"person\"", "\"extra\"")]
        {
            let changed = std::str::from_utf8(bytes).unwrap().replacen(from, to, 1);
            let read = Envelope::parse(changed.as_bytes()).ok();
            assert!(read.and_then(|envelope| Event::read_plaintext(&envelope).ok()).is_none(), "{from}");
        }
    }
    assert!(Event::read_plaintext(&Envelope::parse(SAMPLE_V1).unwrap()).is_err());
}

#[test]
fn what_operators_did_is_read_without_a_key_and_spelled_once() {
    let by = Actor { role: "operator".to_owned(), person: "ana".to_owned() };
    let of = head().user.to_string();
    let access = AccessRecorded {
        by: by.clone(),
        command: "view get".to_owned(),
        of: of.clone(),
        reason: "ticket 7".to_owned(),
    };
    assert_eq!(access.encode(head().id, head().time), ACCESS_RECORDED_V1);
    let read = |bytes: &[u8]| Event::read_plaintext(&Envelope::parse(bytes).unwrap());
    assert!(
        matches!(read(ACCESS_RECORDED_V1), Ok(Event::Operator(OperatorEvent::AccessRecorded(found))) if found == access)
    );
    let discarded = EventDiscarded {
        by,
        sequence: schemas::Sequence::new(4711).unwrap(),
        user_ref: of,
        reason: "forged, see ticket 7".to_owned(),
    };
    assert_eq!(discarded.encode(head().id, head().time), EVENT_DISCARDED_V1);
    assert!(
        matches!(read(EVENT_DISCARDED_V1), Ok(Event::Operator(OperatorEvent::EventDiscarded(found))) if found == discarded)
    );
    let text = std::str::from_utf8(EVENT_DISCARDED_V1).unwrap();
    for wrong in [
        text.replace("forged, see ticket 7", " "),
        text.replace("4711", "0"),
        text.replace("ana", "ana \\u0041"),
    ] {
        assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn golden_bytes_of_devices() {
    let device = DeviceId::from_bytes([0xab; 16]);
    let with = |kind| EventHeader { kind, ..head() };
    let enrolled = DeviceEnrolled {
        device,
        key_id: format!("2.{device}").parse().unwrap(),
        token_id: Some("t-1".into()),
    }
    .seal(&with(EventKind::DeviceEnrolledV1), &key());
    let revoked = DeviceRevoked { device, token_id: None }.seal(&with(EventKind::DeviceRevokedV1), &key());
    for (bytes, sample) in [(enrolled, DEVICE_ENROLLED_V1), (revoked, DEVICE_REVOKED_V1)] {
        let sealed_at = sample.windows(15).position(|window| window == b"\"data_base64\":\"").unwrap() + 15;
        assert_eq!((bytes.len(), &bytes[..sealed_at]), (sample.len(), &sample[..sealed_at]));
    }
}

#[test]
fn golden_bytes() {
    // Sealing takes a random nonce; everything that does not depend on it must be the sample's.
    let bytes = content().seal(&head(), &key());
    let sealed_at = SAMPLE_V1.windows(15).position(|window| window == b"\"data_base64\":\"").unwrap() + 15;
    assert_eq!(bytes.len(), SAMPLE_V1.len());
    assert_eq!(bytes[..sealed_at], SAMPLE_V1[..sealed_at]);
    assert!(open(&bytes, &key()).unwrap() == content());
    let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["specversion"], "1.0", "a CloudEvent that any tool reads");
}

#[test]
fn nothing_can_be_moved_to_another_event_or_user() {
    let bytes = content().seal(&head(), &key());
    let text = String::from_utf8(bytes).unwrap();
    let other_user = UserRef::from_bytes([2; 16]).to_string();
    for (what, changed) in [
        ("id", text.replace("ffffffffffff", "fffffffffffe")),
        ("user", text.replace(&head().user.to_string(), &other_user)),
        ("time", text.replace("46.125Z", "46.126Z")),
    ] {
        assert_ne!(changed, text, "{what}");
        assert!(matches!(open(changed.as_bytes(), &key()), Err(OpenEventError::Sealed(..))), "{what}");
    }
    let other_key = DataKey::new(key().id(), 2026, &[8; 32]);
    assert!(matches!(open(text.as_bytes(), &other_key), Err(OpenEventError::Sealed(..))));
}

#[test]
fn there_is_one_spelling() {
    let text = std::str::from_utf8(SAMPLE_V1).unwrap();
    let spellings = [
        String::new(),
        "{}".to_owned(),
        text[..text.len() - 1].to_owned(),
        format!("{text}\n"),
        format!(" {text}"),
        text.replace("\",\"source", "\", \"source"),
        text.replace("\"specversion\":\"1.0\",", ""),
        text.replace("\"1.0\"", "\"1.1\""),
        text.replace("/ingest", "/elsewhere"),
        text.replace("\"subject\"", "\"extra\":1,\"subject\""),
        text.replace("019c68e5", "019C68E5"),
        text.replace("46.125Z", "46.1250Z"),
        text.replace("data_base64", "data"),
        text.replace("=\"}", "\"}"),
    ];
    for spelled in spellings {
        assert_eq!(
            Envelope::parse(spelled.as_bytes()).map(drop),
            Err(MalformedEvent::NonCanonical),
            "{spelled}"
        );
    }
    let unknown = text.replace("received.v1", "received.v9");
    assert_eq!(Envelope::parse(unknown.as_bytes()).map(drop), Err(MalformedEvent::UnknownKind));
}

#[test]
fn a_content_that_is_not_its_kind_s_is_told_from_one_that_does_not_open() {
    for content in
        ["{}", "", r#"{"body":"x","body_bytes":2,"timestamp":"1","signature":"ab","key_id":"1.default"}"#]
    {
        let bytes = head().seal(&key(), content.as_bytes());
        assert!(matches!(open(&bytes, &key()), Err(OpenEventError::Content(_))), "{content}");
    }
}

fn category_of(event: &Event) -> EventCategory {
    match event {
        Event::Summary(_) => EventCategory::Summary,
        Event::Device(_) => EventCategory::Device,
        Event::DeviceReport(_) => EventCategory::DeviceReport,
        Event::Connection(_) => EventCategory::Connection,
        Event::Webhook(_) => EventCategory::Webhook,
        Event::Export(_) => EventCategory::Export,
        Event::Account(_) => EventCategory::Account,
        Event::BreakGlass(_) => EventCategory::BreakGlass,
        Event::Operator(_) => EventCategory::Operator,
    }
}

#[test]
fn every_kind_has_a_sample_that_decodes_to_its_category() {
    for kind in EventKind::ALL.iter().copied() {
        let path = format!("{}/samples/{}.json", env!("CARGO_MANIFEST_DIR"), kind.as_str());
        let sample = std::fs::read(path).unwrap();
        let read = || Envelope::parse(&sample).unwrap();
        assert_eq!(read().header.kind, kind);
        let (opened, plaintext) = (Event::open(read(), &key()), Event::read_plaintext(&read()));
        let (event, refused) = match kind.encoding() {
            ContentEncoding::Sealed => (opened, plaintext),
            ContentEncoding::Plaintext => (plaintext, opened),
        };
        assert!(refused.is_err(), "{kind:?}");
        let event = event.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(category_of(&event), kind.category(), "{kind:?}");
        if let Event::Connection(event) = event {
            // Two of these payloads have the same fields: only the wrapper tells them apart.
            let expected = format!("Connection{:?}V1", event.transition());
            assert_eq!(format!("{kind:?}"), expected);
        }
    }
}

#[test]
fn a_provider_user_ref_that_is_none_is_not_a_content() {
    let id = keys::ConnectionId::from_bytes([0xab; 16]);
    let content = |text: &str| format!(r#"{{"connection_id":"{id}","provider_user_ref":"{text}"}}"#);
    let head = EventHeader { kind: EventKind::ConnectionActivatedV1, ..head() };
    let open = |text: &str| {
        let bytes = head.seal(&key(), content(text).as_bytes());
        Event::open(Envelope::parse(&bytes).unwrap(), &key()).map(drop)
    };
    assert_eq!(open(&head.user.to_string()), Ok(()));
    for wrong in ["nobody", "", &head.user.to_string().to_uppercase()] {
        assert_eq!(open(wrong), Err(OpenEventError::Content(head.id)), "{wrong}");
    }
}

#[test]
fn secrets_of_a_connection_are_redacted() {
    let connection_id = keys::ConnectionId::from_bytes([0xab; 16]);
    let secret = || "SECRET".to_owned();
    let (code, state, code_verifier) = (secret(), secret(), Some(secret()));
    let authorized = ConnectionAuthorized { connection_id, code, state, code_verifier, jti: None };
    let shown = Event::Connection(ConnectionEvent::Authorized(authorized)).to_redacted_json().to_string();
    assert!(!shown.contains("SECRET") && shown.contains("[redacted]"), "{shown}");
}

proptest! {
    #[test]
    fn round_trip(body in "\\PC{0,200}", timestamp in "[0-9TZ:-]{1,30}", jti in proptest::option::of("\\PC{0,20}")) {
        let content = SignedRequest { body, timestamp, token_id: jti, ..content() };
        let bytes = content.seal(&head(), &key());
        prop_assert_eq!(Envelope::parse(&bytes).unwrap().header, head());
        prop_assert!(open(&bytes, &key()).unwrap() == content);
    }

    #[test]
    fn no_changed_byte_goes_unnoticed(at in 0..SAMPLE_V1.len(), bit in 0u8..8) {
        let mut bytes = SAMPLE_V1.to_vec();
        bytes[at] ^= 1 << bit;
        let opened = Envelope::parse(&bytes).ok().and_then(|envelope| Event::open(envelope, &key()).ok());
        prop_assert!(opened.is_none());
    }
}
