//! Golden lines, bytes of any kind, and other spellings.

use proptest::prelude::*;

use super::*;

fn event(bytes: &[u8]) -> ExportedEvent {
    ExportedEvent {
        sequence: Sequence::new(7).unwrap(),
        subject: "events.v1.7.gaytemzugu3doobzmfrggzdfmy".to_owned(),
        stored_at: "2026-02-17T00:00:01.000000002Z".parse().unwrap(),
        bytes: bytes.to_vec(),
    }
}

const HEADER: &str = r#"{"syncwell_export":1,"log":"2026-02-17T00:00:00Z","first":1,"last":3}"#;
const EMBEDDED: &str = r#"{"sequence":7,"subject":"events.v1.7.gaytemzugu3doobzmfrggzdfmy","stored_at":"2026-02-17T00:00:01.000000002Z","event":{"b":1.0,"a":"\u0041 π"}}"#;
const ENCODED: &str = r#"{"sequence":7,"subject":"events.v1.7.gaytemzugu3doobzmfrggzdfmy","stored_at":"2026-02-17T00:00:01.000000002Z","bytes_base64":"bm90IEpTT04K"}"#;
const MANIFEST: &str = r#"{"manifest":{"events":3,"sha256":"00","root":"bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=","checkpoint":"a\n3\n\n— a x\n"}}"#;

#[test]
fn golden_lines() {
    let head = ExportHeader { log: LogIdentity::from("2026-02-17T00:00:00Z"), last: 3 };
    assert_eq!(head.render(), HEADER.as_bytes());
    assert_eq!(ExportHeader::parse(HEADER.as_bytes()), Ok(head));

    let embedded = event(r#"{"b":1.0,"a":"\u0041 π"}"#.as_bytes());
    assert_eq!(embedded.render(), EMBEDDED.as_bytes());
    assert_eq!(ExportedEvent::parse(EMBEDDED.as_bytes()), Ok(embedded));

    let encoded = event(b"not JSON\n");
    assert_eq!(encoded.render(), ENCODED.as_bytes());
    assert_eq!(ExportedEvent::parse(ENCODED.as_bytes()), Ok(encoded));

    let manifest = ExportManifest {
        events: 3,
        sha256: "00".to_owned(),
        root: Hash::from_leaf(b""),
        checkpoint: "a\n3\n\n— a x\n".to_owned(),
    };
    assert_eq!(manifest.render(), MANIFEST.as_bytes());
    assert_eq!(ExportManifest::parse(MANIFEST.as_bytes()), Ok(manifest));
    assert!(MANIFEST.as_bytes().starts_with(MANIFEST_PREFIX));
}

#[test]
fn only_plain_values_are_embedded() {
    for (bytes, is_embedded) in [
        (&b"null"[..], true),
        (b"1e999", true),
        (b"[]", true),
        (b"\"a b\"", true),
        (b"", false),
        (b" {}", false),
        (b"{} ", false),
        (b"{\n}", false),
        (b"{\r}", false),
        (b"{}{}", false),
        (b"{", false),
        (b"\"\xff\"", false),
        (b"nul", false),
    ] {
        let rendered = event(bytes).render();
        let has_event = String::from_utf8(rendered.clone()).unwrap().contains("\"event\":");
        assert_eq!(has_event, is_embedded, "{bytes:?}");
        assert_eq!(ExportedEvent::parse(&rendered), Ok(event(bytes)));
    }
    let deep = [vec![b'['; 5_000], vec![b']'; 5_000]].concat();
    assert_eq!(ExportedEvent::parse(&event(&deep).render()), Ok(event(&deep)));
}

#[test]
fn other_spellings_are_refused() {
    for (from, to) in [
        ("{\"sequence\"", "{ \"sequence\""),
        ("\"sequence\":7,", "\"sequence\":0,"),
        ("\"sequence\":7,", ""),
        ("\"sequence\":7,", "\"sequence\":7,\"sequence\":7,"),
        ("\"sequence\":7,", "\"sequence\":7,\"more\":1,"),
        ("01.000000002Z", "01.0000000020Z"),
        ("events.v1.7", "events.v2.7"),
        ("events.v1.7", "events\\u002ev1.7"),
        ("bytes_base64\":\"bm90", "bytes_base64\":\"bm9 "),
        ("\"bytes_base64\":\"bm90IEpTT04K\"", "\"bytes_base64\":\"e30=\""),
        ("\"bytes_base64\":\"bm90IEpTT04K\"", "\"event\":1,\"bytes_base64\":\"bm90IEpTT04K\""),
        (",\"bytes_base64\":\"bm90IEpTT04K\"", ""),
    ] {
        let line = ENCODED.replace(from, to);
        assert_ne!(line, ENCODED, "{from}");
        assert_eq!(ExportedEvent::parse(line.as_bytes()), Err(MalformedLine), "{line}");
    }
    for (from, to, error) in [
        (":1,\"log\"", ":2,\"log\"", ParseHeaderError::UnsupportedVersion(2)),
        ("\"first\":1", "\"first\":2", ParseHeaderError::Malformed),
        ("\"log\"", "\"lag\"", ParseHeaderError::Malformed),
        ("syncwell_export", "manifest", ParseHeaderError::Malformed),
    ] {
        assert_eq!(ExportHeader::parse(HEADER.replace(from, to).as_bytes()), Err(error));
    }
    for (from, to) in [("\"events\":3", "\"events\":03"), ("—", "\\u2014"), ("}}", "},\"x\":1}")] {
        assert_eq!(ExportManifest::parse(MANIFEST.replace(from, to).as_bytes()), Err(MalformedLine));
    }
}

/// What looks like JSON, and often is.
fn json_like_bytes() -> impl Strategy<Value = Vec<u8>> {
    "[\\[\\]{}:,\"0-9eE.\\- \\\\nutrlfas\n\u{7f}π]{0,12}".prop_map(String::into_bytes)
}

proptest! {
    #[test]
    fn any_bytes_come_back(bytes in prop_oneof![any::<Vec<u8>>(), json_like_bytes()]) {
        let line = event(&bytes).render();
        prop_assert!(!line.contains(&b'\n'));
        prop_assert_eq!(ExportedEvent::parse(&line), Ok(event(&bytes)));
    }

    #[test]
    fn any_event_comes_back(
        sequence in 1_u64..,
        token in "[a-z0-9\"\\\\π]{1,9}",
        nanoseconds in 0_i128..4_000_000_000_000_000_000,
    ) {
        let event = ExportedEvent {
            sequence: Sequence::new(sequence).unwrap(),
            subject: format!("events.v1.{token}"),
            stored_at: Timestamp::from_nanosecond(nanoseconds).unwrap(),
            bytes: b"{}".to_vec(),
        };
        prop_assert_eq!(ExportedEvent::parse(&event.render()), Ok(event));
    }
}
