//! Views while nothing runs, and views that a start refuses: by name, and with the command that mends it.

use std::path::Path;

use client::{Backoff, PostResult};
use schemas::RowsDocument;
use tokio::time::Duration;

use super::OperatorOutput;
use crate::harness::{System, TestFolder, now, run_syncwell, run_syncwell_in, summary};

async fn post_steps(system: &System, time: &str, steps: u32) {
    let mut phone = system.phone("ana");
    let signed =
        phone.sign(now().as_millisecond().to_string(), summary(time, &format!(r#""steps":{steps}"#)));
    let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200), 300);
    let PostResult::Accepted(accepted) = phone.post(&signed, backoff).await.unwrap() else {
        panic!("refused")
    };
    assert!(accepted.outcome.is_some(), "folded");
}

/// Ana's steps of yesterday.
async fn read_steps(system: &System) -> Option<f64> {
    let answer = system.phone("ana").get("/v1/summaries?from=2026-01-01&to=2026-12-31").await.unwrap();
    let rows: RowsDocument = serde_json::from_slice(&answer.body).unwrap();
    rows.summaries.first().map(|row| row.steps.unwrap().get())
}

fn run_offline(folder: &TestFolder, arguments: &[&str]) -> OperatorOutput {
    OperatorOutput::from_output(run_syncwell_in(&folder.path().join("data"), arguments))
}

/// Starts on a view that it must not start on, and returns what it says.
fn start_and_fail(folder: &TestFolder) -> String {
    let data_dir = folder.path().join("data");
    let said = OperatorOutput::from_output(run_syncwell(
        &["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()],
        &[],
    ));
    assert_eq!(said.exit_code, Some(1), "{}", said.combined_output);
    // Behind the log lines; what the projector and the notary found, a line each.
    let from = said.combined_output.find("syncwell: ").expect(&said.combined_output);
    said.combined_output[from..].to_owned()
}

/// Does exactly what the complaint says.
fn run_suggested_repair(folder: &TestFolder, complaint: &str) -> OperatorOutput {
    let named = complaint.split('`').find_map(|part| part.strip_prefix("syncwell ")).expect(complaint);
    let said = run_offline(folder, &named.split(' ').collect::<Vec<_>>());
    assert_eq!(said.exit_code, Some(0), "{named}: {}", said.combined_output);
    assert!(said.stdout.contains("serves from the next start on"), "{}", said.combined_output);
    said
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn stopped_installation_is_rebuilt_and_rolled_back() {
    let system = System::start();
    post_steps(&system, "08:00:00", 1_000).await;
    let folder = system.stop().await;
    assert_eq!(run_offline(&folder, &["view", "rollback"]).exit_code, Some(1), "no view is kept");
    for online in [&["--dry-run"][..], &["--user", "ana"]] {
        assert_eq!(
            run_offline(&folder, &[&["view", "rebuild"], online].concat()).exit_code,
            Some(2),
            "{online:?}"
        );
    }
    let rebuilt = run_offline(&folder, &["view", "rebuild", "--json"]);
    assert_eq!(rebuilt.exit_code, Some(0), "{}", rebuilt.combined_output);
    assert_eq!((&rebuilt.last_json()["serving"], &rebuilt.last_json()["position"]), (&2.into(), &1.into()));
    let system = System::start_in(folder, &[]);
    assert_eq!(read_steps(&system).await, Some(1_000.0));
    post_steps(&system, "09:00:00", 2_000).await;
    let digest = system.run_command(&["view", "verify", "--digest", "--json"]);
    assert_eq!(OperatorOutput::from_output(digest).last_json()["position"], 2);
    // A command that would fold the views of a running projector is kept from them.
    let beside = OperatorOutput::from_output(system.run_command(&["view", "rebuild", "--offline"]));
    assert!(beside.exit_code != Some(0), "{}", beside.combined_output);
    let folder = system.stop().await;

    let back = run_offline(&folder, &["view", "rollback"]);
    assert!(
        back.exit_code == Some(0) && back.stdout.starts_with("view-1 serves"),
        "{}",
        back.combined_output
    );
    // The view of before stood at the first post, and goes on from there.
    let system = System::start_in(folder, &[]);
    assert_eq!(read_steps(&system).await, Some(2_000.0));
    let list = OperatorOutput::from_output(system.run_command(&["view", "list", "--json"])).last_json();
    assert_eq!((&list["views"][0]["view"], &list["views"][1]["view"]), (&1.into(), &2.into()), "{list}");
    let verified = OperatorOutput::from_output(system.run_command(&["view", "verify"]));
    assert_eq!(verified.exit_code, Some(0), "{}", verified.combined_output);
}

/// The view is mended, and the notary still knows that more was signed than this log has: it says what to do, too.
fn remove_tiles_after_refusal(folder: &TestFolder) {
    let complaint = start_and_fail(folder);
    assert!(
        complaint.contains("events were signed") && complaint.contains("remove the tiles"),
        "{complaint}"
    );
    std::fs::remove_dir_all(folder.path().join("data/tiles")).unwrap();
}

#[tokio::test]
async fn mismatched_view_is_repaired_by_the_suggested_command() {
    let system = System::start();
    post_steps(&system, "08:00:00", 1_000).await;
    let folder = system.stop().await;
    let data_dir = folder.path().join("data");
    let (view, nats) = (data_dir.join("view"), data_dir.join("nats"));

    // Of the version before, whose folder was the one store itself.
    std::fs::remove_dir_all(&view).unwrap();
    std::fs::create_dir(&view).unwrap();
    std::fs::write(view.join("conf"), "segment_size: 524288").unwrap();
    let complaint = start_and_fail(&folder);
    assert!(
        complaint.contains("is of format 1") && complaint.contains(view.to_str().unwrap()),
        "{complaint}"
    );
    let said = run_suggested_repair(&folder, &complaint);
    let aside = said
        .combined_output
        .lines()
        .find_map(|line| line.strip_prefix("the views of before are in "))
        .unwrap();
    let aside = Path::new(aside.split(';').next().unwrap());
    assert!(aside.join("conf").exists(), "set aside, not removed: {}", said.combined_output);

    // Ahead of its log, which was restored from an older copy.
    let older = folder.path().join("older");
    copy_folder(&nats, &older);
    let system = System::start_in(folder, &[]);
    assert_eq!(read_steps(&system).await, Some(1_000.0));
    post_steps(&system, "09:00:00", 2_000).await;
    let folder = system.stop().await;
    std::fs::remove_dir_all(&nats).unwrap();
    copy_folder(&older, &nats);
    let complaint = start_and_fail(&folder);
    assert!(complaint.contains("stands at sequence 2, but the log ends at 1"), "{complaint}");
    assert!(start_and_fail(&folder).contains("stands at sequence 2"), "refusing changes nothing");
    run_suggested_repair(&folder, &complaint);
    remove_tiles_after_refusal(&folder);
    let system = System::start_in(folder, &[]);
    assert_eq!(read_steps(&system).await, Some(1_000.0), "the log is the truth");
    post_steps(&system, "10:00:00", 3_000).await;
    assert_eq!(read_steps(&system).await, Some(3_000.0));
    let folder = system.stop().await;

    // Of another log.
    std::fs::remove_dir_all(&nats).unwrap();
    let complaint = start_and_fail(&folder);
    assert!(complaint.contains("belongs to the log created at"), "{complaint}");
    run_suggested_repair(&folder, &complaint);
    remove_tiles_after_refusal(&folder);
    let system = System::start_in(folder, &[]);
    assert_eq!(read_steps(&system).await, None);
    post_steps(&system, "08:00:00", 5).await;
    assert_eq!(read_steps(&system).await, Some(5.0));
    let verified = OperatorOutput::from_output(system.run_command(&["view", "verify"]));
    assert_eq!(verified.exit_code, Some(0), "{}", verified.combined_output);
}
