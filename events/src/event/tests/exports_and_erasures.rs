//! What stands in the log of people who take their data along, and of those who leave. The samples were made with Python's
//! `cryptography` and `hmac`.

use keys::{ErasureId, ExportId, Pseudonymizer};
use schemas::{ErasureStep, ExportFailure, Sequence};
use zeroize::Zeroizing;

use super::*;
use crate::event::{ErasureChange, ErasureEvent};

const ERASURES: [&[u8]; 4] = [
    include_bytes!("../../../samples/syncwell.erasure.requested.v1.json"),
    include_bytes!("../../../samples/syncwell.erasure.cancelled.v1.json"),
    include_bytes!("../../../samples/syncwell.erasure.step_done.v1.json"),
    include_bytes!("../../../samples/syncwell.account.erased.v1.json"),
];
const RETENTION: &[u8] = include_bytes!("../../../samples/syncwell.retention.applied.v1.json");

fn secret(byte: u8) -> Pseudonymizer {
    Pseudonymizer::new(Zeroizing::new([byte; 32]))
}

fn facts() -> [ErasureChange; 4] {
    let at = |time: &str| time.parse().unwrap();
    let keys = ("data_keys".to_owned(), 2);
    [
        ErasureChange::Requested { due_at: at("2026-02-17T00:00:00Z") },
        ErasureChange::Cancelled,
        ErasureChange::StepDone { step: ErasureStep::KeysDestroyed, counts: [keys.clone()].into() },
        ErasureChange::Erased {
            requested_at: at("2026-02-16T00:00:00Z"),
            counts: [keys, ("views".to_owned(), 1)].into(),
        },
    ]
}

#[test]
fn samples_of_exports() {
    let export_id = ExportId::from_bytes([0xab; 16]);
    check_sample(
        include_bytes!("../../../samples/syncwell.export.requested.v1.json"),
        &ExportRequested { export_id, jti: Some("t-1".to_owned()) },
    );
    let ready = ExportReady {
        export_id,
        position: Sequence::new(4711).unwrap(),
        bytes: 300,
        deleted_at: "2026-02-20T00:00:00Z".parse().unwrap(),
    };
    check_sample(include_bytes!("../../../samples/syncwell.export.ready.v1.json"), &ready);
    check_sample(
        include_bytes!("../../../samples/syncwell.export.failed.v1.json"),
        &ExportFailed { export_id, code: ExportFailure::NotMadeInTime },
    );
}

#[test]
fn samples_of_erasures_are_spelled_once_and_vouched_for() {
    let erasure_id = ErasureId::from_bytes([0xab; 16]);
    for (sample, fact) in ERASURES.into_iter().zip(facts()) {
        let envelope = Envelope::parse(sample).unwrap();
        let kind = fact.kind();
        assert_eq!(envelope.header, EventHeader { kind, key_id: None, ..head() });
        let expected = ErasureEvent { erasure_id, change: fact };
        assert_eq!(Event::verify_erasure(&envelope, &secret(1)).as_ref(), Ok(&expected), "{kind:?}");
        assert_eq!(expected.encode(&envelope.header, &secret(1)), sample, "{kind:?}");
        // Everybody may read it; only who holds the secret could have made it.
        assert!(matches!(Event::read_plaintext(&envelope), Ok(Event::Account(found)) if found == expected));
        assert!(Event::verify_erasure(&envelope, &secret(9)).is_err());
    }
}

#[test]
fn nothing_of_an_erasure_can_be_changed_or_moved() {
    let other_user = UserRef::from_bytes([2; 16]).to_string();
    for sample in ERASURES {
        let text = std::str::from_utf8(sample).unwrap();
        let user = head().user.to_string();
        for changed in [
            text.replace(&user, &other_user),
            text.replace("46.125Z", "46.126Z"),
            text.replace("ffffffffffff", "fffffffffffe"),
            text.replace("vov2", "aov2"),
            text.replace("\"data_keys\":2", "\"data_keys\":3"),
            text.replace("-17T00", "-18T00"),
            text.replace(",\"mac\"", ",\"more\":1,\"mac\""),
            text.replace(":{\"erasure_id\"", ":{ \"erasure_id\""),
            text.replace("\"mac\":\"", "\"mac\":\"0"),
        ] {
            let judged = Envelope::parse(changed.as_bytes()).ok();
            let judged = judged.map(|envelope| Event::verify_erasure(&envelope, &secret(1)).is_ok());
            assert!(changed == text || judged != Some(true), "{changed}");
        }
        // One kind is not taken for another.
        for (from, to) in [("requested.v1", "cancelled.v1"), ("step_done.v1", "cancelled.v1")] {
            let changed = text.replace(from, to);
            let judged = Envelope::parse(changed.as_bytes()).ok();
            let judged = judged.map(|envelope| Event::verify_erasure(&envelope, &secret(1)).is_ok());
            assert!(changed == text || judged != Some(true), "{changed}");
        }
    }
}

#[test]
fn a_sample_of_retention() {
    let envelope = Envelope::parse(RETENTION).unwrap();
    let Ok(Event::Operator(OperatorEvent::RetentionApplied(applied))) = Event::read_plaintext(&envelope)
    else {
        panic!("another kind")
    };
    assert_eq!((applied.before_year, applied.reason.as_str()), (2020, "policy 7"));
    assert_eq!(applied.encode(envelope.header.id, envelope.header.time), RETENTION);
}
