use std::cell::Cell;
use std::io::{self, Cursor, Read, Write};
use std::rc::Rc;

use data_encoding::HEXLOWER;
use events::{
    DeviceEnrolled, DeviceEvent, DeviceRevoked, Event, EventHeader, EventKind, SignedRequest, new_event_id,
};
use jiff::Timestamp;
use keys::{DeviceId, RequestSignature, UserRef};
use proptest::prelude::*;
use schemas::Sequence;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;

const USER: UserRef = UserRef::SYSTEM;

#[derive(Clone)]
struct Sample {
    kind: Kind,
    left_out: bool,
}

#[derive(Clone)]
enum Kind {
    Summary(String),
    Report(&'static str),
    Enrolled,
    Revoked,
    Destroyed,
    Malformed,
    /// Decrypts, but its content is not that of its kind.
    ForeignContent,
    /// Delivered by a provider, under a pseudonym of its own.
    OfAProvider,
}

struct Samples(Vec<Sample>);

fn summary(body: impl Into<String>) -> Sample {
    Sample { kind: Kind::Summary(body.into()), left_out: false }
}

fn content(kind: &Kind, head: EventHeader) -> SourceEventContent {
    let device = DeviceId::from_bytes([0xab; 16]);
    let request = |body: &str| SignedRequest {
        body: body.to_owned(),
        timestamp: "1771286385".to_owned(),
        signature: RequestSignature::from_hex(&"ab".repeat(32)).unwrap(),
        signing_key_id: "1.default".parse().unwrap(),
        token_id: None,
    };
    let event = match kind {
        Kind::Summary(body) => Event::Summary(request(body)),
        Kind::Report(body) => Event::DeviceReport(request(body)),
        Kind::Enrolled => {
            let key_id = format!("1.{device}").parse().unwrap();
            Event::Device(DeviceEvent::Enrolled(DeviceEnrolled { device, key_id, token_id: None }))
        }
        Kind::Revoked => Event::Device(DeviceEvent::Revoked(DeviceRevoked { device, token_id: None })),
        Kind::Destroyed | Kind::OfAProvider => return SourceEventContent::KeyDestroyed(head),
        Kind::ForeignContent => return SourceEventContent::Unreadable(Some(head), "it does not open"),
        Kind::Malformed => return SourceEventContent::Unreadable(None, "it is malformed"),
    };
    SourceEventContent::Opened(head, Box::new(event))
}

impl EventSource for Samples {
    fn for_each(
        &mut self,
        visit: &mut dyn FnMut(SourceEvent) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        for (number, sample) in (1..).zip(&self.0) {
            let time = Timestamp::from_second(1_771_300_000).unwrap();
            let is_from_worker = !matches!(sample.kind, Kind::OfAProvider);
            let user = if is_from_worker { USER } else { UserRef::from_bytes([9; 16]) };
            let kind = EventKind::SummaryReceivedV1;
            let head = EventHeader { id: new_event_id(time), kind, user, time, key_id: None };
            let sequence = Sequence::new(number).unwrap();
            let content = content(&sample.kind, head);
            visit(SourceEvent { user, sequence, content, is_discarded: sample.left_out })?;
        }
        Ok(())
    }
}

fn about() -> ArchiveMetadata {
    ArchiveMetadata {
        export_id: "e-1".to_owned(),
        user_ref: USER.to_string(),
        created_at: "2026-02-17T00:00:00Z".parse().unwrap(),
        log: "2026-01-01T00:00:00Z".to_owned(),
        position: Sequence::new(99).unwrap(),
    }
}

fn export(samples: Vec<Sample>) -> (ArchiveManifest, zip::ZipArchive<Cursor<Vec<u8>>>) {
    let mut bytes = Vec::new();
    let mut seen = 0;
    let number = samples.len() as u64;
    let manifest =
        write_archive(&mut bytes, &about(), USER, &mut Samples(samples), &mut |now| seen = now).unwrap();
    assert_eq!(seen, 2 * number, "each is gone through twice");
    (manifest, zip::ZipArchive::new(Cursor::new(bytes)).unwrap())
}

fn text(archive: &mut zip::ZipArchive<Cursor<Vec<u8>>>, name: &str) -> String {
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn day(date: &str, at: &str, values: &str) -> Sample {
    summary(format!(r#"{{"date":"{date}","generated_at":"{date}T{at}Z",{values}}}"#))
}

#[test]
fn every_file_is_there_and_its_sum_is_right() {
    let left_out = Sample { left_out: true, ..day("2026-02-15", "23:00:00", r#""steps":66666"#) };
    let samples = vec![
        day("2026-02-15", "20:00:00", r#""steps":1000,"hrv":46.25"#),
        Sample { kind: Kind::Enrolled, left_out: false },
        day(
            "2026-02-16",
            "20:00:00",
            r#""steps":2000,"workouts":[{"type":"-run","duration":42,"calories":418.5,"start_time":"2026-02-16T06:22:00Z"}]"#,
        ),
        left_out,
        Sample { kind: Kind::Destroyed, left_out: false },
        Sample { kind: Kind::OfAProvider, left_out: false },
        day("2026-02-15", "21:00:00", r#""steps":1500"#),
        Sample { kind: Kind::Revoked, left_out: false },
    ];
    let (manifest, mut archive) = export(samples);
    let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let listed: Vec<_> = manifest.files.iter().map(|file| file.name.clone()).collect();
    assert_eq!(names, [&listed[..], &["manifest.json".to_owned()]].concat());
    for file in &manifest.files {
        let content = text(&mut archive, &file.name);
        assert_eq!(content.len() as u64, file.bytes, "{}", file.name);
        assert_eq!(HEXLOWER.encode(&Sha256::digest(&content)), file.sha256, "{}", file.name);
    }
    let stored: ArchiveManifest = serde_json::from_str(&text(&mut archive, "manifest.json")).unwrap();
    assert_eq!(stored, manifest);
    assert!(!manifest.stale);

    let events = text(&mut archive, "events.ndjson");
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 8);
    assert_eq!((&events[3]["left_out"], &events[4]["opened"]), (&true.into(), &Value::Null));
    assert_eq!(events[4]["why"], "its key was destroyed");
    assert!(events[0]["opened"]["body"].as_str().unwrap().contains("46.25"), "as it was sent");

    let rows: Value = serde_json::from_str(&text(&mut archive, "summaries.json")).unwrap();
    assert_eq!((&rows[0]["steps"], &rows[0]["hrv"]), (&1500.into(), &46.25.into()));
    assert_eq!(rows[1]["workouts"][0]["first_reported"]["generated_at"], "2026-02-16T20:00:00Z");
    let history: Value = serde_json::from_str(&text(&mut archive, "history.json")).unwrap();
    assert_eq!(history["events"].as_array().unwrap().len(), 3);
    assert_eq!(history["events"][0]["fields"]["steps"]["taken"], true);
    assert_eq!(
        (&history["rows"][0]["steps"]["sequence"], &history["rows"][0]["hrv"]["sequence"]),
        (&7.into(), &1.into())
    );
    assert_eq!(
        text(&mut archive, "summaries.csv"),
        "date,steps,resting_hr_bpm,sleep_hours,hrv_ms,workouts,generated_at\r\n\
         2026-02-15,1500,,,46.25,0,2026-02-15T21:00:00Z\r\n2026-02-16,2000,,,,1,2026-02-16T20:00:00Z\r\n"
    );
    let workouts = text(&mut archive, "workouts.csv");
    assert!(
        workouts.contains("2026-02-16,'-run,2026-02-16T06:22:00Z,42,418.5,2026-02-16T20:00:00Z,"),
        "{workouts}"
    );
    let devices: Value = serde_json::from_str(&text(&mut archive, "devices.json")).unwrap();
    assert!(devices[0]["enrolled_at"].is_string() && devices[0]["revoked_at"].is_string(), "{devices}");
    assert_eq!(text(&mut archive, "connections.json"), "[]\n");
    let page = text(&mut archive, "README.html");
    assert_eq!((page.matches("<svg").count(), page.matches("<script").count()), (2, 0), "steps and hrv");
    assert!(!page.contains("http") && page.contains("2 days from 2026-02-15 to 2026-02-16"), "{page}");
    for tag in ["html", "body", "table", "tbody", "svg", "title", "h2", "p"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn behind_what_can_t_be_folded_nothing_is() {
    for unreadable in [
        Kind::Summary("no summary".to_owned()),
        Kind::Report("no report"),
        Kind::ForeignContent,
        Kind::Malformed,
    ] {
        let (manifest, mut archive) = export(vec![
            day("2026-02-15", "20:00:00", r#""steps":1"#),
            Sample { kind: unreadable, left_out: false },
            day("2026-02-15", "21:00:00", r#""steps":2"#),
            Sample { kind: Kind::Enrolled, left_out: false },
        ]);
        assert!(manifest.stale);
        let rows: Value = serde_json::from_str(&text(&mut archive, "summaries.json")).unwrap();
        assert_eq!((&rows[0]["steps"], &rows[0]["stale"]), (&1.into(), &true.into()));
        assert_eq!(text(&mut archive, "devices.json"), "[]\n");
        assert_eq!(text(&mut archive, "events.ndjson").lines().count(), 4, "all of them are listed");
    }
}

#[test]
fn what_is_left_out_or_nobody_s_to_open_holds_nothing_up() {
    let left_out = Sample { kind: Kind::Malformed, left_out: true };
    let destroyed = Sample { kind: Kind::Destroyed, left_out: false };
    let (manifest, mut archive) =
        export(vec![left_out, destroyed, day("2026-02-15", "20:00:00", r#""steps":1"#)]);
    assert!(!manifest.stale);
    let rows: Value = serde_json::from_str(&text(&mut archive, "summaries.json")).unwrap();
    assert_eq!(rows[0]["steps"], 1);
}

#[test]
fn nobody_s_export_is_an_export_too() {
    let (manifest, mut archive) = export(Vec::new());
    assert_eq!(manifest.files.len(), 8);
    let history: Value = serde_json::from_str(&text(&mut archive, "history.json")).unwrap();
    assert_eq!(history, serde_json::json!({ "events": [], "rows": [] }));
    assert!(text(&mut archive, "README.html").contains("no days yet"));
}

/// Counts what it is given.
struct Counting(Rc<Cell<u64>>);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written leaves while it is made, so that nothing grows with the number of events.
#[test]
fn bytes_leave_while_events_are_gone_through() {
    const EVENTS: u64 = 20_000;
    /// Packed, so many events may be on their way.
    const HELD_MAX: u64 = 5_000;
    let samples = (0..EVENTS)
        .map(|number| day("2026-02-15", "20:00:00", &format!(r#""steps":{}"#, number * 7_919 % 200_000)));
    let written = Rc::new(Cell::new(0));
    let (mut bytes, mut left_at, mut held_max) = (0, 0, 0);
    let mut on_progress = |seen: u64| {
        if written.get() > bytes {
            (bytes, left_at) = (written.get(), seen);
        }
        held_max = held_max.max(seen - left_at);
    };
    let mut samples = Samples(samples.collect());
    write_archive(Counting(written.clone()), &about(), USER, &mut samples, &mut on_progress).unwrap();
    assert!(held_max < HELD_MAX, "{held_max} events went by, and nothing was written");
    assert!(bytes > 100_000 && written.get() > bytes, "{bytes} of {}", written.get());
}

/// A full disk, say.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_can_t_be_written_is_an_error() {
    let samples = vec![day("2026-02-15", "20:00:00", r#""steps":1"#)];
    let refused = write_archive(Full, &about(), USER, &mut Samples(samples), &mut |_| ());
    assert!(matches!(refused, Err(ArchiveError::Write(_) | ArchiveError::Zip(_))), "{refused:?}");
}

proptest! {
    /// The rows are those that the fold of the view comes to.
    #[test]
    fn rows_are_the_fold_of_the_events(posts in proptest::collection::vec((0u8..3, 0u8..60, 0u32..9), 1..30)) {
        let samples = posts.iter().map(|(date, minute, steps)| {
            day(&format!("2026-02-1{date}"), &format!("20:{minute:02}:00"), &format!(r#""steps":{steps}"#))
        });
        let (_, mut archive) = export(samples.collect());
        let rows: Value = serde_json::from_str(&text(&mut archive, "summaries.json")).unwrap();
        for row in rows.as_array().unwrap() {
            let of_day = posts.iter().filter(|(date, ..)| row["date"] == format!("2026-02-1{date}"));
            let newest = of_day.map(|(_, minute, steps)| (minute, steps)).max().unwrap();
            prop_assert_eq!(&row["steps"], &Value::from(*newest.1));
        }
    }
}
