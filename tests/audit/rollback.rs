//! A log that was truncated, restored from an older copy, or replaced by one that went another way.

use std::path::{Path, PathBuf};

use super::{copy_folder, files_below, start_and_fail, wait_until_signed};
use crate::harness::{System, TestFolder, post_summaries};

const STORE: &str = "data/nats/store";

/// Replaces the broker's files, or one stream's.
fn replace_store(folder: &Path, by: &Path, what: &Path) {
    std::fs::remove_dir_all(folder.join(STORE).join(what)).unwrap();
    copy_folder(&by.join(what), &folder.join(STORE).join(what));
}

/// Where a stream is below the store.
fn stream_folder(store: &Path, name: &str) -> PathBuf {
    let meta =
        files_below(store).into_iter().find(|file| file.ends_with(format!("{name}/meta.inf"))).unwrap();
    meta.parent().unwrap().strip_prefix(store).unwrap().to_owned()
}

/// A system with six signed events that was stopped, and a copy of its broker's files from when there were three.
async fn six_events_and_copy_of_three() -> (TestFolder, PathBuf) {
    let system = System::start();
    post_summaries(&system.data_dir(), &system.base_url, &["ana"], 3, 0).await;
    wait_until_signed(&system.data_dir(), 3).await;
    let folder = system.stop().await;
    let three = folder.path().join("three");
    copy_folder(&folder.path().join(STORE), &three);
    let system = System::start_in(folder, &[]);
    post_summaries(&system.data_dir(), &system.base_url, &["ana"], 3, 1).await;
    wait_until_signed(&system.data_dir(), 6).await;
    (system.stop().await, three)
}

/// The broker's files of a system that went on otherwise from the same three events, to seven.
async fn forked_log_of_seven(folder: &Path, three: &Path) -> TestFolder {
    let other = TestFolder::new();
    for part in ["keys", "secrets"] {
        copy_folder(&folder.join("data").join(part), &other.path().join("data").join(part));
    }
    for file in ["log.vkey", "attest.vkey", "breakglass.pub", "jwks.json"] {
        std::fs::copy(folder.join("data").join(file), other.path().join("data").join(file)).unwrap();
    }
    for secret in files_below(&other.path().join("data/secrets")) {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(secret, permissions).unwrap();
    }
    copy_folder(three, &other.path().join(STORE));
    let system = System::start_in(other, &[]);
    post_summaries(&system.data_dir(), &system.base_url, &["ana"], 4, 2).await;
    wait_until_signed(&system.data_dir(), 7).await;
    system.stop().await
}

#[tokio::test]
async fn truncated_log_is_refused_with_and_without_the_view() {
    let (folder, three) = six_events_and_copy_of_three().await;
    replace_store(folder.path(), &three, &stream_folder(&three, "EVENTS"));
    let said = start_and_fail(folder.path()).await;
    assert!(said.contains("INCIDENT: ") && said.contains("the log ends at 3"), "{said}");
    std::fs::remove_dir_all(folder.path().join("data/view")).unwrap();
    let said = start_and_fail(folder.path()).await;
    assert!(
        said.contains("INCIDENT: the log ends at 3, but 6 events were signed: it was truncated"),
        "{said}"
    );
    // Nor without the tree: what was signed is in the broker.
    std::fs::remove_dir_all(folder.path().join("data/tiles")).unwrap();
    let said = start_and_fail(folder.path()).await;
    assert!(
        said.contains("INCIDENT: the log ends at 3, but 6 events were signed: it was truncated"),
        "{said}"
    );
}

#[tokio::test]
async fn older_log_and_checkpoints_are_refused_by_the_view() {
    let (folder, three) = six_events_and_copy_of_three().await;
    replace_store(folder.path(), &three, Path::new(""));
    let said = start_and_fail(folder.path()).await;
    assert!(said.contains("INCIDENT: ") && said.contains("the log ends at 3"), "{said}");
}

#[tokio::test]
async fn older_log_and_checkpoints_are_refused_by_the_tiles() {
    let (folder, three) = six_events_and_copy_of_three().await;
    replace_store(folder.path(), &three, Path::new(""));
    // The newest checkpoint that the notary published is beside its tiles: it must never sign another tree of that size.
    std::fs::remove_dir_all(folder.path().join("data/view")).unwrap();
    let said = start_and_fail(folder.path()).await;
    assert!(said.contains("INCIDENT: ") && said.contains("6 events were signed"), "{said}");
}

#[tokio::test]
async fn forked_log_is_refused_with_and_without_the_view() {
    let (folder, three) = six_events_and_copy_of_three().await;
    let other = forked_log_of_seven(folder.path(), &three).await;
    let store = other.path().join(STORE);
    replace_store(folder.path(), &store, &stream_folder(&store, "EVENTS"));
    let said = start_and_fail(folder.path()).await;
    assert!(said.contains("INCIDENT: ") && said.contains("replaced"), "{said}");
    std::fs::remove_dir_all(folder.path().join("data/view")).unwrap();
    let said = start_and_fail(folder.path()).await;
    assert!(said.contains("INCIDENT: the log's first 6 events are not those that checkpoint"), "{said}");
    // Nor without the tree: then the first checkpoint behind the fork tells.
    std::fs::remove_dir_all(folder.path().join("data/tiles")).unwrap();
    let said = start_and_fail(folder.path()).await;
    assert!(said.contains("INCIDENT: ") && said.contains("events are not those that checkpoint"), "{said}");
}

#[tokio::test]
async fn forked_log_and_checkpoints_are_refused_by_the_view() {
    let (folder, three) = six_events_and_copy_of_three().await;
    let other = forked_log_of_seven(folder.path(), &three).await;
    replace_store(folder.path(), &other.path().join(STORE), Path::new(""));
    let said = start_and_fail(folder.path()).await;
    assert!(
        said.contains("INCIDENT: the event at sequence 6 is not the one that the view has folded"),
        "{said}"
    );
}

#[tokio::test]
async fn forked_log_and_checkpoints_are_refused_by_the_tiles() {
    let (folder, three) = six_events_and_copy_of_three().await;
    let other = forked_log_of_seven(folder.path(), &three).await;
    replace_store(folder.path(), &other.path().join(STORE), Path::new(""));
    std::fs::remove_dir_all(folder.path().join("data/view")).unwrap();
    let said = start_and_fail(folder.path()).await;
    assert!(said.contains("INCIDENT: "), "{said}");
}
