//! Everybody's past years are destroyed, and nothing else.

use super::SCOPES;
use crate::harness::{RawRequest, System, run_cli, summary, yesterday};

fn summary_on(date: &str, steps: u32) -> String {
    format!(r#"{{"date":"{date}","generated_at":"{date}T20:00:00Z","steps":{steps}}}"#)
}

#[tokio::test]
async fn old_years_are_destroyed_and_others_kept() {
    let system = System::start();
    let ana = system.credentials("ana", &["--scope", SCOPES]);
    let post = async |body: String| RawRequest::post(&ana, body).send(&system.base_url).await.status;
    let row = async |date: &str| {
        RawRequest::get(&ana, &format!("/v1/summaries/{date}")).send(&system.base_url).await
    };
    for (date, steps) in [("2015-03-04", 15), ("2019-12-31", 19), ("2020-01-01", 20)] {
        assert_eq!(post(summary_on(date, steps)).await, 201);
    }
    assert_eq!(post(summary("20:00:00", r#""steps":1"#)).await, 201);
    let years = crate::harness::now().to_zoned(jiff::tz::TimeZone::UTC).year() - 2020;
    let older = format!("{years}y");
    let retain = |more: &[&str]| {
        run_cli(&system.data_dir(), &[&["retention", "--older-than", &older, "--json"], more].concat())
    };
    assert_eq!(retain(&[]).exit_code, Some(2), "without a reason");
    let dry = retain(&["--dry-run"]);
    assert_eq!(dry.json(), serde_json::json!({ "before_year": 2020, "data_keys": 2, "destroyed": false }));
    assert_eq!(row("2015-03-04").await.status, 200);
    let done = retain(&["--reason", "policy 7"]);
    assert_eq!(
        (done.exit_code, &done.json()["data_keys"]),
        (Some(0), &2.into()),
        "{}",
        done.combined_output()
    );
    for gone in ["2015-03-04", "2019-12-31"] {
        assert_eq!(row(gone).await.problem_code(), "not_found", "{gone}");
    }
    for stays in ["2020-01-01".to_owned(), yesterday().to_string()] {
        assert_eq!(row(&stays).await.status, 200, "{stays}");
    }
    // Folded from the first event the view is the same, and the log is whole.
    for command in [["view", "verify"].as_slice(), &["view", "rebuild", "--dry-run"], &["audit", "verify"]] {
        let ran = run_cli(&system.data_dir(), command);
        assert_eq!(ran.exit_code, Some(0), "{command:?}: {}", ran.combined_output());
    }
    let revealed =
        run_cli(&system.data_dir(), &["audit", "verify", "--reveal", "--reason", "a test", "--json"]);
    assert_eq!(revealed.json()["holds"], true, "{}", revealed.combined_output());
    assert_eq!(retain(&["--reason", "again"]).json()["data_keys"], 0);
    // What comes later of a past year is kept until the next time, under a key of its own.
    crate::harness::wait_until("ingest has forgotten the old key", async || {
        (post(summary_on("2019-12-31", 77)).await == 201).then_some(())
    })
    .await;
    assert_eq!(row("2019-12-31").await.json()["steps"], 77);
    assert_eq!(run_cli(&system.data_dir(), &["view", "verify"]).exit_code, Some(0));
}
