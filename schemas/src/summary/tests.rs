use super::*;
use crate::ReadBodyError;
use crate::ViolationCode::{self, *};

const EXAMPLE: &str = r#"{
  "date": "2026-02-16",
  "steps": 9234, "resting_hr": 58, "sleep_hours": 7.4, "hrv": 46.2,
  "workouts": [
    { "type": "running", "duration": 42, "calories": 418.5, "start_time": "2026-02-16T06:22:00Z" }
  ],
  "generated_at": "2026-02-16T23:59:45Z"
}"#;

fn read(body: &str) -> Result<Summary, ReadBodyError> {
    Summary::parse(body.as_bytes(), &SummaryBounds::default(), "2026-02-17T00:00:00Z".parse().unwrap())
}

/// The violations of the example's day with these further members.
fn violations(members: &str) -> Vec<(String, ViolationCode)> {
    let body = format!(r#"{{"date":"2026-02-16","generated_at":"2026-02-16T23:59:45Z"{members}}}"#);
    match read(&body) {
        Ok(_) => Vec::new(),
        Err(ReadBodyError::NotJson) => panic!("not JSON: {body}"),
        Err(ReadBodyError::Violations(violations)) => {
            violations.listed.into_iter().map(|v| (v.pointer, v.code)).collect()
        }
    }
}

fn workout(members: &str) -> Vec<(String, ViolationCode)> {
    violations(&format!(
        r#","workouts":[{{"type":"running","duration":42,"start_time":"2026-02-16T06:22:00Z"}},{{{members}}}]"#
    ))
}

#[track_caller]
fn assert_violations(found: Vec<(String, ViolationCode)>, expected: &[(&str, ViolationCode)]) {
    let expected: Vec<_> = expected.iter().map(|(pointer, code)| ((*pointer).to_owned(), *code)).collect();
    assert_eq!(found, expected);
}

#[test]
fn reads_the_contract_s_example() {
    let summary = read(EXAMPLE).unwrap();
    assert_eq!(summary.scalars[Scalar::Steps], Some(Quantity::from(9234)));
    assert_eq!(summary.workouts[0].key.kind, "running");
    let written = serde_json::to_string(&summary).unwrap();
    assert_eq!(read(&written).unwrap(), summary, "what is written reads back");
    assert!(written.contains(r#""steps":9234,"resting_hr":58,"sleep_hours":7.4"#), "{written}");
}

#[test]
fn every_violation_is_listed() {
    let body = r#"{"date":"2026-02-30","steps":-1,"steps":2,"hrv":0,"mood":"fine","a/b":1,"resting_hr":"58",
        "workouts":[{"type":"","duration":0,"start_time":"yesterday","calories":1e999},7]}"#;
    let Err(ReadBodyError::Violations(found)) = read(body) else { panic!("accepted") };
    let found: Vec<_> = found.listed.iter().map(|v| (v.pointer.as_str(), v.code)).collect();
    assert_eq!(
        found,
        [
            ("/steps", DuplicateKey),
            ("/date", InvalidFormat),
            ("/steps", OutOfRange),
            ("/hrv", OutOfRange),
            ("/mood", UnknownField),
            ("/a~1b", UnknownField),
            ("/resting_hr", WrongType),
            ("/workouts/0/type", InvalidFormat),
            ("/workouts/0/duration", OutOfRange),
            ("/workouts/0/start_time", InvalidFormat),
            ("/workouts/0/calories", NotFinite),
            ("/workouts/1", WrongType),
            ("/generated_at", Required),
        ]
    );
}

#[test]
fn bounds_hold_at_their_ends() {
    for accepted in [
        r#","steps":0"#,
        r#","steps":200000"#,
        r#","steps":2e5"#,
        r#","resting_hr":20"#,
        r#","resting_hr":220"#,
        r#","sleep_hours":0"#,
        r#","sleep_hours":24.0"#,
        r#","hrv":0.001"#,
        r#","hrv":300"#,
        r#","steps":1,"hrv":null,"workouts":null"#,
        r#","steps":1,"workouts":[]"#,
    ] {
        assert_violations(violations(accepted), &[]);
    }
    for (refused, pointer, code) in [
        (r#","steps":-1"#, "/steps", OutOfRange),
        (r#","steps":200001"#, "/steps", OutOfRange),
        (r#","steps":9.5"#, "/steps", WrongType),
        (r#","steps":true"#, "/steps", WrongType),
        (r#","steps":"9234""#, "/steps", WrongType),
        (r#","resting_hr":19.9"#, "/resting_hr", OutOfRange),
        (r#","resting_hr":220.1"#, "/resting_hr", OutOfRange),
        (r#","sleep_hours":24.1"#, "/sleep_hours", OutOfRange),
        (r#","hrv":0"#, "/hrv", OutOfRange),
        (r#","hrv":1e400"#, "/hrv", NotFinite),
        (r#","steps":1,"workouts":{}"#, "/workouts", WrongType),
        (r#","workouts":[]"#, "", EmptySummary),
        (r#","steps":null"#, "", EmptySummary),
        ("", "", EmptySummary),
    ] {
        assert_violations(violations(refused), &[(pointer, code)]);
    }
}

#[test]
fn workouts_are_held_to_theirs() {
    let one = |kind: &str, start: &str, duration: &str, rest: &str| {
        workout(&format!(r#""type":"{kind}","start_time":"{start}","duration":{duration}{rest}"#))
    };
    let start = "2026-02-16T07:00:00Z";
    assert_violations(one("Trail_run.2-x", start, "1440", r#","calories":20000"#), &[]);
    assert_violations(one("running", "2026-02-15T00:00:00Z", "0.5", r#","calories":null"#), &[]);
    assert_violations(one("running", "2026-02-17T23:59:59+00:00", "1", ""), &[]);
    assert_violations(one("running", start, "1440.5", ""), &[("/workouts/1/duration", OutOfRange)]);
    assert_violations(
        one("running", start, "1", r#","calories":-1"#),
        &[("/workouts/1/calories", OutOfRange)],
    );
    assert_violations(one("running", start, "1", r#","pace":5"#), &[("/workouts/1/pace", UnknownField)]);
    assert_violations(one("a b", start, "1", ""), &[("/workouts/1/type", InvalidFormat)]);
    assert_violations(one(&"a".repeat(65), start, "1", ""), &[("/workouts/1/type", InvalidFormat)]);
    assert_violations(one("x", "2026-02-14T23:59:59Z", "1", ""), &[("/workouts/1/start_time", OutOfRange)]);
    assert_violations(one("x", "2026-02-18T00:00:00Z", "1", ""), &[("/workouts/1/start_time", OutOfRange)]);
    assert_violations(
        one("running", "2026-02-16T08:22:00+02:00", "9", ""),
        &[("/workouts/1", DuplicateWorkout)],
    );
    assert_violations(one("Running", "2026-02-16T06:22:00Z", "9", ""), &[]);
    let missing = [
        ("/workouts/1/type", Required),
        ("/workouts/1/start_time", Required),
        ("/workouts/1/duration", Required),
    ];
    assert_violations(workout(r#""type":null"#), &missing);
    let many: Vec<_> =
        (0..101).map(|n| format!(r#"{{"type":"t{n}","duration":1,"start_time":"{start}"}}"#)).collect();
    assert_violations(violations(&format!(r#","workouts":[{}]"#, many[1..].join(","))), &[]);
    assert_violations(violations(&format!(r#","workouts":[{}]"#, many.join(","))), &[("/workouts", TooMany)]);
}

#[test]
fn times_are_held_to_the_clock_and_the_date() {
    let body = |date: &str, generated_at: &str| {
        format!(r#"{{"date":"{date}","generated_at":"{generated_at}","steps":1}}"#)
    };
    for (date, generated_at) in [
        ("2026-02-17", "2026-02-17T00:10:00Z"),
        ("2026-02-17", "2026-02-16T10:00:00Z"),
        ("2010-01-01", "2026-02-17T00:00:00Z"),
    ] {
        assert!(read(&body(date, generated_at)).is_ok(), "{date} {generated_at}");
    }
    for (date, generated_at, pointer) in [
        ("2026-02-17", "2026-02-17T00:10:00.000000001Z", "/generated_at"),
        ("2026-02-17", "2026-02-16T09:59:59.999999999Z", "/generated_at"),
        ("2009-12-31", "2026-02-17T00:00:00Z", "/date"),
    ] {
        let Err(ReadBodyError::Violations(found)) = read(&body(date, generated_at)) else {
            panic!("accepted")
        };
        let listed = &found.listed[0];
        assert_eq!((listed.pointer.as_str(), listed.code, found.total), (pointer, OutOfRange, 1));
    }
    // At midnight UTC it is already the 17th, and at 10:00 UTC the 18th, in Kiritimati (UTC+14).
    let tomorrow = body("2026-02-18", "2026-02-17T10:00:00Z");
    let at = |now: &str| Summary::parse(tomorrow.as_bytes(), &SummaryBounds::default(), now.parse().unwrap());
    assert!(at("2026-02-17T09:59:59Z").is_err());
    assert!(at("2026-02-17T10:00:00Z").is_ok());
}

#[test]
fn a_clock_ahead_of_the_server_is_told_when_it_is_accepted() {
    let accepted_from = |generated_at: &str, steps: i64| {
        let body = format!(r#"{{"date":"2026-02-17","generated_at":"{generated_at}","steps":{steps}}}"#);
        let Err(ReadBodyError::Violations(found)) = read(&body) else { panic!("accepted") };
        (found.accepted_from, found.total)
    };
    let one_minute_later = "2026-02-17T00:01:00Z".parse().unwrap();
    assert_eq!(accepted_from("2026-02-17T00:11:00Z", 1), (Some(one_minute_later), 1));
    assert_eq!(accepted_from("2026-02-17T00:11:00Z", -1), (Some(one_minute_later), 2));
    assert_eq!(accepted_from("2026-02-16T00:00:00Z", 1), (None, 1));
}

#[test]
fn what_is_no_json_object_is_refused() {
    for body in ["", "nonsense", "{\"a\":1", "{}{}", "{} trailing", "\u{feff}{}"] {
        assert_eq!(read(body), Err(ReadBodyError::NotJson), "{body}");
    }
    for body in ["[]", "7", "null", "\"text\"", "true"] {
        let Err(ReadBodyError::Violations(found)) = read(body) else { panic!("accepted {body}") };
        assert_eq!((found.listed[0].pointer.as_str(), found.listed[0].code), ("", WrongType));
    }
}

#[test]
fn bounds_are_not_asked_of_what_was_accepted_once() {
    let body = r#"{"date":"1999-01-01","generated_at":"1998-01-01T00:00:00Z","steps":900000}"#;
    assert!(read(body).is_err());
    assert!(Summary::parse_accepted(body.as_bytes()).is_ok());
    assert!(Summary::parse_accepted(br#"{"date":"1999-01-01","steps":9}"#).is_err());
}

proptest::proptest! {
    /// Whatever bytes come in, reading ends in a summary or in a reason.
    #[test]
    fn no_body_breaks_the_reader(body in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..300)) {
        let _ = Summary::parse(&body, &SummaryBounds::default(), Timestamp::UNIX_EPOCH);
    }

    /// Nor does a body that is almost a summary.
    #[test]
    fn no_mutation_breaks_the_reader(at in 0..EXAMPLE.len(), byte in proptest::arbitrary::any::<u8>()) {
        let mut body = EXAMPLE.as_bytes().to_vec();
        body[at] = byte;
        if let Err(ReadBodyError::Violations(violations)) = Summary::parse(&body, &SummaryBounds::default(), Timestamp::UNIX_EPOCH) {
            proptest::prop_assert!(!violations.listed.is_empty());
        }
    }
}
