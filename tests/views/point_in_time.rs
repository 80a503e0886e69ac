//! Views of the past, and what differs between two views.

use std::collections::BTreeMap;

use schemas::{RowDocument, RowsDocument};
use serde_json::Value;

use super::{TestUser, rows_by_date, run_ok, run_operator_command, user_ref, views_by_state};
use crate::harness::{Cluster, ExpectedRow, yesterday};

/// Two users, two dates, and what each post changes.
async fn post_six_summaries(cluster: &Cluster) -> (TestUser, TestUser, u64) {
    let (mut ana, mut ben) = (TestUser::new(cluster, "ana"), TestUser::new(cluster, "ben"));
    let (day, before) = (yesterday(), yesterday().yesterday().unwrap());
    let run = |minutes: u32| {
        format!(r#""workouts":[{{"type":"run","duration":{minutes},"start_time":"{before}T06:00:00Z"}}]"#)
    };
    ana.post(before, "08:00:00", r#""steps":1000"#).await;
    ben.post(day, "08:00:00", r#""steps":7,"hrv":40"#).await;
    ana.post(before, "09:00:00", &run(30)).await;
    ana.post(day, "20:00:00", r#""steps":500"#).await;
    // Late: made before what is known, so it fills in and replaces nothing.
    ana.post(before, "07:00:00", &format!(r#""steps":1,"resting_hr":58,{}"#, run(45))).await;
    let last = ben.post(day, "09:00:00", r#""steps":8"#).await;
    (ana, ben, last)
}

fn rows_of_user_at(cluster: &Cluster, user: &TestUser, when: &str, more: &[&str]) -> RowsDocument {
    let said = run_ok(cluster, &[&["view", "at", when, "--user", &user.name, "--json"], more].concat());
    serde_json::from_value(said.last_json()).unwrap()
}

fn rows_of_all_at(cluster: &Cluster, when: &str, more: &[&str]) -> BTreeMap<(String, String), ExpectedRow> {
    let said = run_ok(cluster, &[&["view", "at", when, "--json"], more].concat());
    let rows = said.json_lines().into_iter().filter(|line| line["user_ref"].is_string()).map(|line| {
        let row: RowDocument = serde_json::from_value(line.clone()).unwrap();
        ((line["user_ref"].as_str().unwrap().to_owned(), row.date.to_string()), ExpectedRow::from(&row))
    });
    rows.collect()
}

#[tokio::test]
async fn view_at_a_sequence_matches_the_posts_so_far() {
    let cluster = Cluster::start().await;
    let (ana, ben, last) = post_six_summaries(&cluster).await;
    let date = yesterday();
    for sequence in 1..=last {
        let when = sequence.to_string();
        let mut all = BTreeMap::new();
        for user in [&ana, &ben] {
            let rows = rows_of_user_at(&cluster, user, &when, &[]);
            assert_eq!((rows.position, rows_by_date(&rows)), (sequence, user.expected_rows(sequence)));
            let name = user_ref(&cluster, &user.name).to_string();
            let expected = user.expected_rows(sequence).into_iter();
            all.extend(expected.map(|(date, row)| ((name.clone(), date.to_string()), row)));
        }
        assert_eq!(rows_of_all_at(&cluster, &when, &[]), all, "as of {sequence}");
        let of_day = rows_of_all_at(&cluster, &when, &["--date", &date.to_string()]);
        all.retain(|(_, of), _| *of == date.to_string());
        assert_eq!(of_day, all, "as of {sequence}, {date} alone");
    }
    let of_day = rows_of_user_at(&cluster, &ana, "5", &["--date", &date.to_string()]);
    assert_eq!(rows_by_date(&of_day), [(date, ana.expected_row(date, 5).unwrap())].into());

    // By time: the time of an event is that of its having been received.
    let shown = run_ok(&cluster, &["events", "show", "4", "--json"]).last_json();
    let received = shown["received_at"].as_str().unwrap_or_else(|| panic!("{shown}"));
    let rows = rows_of_user_at(&cluster, &ana, received, &[]);
    assert_eq!((rows.position, rows_by_date(&rows)), (4, ana.expected_rows(4)));
    let table = run_ok(&cluster, &["view", "at", received]).stdout;
    assert!(table.contains("run 30 min") && table.contains("rows as of position 4"), "{table}");
    for early in ["2020-01-01T00:00:00Z", "0"] {
        assert_eq!(rows_of_user_at(&cluster, &ana, early, &[]).summaries, [], "before the first event");
        assert!(rows_of_all_at(&cluster, early, &[]).is_empty());
        let dated = run_operator_command(
            &cluster,
            &["view", "at", early, "--user", "ana", "--date", &date.to_string()],
        );
        assert_eq!(dated.exit_code, Some(1), "{}", dated.combined_output);
    }
    assert_eq!(run_operator_command(&cluster, &["view", "at", "yesterday"]).exit_code, Some(2));
    for beyond in [
        &["view", "at", "9999"][..],
        &["view", "at", "9999", "--user", "ana"],
        &["view", "diff", "9999", "serving"],
    ] {
        let said = run_operator_command(&cluster, beyond);
        assert!(
            said.exit_code == Some(1) && said.combined_output.contains("the log ends at"),
            "{beyond:?}: {}",
            said.combined_output
        );
    }
}

/// What a diff told, by whose and of what date, and field.
fn diff_values(lines: &[Value]) -> BTreeMap<(String, String, String), (Value, Value)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    let differing = lines.iter().filter(|line| line["field"].is_string());
    differing
        .map(|line| {
            (
                (text(line, "user_ref"), text(line, "of"), text(line, "field")),
                (line["a"].clone(), line["b"].clone()),
            )
        })
        .collect()
}

#[tokio::test]
async fn diff_lists_values_and_dry_run_switches_nothing() {
    let cluster = Cluster::start().await;
    let (mut ana, _, last) = post_six_summaries(&cluster).await;
    run_ok(&cluster, &["view", "rebuild"]);
    run_ok(&cluster, &["view", "diff", "kept", "serving"]);
    let (date, time) = (yesterday(), "21:00:00");
    let sequence = ana.post(date, time, r#""steps":600,"sleep_hours":7.5"#).await;
    let (whose, of) = (user_ref(&cluster, "ana").to_string(), date.to_string());
    let expected: BTreeMap<_, (Value, Value)> = [
        ("steps", (500.into(), 600.into())),
        ("sleep_hours", (Value::Null, 7.5.into())),
        ("generated_at", (format!("{date}T20:00:00Z").into(), format!("{date}T{time}Z").into())),
        ("events.last", (4.into(), sequence.into())),
    ]
    .into_iter()
    .map(|(field, values)| ((whose.clone(), of.clone(), field.to_owned()), values))
    .collect();
    let since = last.to_string();
    for older in ["kept", "view-1", &since] {
        let said = run_operator_command(&cluster, &["view", "diff", older, "serving", "--json"]);
        assert_eq!(said.exit_code, Some(1), "{}", said.combined_output);
        let mut found = diff_values(&said.json_lines());
        // Where each value is from differs with it.
        for field in ["steps.event_id", "sleep_hours.event_id"] {
            let origin = found.remove(&(whose.clone(), of.clone(), field.to_owned()));
            assert!(origin.is_some_and(|(a, b)| a != b), "{field}: {}", said.combined_output);
        }
        assert_eq!(found, expected, "{older}");
        let counts = &said.last_json();
        assert_eq!(
            (&counts["differences"], &counts["by_field"]["steps"]),
            (&6.into(), &1.into()),
            "{counts}"
        );
        assert_eq!(counts["entries"], 3, "two rows of Ana, one of Ben");
    }
    let table = run_operator_command(&cluster, &["view", "diff", "kept", "serving"]).stdout;
    let line = table.lines().find(|line| line.contains(" steps ")).unwrap_or_else(|| panic!("{table}"));
    assert!(line.contains(&whose) && line.contains("500") && line.contains("600"), "{line}");
    assert!(
        table.contains("1 differ in sleep_hours") && table.contains("6 values differ in 3 rows"),
        "{table}"
    );
    // Two of the past are held at a time; which is asked for again stays.
    for (a, b) in [("1", "2"), ("1", "3"), ("3", "1")] {
        let said = run_operator_command(&cluster, &["view", "diff", a, b]);
        assert_eq!(said.exit_code, Some(1), "{}", said.combined_output);
        assert!(said.combined_output.contains("values differ in"), "{a} {b}: {}", said.combined_output);
    }
    run_ok(&cluster, &["view", "diff", "serving", "serving"]);
    assert_eq!(run_operator_command(&cluster, &["view", "diff", "serving", "nonsense"]).exit_code, Some(2));

    let dry = run_ok(&cluster, &["view", "rebuild", "--dry-run"]).stdout;
    assert!(dry.contains("view-3 is built, and view-2 serves") && dry.contains("0 values differ"), "{dry}");
    let are = [("built".into(), vec![3]), ("kept".into(), vec![1]), ("serving".into(), vec![2])];
    assert_eq!(views_by_state(&cluster), are.into());
    run_ok(&cluster, &["view", "diff", "serving", "built"]);
    run_ok(&cluster, &["view", "drop", "built"]);
    ana.check_rows().await;
}
