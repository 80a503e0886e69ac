//! Views while nothing runs, and views that a start refuses: by name, and with the command that mends it.

use std::path::Path;

use client::{Backoff, Posted};
use schemas::RowsDocument;
use tokio::time::Duration;

use super::Said;
use crate::harness::{System, TestFolder, command_in, now, run, summary};

async fn post(system: &System, time: &str, steps: u32) {
    let mut phone = system.phone("ana");
    let signed =
        phone.sign(now().as_millisecond().to_string(), summary(time, &format!(r#""steps":{steps}"#)));
    let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200), 300);
    let Posted::Accepted(accepted) = phone.post(&signed, backoff).await.unwrap() else { panic!("refused") };
    assert!(accepted.outcome.is_some(), "folded");
}

/// Ana's steps of yesterday.
async fn steps(system: &System) -> Option<f64> {
    let answer = system.phone("ana").get("/v1/summaries?from=2026-01-01&to=2026-12-31").await.unwrap();
    let rows: RowsDocument = serde_json::from_slice(&answer.body).unwrap();
    rows.summaries.first().map(|row| row.steps.unwrap().get())
}

fn command(folder: &TestFolder, arguments: &[&str]) -> Said {
    Said::by(command_in(&folder.path().join("data"), arguments))
}

/// Starts on a view that it must not start on, and returns what it says.
fn refused(folder: &TestFolder) -> String {
    let data_dir = folder.path().join("data");
    let said =
        Said::by(run(&["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()], &[]));
    assert_eq!(said.code, Some(1), "{}", said.text);
    // Behind the log lines; what the projector and the notary found, a line each.
    let from = said.text.find("syncwell: ").expect(&said.text);
    said.text[from..].to_owned()
}

/// Does exactly what the complaint says.
fn mend(folder: &TestFolder, complaint: &str) -> Said {
    let named = complaint.split('`').find_map(|part| part.strip_prefix("syncwell ")).expect(complaint);
    let said = command(folder, &named.split(' ').collect::<Vec<_>>());
    assert_eq!(said.code, Some(0), "{named}: {}", said.text);
    assert!(said.output.contains("serves from the next start on"), "{}", said.text);
    said
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_stopped_installation_is_rebuilt_and_rolled_back() {
    let system = System::start();
    post(&system, "08:00:00", 1_000).await;
    let folder = system.stop().await;
    assert_eq!(command(&folder, &["view", "rollback"]).code, Some(1), "no view is kept");
    for online in [&["--dry-run"][..], &["--user", "ana"]] {
        assert_eq!(command(&folder, &[&["view", "rebuild"], online].concat()).code, Some(2), "{online:?}");
    }
    let rebuilt = command(&folder, &["view", "rebuild", "--json"]);
    assert_eq!(rebuilt.code, Some(0), "{}", rebuilt.text);
    assert_eq!((&rebuilt.last()["serving"], &rebuilt.last()["position"]), (&2.into(), &1.into()));
    let system = System::start_in(folder, &[]);
    assert_eq!(steps(&system).await, Some(1_000.0));
    post(&system, "09:00:00", 2_000).await;
    let digest = system.command(&["view", "verify", "--digest", "--json"]);
    assert_eq!(Said::by(digest).last()["position"], 2);
    // A command that would fold the views of a running projector is kept from them.
    let beside = Said::by(system.command(&["view", "rebuild", "--offline"]));
    assert!(beside.code != Some(0), "{}", beside.text);
    let folder = system.stop().await;

    let back = command(&folder, &["view", "rollback"]);
    assert!(back.code == Some(0) && back.output.starts_with("view-1 serves"), "{}", back.text);
    // The view of before stood at the first post, and goes on from there.
    let system = System::start_in(folder, &[]);
    assert_eq!(steps(&system).await, Some(2_000.0));
    let list = Said::by(system.command(&["view", "list", "--json"])).last();
    assert_eq!((&list["views"][0]["view"], &list["views"][1]["view"]), (&1.into(), &2.into()), "{list}");
    let verified = Said::by(system.command(&["view", "verify"]));
    assert_eq!(verified.code, Some(0), "{}", verified.text);
}

/// The view is mended, and the notary still knows that more was signed than this log has: it says what to do, too.
fn forget_what_was_signed(folder: &TestFolder) {
    let complaint = refused(folder);
    assert!(
        complaint.contains("events were signed") && complaint.contains("remove the tiles"),
        "{complaint}"
    );
    std::fs::remove_dir_all(folder.path().join("data/tiles")).unwrap();
}

#[tokio::test]
async fn a_view_that_does_not_fit_is_mended_by_the_command_that_is_named() {
    let system = System::start();
    post(&system, "08:00:00", 1_000).await;
    let folder = system.stop().await;
    let data_dir = folder.path().join("data");
    let (view, nats) = (data_dir.join("view"), data_dir.join("nats"));

    // Of the version before, whose folder was the one store itself.
    std::fs::remove_dir_all(&view).unwrap();
    std::fs::create_dir(&view).unwrap();
    std::fs::write(view.join("conf"), "segment_size: 524288").unwrap();
    let complaint = refused(&folder);
    assert!(
        complaint.contains("is of format 1") && complaint.contains(view.to_str().unwrap()),
        "{complaint}"
    );
    let said = mend(&folder, &complaint);
    let aside = said.text.lines().find_map(|line| line.strip_prefix("the views of before are in ")).unwrap();
    let aside = Path::new(aside.split(';').next().unwrap());
    assert!(aside.join("conf").exists(), "set aside, not removed: {}", said.text);

    // Ahead of its log, which was restored from an older copy.
    let older = folder.path().join("older");
    copy(&nats, &older);
    let system = System::start_in(folder, &[]);
    assert_eq!(steps(&system).await, Some(1_000.0));
    post(&system, "09:00:00", 2_000).await;
    let folder = system.stop().await;
    std::fs::remove_dir_all(&nats).unwrap();
    copy(&older, &nats);
    let complaint = refused(&folder);
    assert!(complaint.contains("stands at sequence 2, but the log ends at 1"), "{complaint}");
    assert!(refused(&folder).contains("stands at sequence 2"), "refusing changes nothing");
    mend(&folder, &complaint);
    forget_what_was_signed(&folder);
    let system = System::start_in(folder, &[]);
    assert_eq!(steps(&system).await, Some(1_000.0), "the log is the truth");
    post(&system, "10:00:00", 3_000).await;
    assert_eq!(steps(&system).await, Some(3_000.0));
    let folder = system.stop().await;

    // Of another log.
    std::fs::remove_dir_all(&nats).unwrap();
    let complaint = refused(&folder);
    assert!(complaint.contains("belongs to the log created at"), "{complaint}");
    mend(&folder, &complaint);
    forget_what_was_signed(&folder);
    let system = System::start_in(folder, &[]);
    assert_eq!(steps(&system).await, None);
    post(&system, "08:00:00", 5).await;
    assert_eq!(steps(&system).await, Some(5.0));
    let verified = Said::by(system.command(&["view", "verify"]));
    assert_eq!(verified.code, Some(0), "{}", verified.text);
}
